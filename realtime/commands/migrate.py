"""`migrate`: brings the database up to date, before the servers of a new version start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from cyclopts import App, Parameter

from realtime.blobs import make_tables
from realtime.commands.common import say
from realtime.commands.place import HERE, Where, held, run_on_store
from realtime.settings import Settings
from realtime.stores import SQLITE, name_of, open_store, store_starts
from store.interface import Store
from store.sqlite import SqliteStore

app = App(name="migrate")


@app.default
def migrate(
    place: Where = HERE,
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="change nothing")] = False,
) -> None:
    """Brings the database up to date and prints the names of the migrations that it applied, or
    with --dry-run of those that it would apply, one a line.

    On MariaDB it may be run beside servers, and by several at once, who take turns; what one
    that was cut off has not done is done by the next. On SQLite the server must be stopped. With
    --blobs the tables for blobs are made, too, where there are none. Exit code 2 with a sentence
    when the database cannot be migrated; one of a newer version never is.
    """
    settings = place.settings()

    async def main() -> None:
        names = await (_look(settings) if dry_run else _apply(settings))
        for name in names:
            print(name)
        done = "would be applied to" if dry_run else "applied to"
        say(f"{len(names)} migrations {done} {name_of(settings)}" if names else "up to date")

    run_on_store(main)


async def _look(settings: Settings) -> list[str]:
    async with _to_look_at(settings) as store:
        with store_starts(settings):
            return await store.pending()


async def _apply(settings: Settings) -> list[str]:
    with held(settings):
        async with open_store(settings) as store:
            with store_starts(settings):
                applied = await store.migrate()
            await make_tables(settings, store)
            return applied


@asynccontextmanager
async def _to_look_at(settings: Settings) -> AsyncIterator[Store]:
    """The store; in place of a file that is not there, an empty one."""
    if settings.store == SQLITE and not settings.database.exists():
        empty = SqliteStore.in_memory()
        yield empty
        await empty.aclose()
    else:
        async with open_store(settings) as store:
            yield store
