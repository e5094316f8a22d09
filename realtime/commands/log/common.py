"""What the commands share: the store that they work on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from realtime.commands.place import Place, run_on_store
from realtime.startup import StartError
from realtime.stores import SQLITE, open_store, store_starts
from store.interface import Store


def work_on(place: Place, work: Callable[[Store], Awaitable[None]]) -> None:
    """Runs a command with a store that a server of this version has made. What it cannot do it
    says in a `StartError`."""
    settings = place.settings()

    async def main() -> None:
        if settings.store == SQLITE and not settings.database.is_file():
            raise StartError(f"there is no database in the data folder {settings.data}")
        async with open_store(settings) as store:
            with store_starts(settings):
                if await store.pending():
                    raise StartError(
                        "the database is older than this version: run python -m realtime migrate"
                    )
                await work(store)

    run_on_store(main)
