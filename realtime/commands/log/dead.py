"""`log dead`: what consumers have set aside."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from realtime.commands.common import say
from realtime.commands.common import show as print_line
from realtime.commands.log.common import projection_named, work_on
from realtime.commands.place import HERE, Where
from realtime.startup import StartError
from store.interface import Store
from store.projections import operating
from store.projections.aside import State
from store.queries.consumers import letters

STATES = {State.FAILED: "failed", State.PARKED: "parked", State.RETRIED: "to be retried"}


def dead(
    consumer: Annotated[str, Parameter(help="only of this one")] = "",
    position: Annotated[int, Parameter(help="only this entry")] = 0,
    /,
    *,
    retry: Annotated[
        bool, Parameter(negative="", help="have the entry tried again, or all of the consumer's")
    ] = False,
    discard: Annotated[
        bool, Parameter(negative="", help="give the entry up; those that wait behind it are tried")
    ] = False,
    limit: Annotated[int, Parameter(help="at most so many")] = 100,
    parked: Annotated[
        bool, Parameter(negative="", help="those, too, that only wait behind them")
    ] = False,
    place: Where = HERE,
) -> None:
    """Lists the entries that consumers have set aside, as JSON lines; with --retry or --discard
    says what becomes of them.

    An entry that is to be retried is taken by the server that runs the consumer, at once or when
    there is one: it takes effect, and then those of its key that waited, in their order; or it
    fails once more, and stays.

    Each has `consumer`, `generation` (of its rows), `position`, `key` (what the entry is about:
    later ones of the same key wait), `state` (failed, parked, to be retried), `error` and `at_ms`
    (Unix milliseconds): when it was set aside.
    """

    async def work(store: Store) -> None:
        if retry or discard:
            say(await _decide(store, consumer, position, retry=retry, discard=discard))
            return
        found = await store.read(letters, consumer, position, limit, parked=parked or position > 0)
        for letter in found:
            print_line({**letter._asdict(), "state": STATES[letter.state]})

    work_on(place, work)


async def _decide(store: Store, consumer: str, position: int, *, retry: bool, discard: bool) -> str:
    if retry and discard:
        raise StartError("--retry and --discard exclude each other")
    projection_named(consumer)
    if discard:
        if not position:
            raise StartError("--discard needs the position of an entry")
        await store.write(operating.discard, consumer, position)
        return f"entry {position} is discarded"
    if position:
        await store.write(operating.retry, consumer, position)
        return f"entry {position} is to be retried"
    return f"{await store.write(operating.retry_all, consumer)} entries are to be retried"
