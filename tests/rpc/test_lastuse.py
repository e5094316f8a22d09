"""Last uses are stored in groups, and are not forgotten while the store is away."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio
import trio.testing

from rpc.lastuse import EVERY, LastUses
from store.errors import Unavailable
from store.queries.sessions import touch


class Writes:
    """A `Reads` that remembers what was to be written, or is not available."""

    def __init__(self) -> None:
        self.made: list[tuple[float, list[tuple[int, int]]]] = []
        self.away = False
        self.during: Any = lambda: None

    async def read(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("nothing is to be read")

    async def write(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        assert query is touch
        await trio.lowlevel.checkpoint()
        self.during()
        if self.away:
            raise Unavailable("the store is away")
        self.made.append((trio.current_time(), *args))


async def test_uses_of_a_while_are_one_write(autojump_clock: trio.testing.MockClock) -> None:
    writes = Writes()
    uses = LastUses(writes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(uses.run)
        await trio.sleep(100)
        assert writes.made == []  # nothing is asked for where there is nothing
        uses.note(1, 10)
        uses.note(2, 11)
        await trio.sleep(1)
        uses.note(1, 12)
        await trio.sleep(EVERY)
        assert writes.made == [(100 + EVERY, [(1, 12), (2, 11)])]
        uses.note(3, 13)
        await uses.store()
        await uses.store()
        assert [made for _, made in writes.made[1:]] == [[(3, 13)]]
        nursery.cancel_scope.cancel()


async def test_what_could_not_be_stored_is_stored_later_unless_there_is_a_later_use(
    autojump_clock: trio.testing.MockClock,
) -> None:
    writes = Writes()
    uses = LastUses(writes)
    uses.note(1, 10)
    uses.note(2, 11)
    writes.away, writes.during = True, lambda: uses.note(1, 20)
    with pytest.raises(Unavailable):
        await uses.store()
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(uses.run)
            await trio.sleep(EVERY + 1)
            assert [entry["log_level"] for entry in logs] == ["warning"]
            writes.away, writes.during = False, lambda: None
            await trio.sleep(EVERY)
            assert [sorted(made) for _, made in writes.made] == [[(1, 20), (2, 11)]]
            nursery.cancel_scope.cancel()
