"""The queue before the workers: bounded, by priority, and starving nobody."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from media.errors import Busy
from media.workers.slots import FAIR_SHARE, Priority, Slots


async def one(slots: Slots, priority: Priority, order: list[str], name: str) -> None:
    async with slots.hold(priority):
        order.append(name)
        await trio.lowlevel.checkpoint()


async def test_the_urgent_go_first_and_each_in_turn() -> None:
    slots, order = Slots(1, max_waiting=10), list[str]()
    async with trio.open_nursery() as nursery, slots.hold(Priority.UPLOAD):
        for name in ("upload1", "view1", "upload2", "view2"):
            priority = Priority.VIEWER if name.startswith("view") else Priority.UPLOAD
            nursery.start_soon(one, slots, priority, order, name)
            await trio.testing.wait_all_tasks_blocked()
        assert (slots.held, slots.waiting) == (1, 4)
    assert order == ["view1", "view2", "upload1", "upload2"]
    assert (slots.held, slots.waiting) == (0, 0)


async def test_nobody_starves_behind_the_urgent() -> None:
    slots, order = Slots(1, max_waiting=100), list[str]()
    async with trio.open_nursery() as nursery, slots.hold(Priority.VIEWER):
        nursery.start_soon(one, slots, Priority.UPLOAD, order, "upload")
        for _ in range(2 * FAIR_SHARE):
            nursery.start_soon(one, slots, Priority.VIEWER, order, "view")
        await trio.testing.wait_all_tasks_blocked()
    assert order.index("upload") == FAIR_SHARE - 1


async def test_each_priority_has_its_own_bound() -> None:
    slots = Slots(2, max_waiting=1)
    async with (
        trio.open_nursery() as nursery,
        slots.hold(Priority.VIEWER),
        slots.hold(Priority.VIEWER),
    ):
        for priority in Priority:
            nursery.start_soon(one, slots, priority, [], "")
        await trio.testing.wait_all_tasks_blocked()
        for priority in Priority:
            with pytest.raises(Busy) as refused:
                async with slots.hold(priority):
                    pass
            assert refused.value.retry_after > 0
    async with slots.hold(Priority.VIEWER):
        assert slots.held == 1


async def test_who_gives_up_waiting_takes_no_slot() -> None:
    slots = Slots(1, max_waiting=1)
    async with slots.hold(Priority.VIEWER):
        with trio.move_on_after(1) as scope:
            async with slots.hold(Priority.VIEWER):
                raise AssertionError("two at a time")
        assert scope.cancelled_caught
        assert slots.waiting == 0
    with trio.CancelScope() as scope:
        scope.cancel()
        async with slots.hold(Priority.VIEWER):
            raise AssertionError("cancelled before")
    assert scope.cancelled_caught
    assert slots.held == 0
