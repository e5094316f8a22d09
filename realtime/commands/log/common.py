"""What the commands share: the store that they work on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from realtime.commands.place import Place, held, run_on_store
from realtime.fitting import projections
from realtime.startup import StartError
from realtime.stores import SQLITE, open_store, store_starts
from store.errors import DomainError
from store.interface import Store
from store.projections.base import Projection, VisibleProjection


def work_on(place: Place, work: Callable[[Store], Awaitable[None]], *, alone: bool = False) -> None:
    """Runs a command with a store that a server of this version has made; with `alone`
    while no server has it (see `held`). What it cannot do it says in a `StartError`."""
    settings = place.settings()

    async def main() -> None:
        if settings.store == SQLITE and not settings.database.is_file():
            raise StartError(f"there is no database in the data folder {settings.data}")
        with held(settings) if alone else nullcontext():
            async with open_store(settings) as store:
                with store_starts(settings):
                    if await store.pending():
                        raise StartError(
                            "the database is older than this version: run python -m realtime "
                            "migrate"
                        )
                    await _refusing(work, store)

    run_on_store(main)


async def _refusing(work: Callable[[Store], Awaitable[None]], store: Store) -> None:
    try:
        await work(store)
    except DomainError as error:
        raise StartError(error.message) from error


def projection_named(name: str) -> Projection | VisibleProjection:
    """Raises `StartError` for a consumer that this version has not got."""
    found = {one.name: one for one in projections()}
    if name not in found:
        raise StartError(f"there is no consumer {name!r}: {', '.join(sorted(found))}")
    return found[name]
