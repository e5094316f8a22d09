"""Catches a node in the middle of a transaction: the last command of that is held back on its way
to the database, so whoever waits for the answer has done all but that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from realtime.events.leases import LIFETIME, RENEW
from tests.chaos.site import Site
from tests.real.process import ServerProcess
from tests.store.mysql.relay import Catch

SPARE = 20.0  # seconds beyond a limit that a busy machine may take
CATCH = LIFETIME + RENEW + SPARE  # seconds in which somebody comes to where he is waited for


def step_of(consumer: str, generation: int | None = None) -> Callable[[bytes], bool]:
    """The command with which a step of a consumer ends, at one generation of its rows or any."""
    of = "" if generation is None else f"AND generation = {generation}"
    name = f"WHERE consumer = '{consumer}' {of}".encode()
    return lambda data: b"UPDATE offsets SET position " in data and name in data


def is_batch(data: bytes) -> bool:
    """The command with which a batch ends."""
    return b"INSERT INTO log " in data


@asynccontextmanager
async def caught(
    site: Site, wanted: Callable[[bytes], bool]
) -> AsyncIterator[tuple[ServerProcess, Catch]]:
    """A node in the middle of a transaction, with a command that is held back. It goes on at the
    end of the block in any case."""
    catches = [line.catch(wanted) for line in site.lines]
    try:
        async with trio.open_nursery() as nursery:

            async def wait(catch: Catch) -> None:
                await catch.caught.wait()
                nursery.cancel_scope.cancel()

            for catch in catches:
                nursery.start_soon(wait, catch)
            nursery.cancel_scope.deadline = trio.current_time() + CATCH
        for line in site.lines:
            line.catch_nothing()
        caught = [pair for pair in zip(site.nodes, catches, strict=True) if pair[1].caught.is_set()]
        assert caught, "nobody has come to where he is waited for"
        for _, catch in caught[1:]:
            catch.let_go()
        yield caught[0]
    finally:
        for catch in catches:
            catch.let_go()
