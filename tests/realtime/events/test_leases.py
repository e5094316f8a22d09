"""What this node owns, as the database says."""

from __future__ import annotations

from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing

from realtime.events.leases import Leases, SoleOwner
from store.errors import Unavailable
from store.queries.leases import Lease, release_leases, take_leases

FREE, TAKEN = Lease(1, 10_000), Lease(0, 4_000)


class Answers:
    """A store that answers each attempt as the test says, and then as before."""

    def __init__(self, *answers: dict[str, Lease] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[float] = []
        self.released: list[bytes] = []
        self.owners: set[bytes] = set()

    async def write(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if query is release_leases:
            self.released.append(args[0])
            return None
        assert query is take_leases
        names, owner, lifetime_ms = args
        assert (names, lifetime_ms) == (["a", "b"], 8000)
        self.owners.add(owner)
        self.asked.append(trio.current_time())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError


def leases(store: Answers) -> Leases:
    return Leases(store, "ab", lifetime=8, renew=2)


async def test_what_is_free_is_taken_and_kept(autojump_clock: trio.testing.MockClock) -> None:
    store = Answers({"a": FREE, "b": TAKEN})
    own = leases(store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(own.run)
        assert await own.wait("a") == 1
        assert own.owned() == ["a"]
        await trio.sleep(7)
        assert store.asked == [0, 2, 4, 6]
        with trio.move_on_after(1) as scope:
            await own.wait("b")
        assert scope.cancelled_caught
        nursery.cancel_scope.cancel()
    assert len(store.owners) == 1
    assert set(store.released) == store.owners
    assert own.owned() == []


async def test_what_becomes_free_is_taken_over(autojump_clock: trio.testing.MockClock) -> None:
    store = Answers({"a": TAKEN, "b": TAKEN}, {"a": Lease(5, 8000), "b": TAKEN})
    own = leases(store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(own.run)
        assert await own.wait("a") == 5
        assert trio.current_time() == 2
        nursery.cancel_scope.cancel()


async def test_what_another_has_is_not_ours_any_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    both = {"a": FREE, "b": FREE}
    store = Answers(both, {"a": TAKEN, "b": FREE}, {"a": Lease(3, 8000), "b": FREE})
    own = leases(store)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(own.run)
            assert await own.wait("a") == 1
            own.lost("b")  # as a refused write tells
            own.lost("b")
            assert own.owned() == ["a"]
            await trio.sleep(3)
            assert own.owned() == ["b"]
            assert await own.wait("a") == 3
            nursery.cancel_scope.cancel()
    assert [entry["lease"] for entry in logs if entry["event"] == "lease lost"] == ["b", "a"]


async def test_a_store_that_is_away_takes_nothing_from_us(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What has ended meanwhile the next write finds out."""
    both = {"a": FREE, "b": FREE}
    store = Answers(Unavailable("away"), both, Unavailable("away"), both)
    own = leases(store)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(own.run)
            assert await own.wait("a") == 1
            assert trio.current_time() == 2
            await trio.sleep(3)
            assert own.owned() == ["a", "b"]
            nursery.cancel_scope.cancel()
    waits = [entry for entry in logs if entry["event"] == "leases wait for the store"]
    assert len(waits) == 2


async def test_alone_everything_is_ours() -> None:
    assert await SoleOwner().wait("a") == 0
    with pytest.raises(AssertionError):
        SoleOwner().lost("a")
