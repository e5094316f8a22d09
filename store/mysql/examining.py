"""All that is wrong with a database server, for who looks at it instead of starting on it."""

from __future__ import annotations

import time
from functools import partial
from typing import NamedTuple

from store.mysql.address import Address
from store.mysql.checks import let_in, variables
from store.mysql.connection import Limits
from store.mysql.dialect import DIALECTS
from store.mysql.judging import Flaw, is_small, judge
from store.mysql.loop import LoopThread, Turn


class Examined(NamedTuple):
    flaws: list[Flaw]
    ahead_ms: int
    """How far its clock is ahead of this machine's."""
    answer_ms: float
    """What a round trip took."""


async def examine(address: Address, connections: int) -> Examined:
    """`connections` is how many a server opens. Raises `Unavailable` where the database cannot be
    reached, and `Incompatible` where it does not let one in."""
    thread = LoopThread("mysql-examine")

    async def nothing() -> None:
        pass

    try:
        return await thread.run(partial(_examine, address, connections))
    finally:
        await thread.aclose(nothing)


async def _examine(address: Address, connections: int, turn: Turn[Examined]) -> Examined:
    turn.begin()
    connection = await let_in(address, Limits())
    try:
        characters, values = await variables(connection)
        started = time.monotonic()
        before_ms = time.time() * 1000
        found = await connection.execute(f"SELECT {DIALECTS[connection.flavour].now_ms()}")
        took_ms = (time.monotonic() - started) * 1000
        flaws = [
            *judge(address, connection.flavour, characters, values),
            *is_small(values, connections),
        ]
        return Examined(flaws, round(found.rows[0][0] - before_ms - took_ms / 2), took_ms)
    finally:
        await connection.aclose()
