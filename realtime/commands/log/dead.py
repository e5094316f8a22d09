"""`log dead`: what consumers have set aside."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from realtime.commands.common import show as print_line
from realtime.commands.log.common import work_on
from realtime.commands.place import HERE, Where
from store.interface import Store
from store.queries.consumers import dead_letters


def dead(
    consumer: Annotated[str, Parameter(help="only of this one")] = "",
    /,
    *,
    limit: Annotated[int, Parameter(help="at most so many")] = 100,
    place: Where = HERE,
) -> None:
    """Lists the entries that consumers have set aside, as JSON lines.

    Each has `consumer`, `position`, `error` and `at_ms` (Unix milliseconds): when it was set aside.
    """

    async def work(store: Store) -> None:
        for letter in await store.read(dead_letters, consumer, limit):
            print_line(letter._asdict())

    work_on(place, work)
