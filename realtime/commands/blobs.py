"""`blobs`: the bytes of uploads, for whoever runs a server.

The commands work on the database and the blob store of the settings, whether servers run on
them or not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from realtime.blobs import open_blobs, open_named
from realtime.clock import SystemClock
from realtime.commands.common import show as print_line
from realtime.commands.log.common import work_on
from realtime.commands.place import HERE, Where, run_on_store
from realtime.startup import StartError
from store.blobs import BlobStore, Digest
from store.blobs import copy as copy_blobs
from store.collect import collect
from store.errors import Corrupt, NotFound
from store.interface import Store
from store.queries.media import usage_by_purpose, usage_by_user

app = App(name="blobs", help="Looks after the bytes of uploads.")

EVER = 1 << 62  # a time, in milliseconds, before which everything was put


@app.command
def stats(
    *,
    place: Where = HERE,
    top: Annotated[int, Parameter(help="users to show")] = 10,
) -> None:
    """Counts what is stored, as JSON lines: one for each purpose of the objects (`purpose`,
    `objects`, `bytes`), one for each of the users who have most (`user_id`, `objects`, `bytes`,
    tickets included), and one for the blob store (`blobs`, `bytes`: equal bytes count once).
    """

    async def work(store: Store) -> None:
        for purpose, objects, size in await store.read(usage_by_purpose):
            print_line({"purpose": purpose.name.lower(), "objects": objects, "bytes": size})
        for user_id, objects, size in await store.read(usage_by_user, top):
            print_line({"user_id": user_id, "objects": objects, "bytes": size})
        async with open_blobs(place.settings(), SystemClock()) as blobs:
            count = size = 0
            for digest in await _all(blobs):
                info = await blobs.stat(digest)
                if info is not None:
                    count, size = count + 1, size + info.size
        print_line({"blobs": count, "bytes": size})

    work_on(place, work)


@app.command
def verify(*, place: Where = HERE) -> None:
    """Reads every copy of every blob, and mends what is damaged or missing where another copy is
    whole. Prints a JSON line for each that was mended (`digest`, `mended`: chunks) or is damaged
    (`digest`, `damaged`: true), and at last `blobs`, `mended` and `damaged`. Exit code 1 when any
    is damaged: uploading the same bytes again mends it.
    """
    damaged = 0

    async def main() -> None:
        nonlocal damaged
        mended = count = 0
        async with open_blobs(place.settings(), SystemClock()) as blobs:
            digests = await _all(blobs)
            with _progress("verifying", len(digests)) as tell:
                for done, digest in enumerate(digests, 1):
                    try:
                        chunks = await blobs.scrub(digest)
                    except NotFound:
                        continue
                    except Corrupt:
                        damaged += 1
                        print_line({"digest": digest.hex(), "damaged": True})
                    else:
                        mended += chunks
                        if chunks:
                            print_line({"digest": digest.hex(), "mended": chunks})
                    count += 1
                    tell(done)
        print_line({"blobs": count, "mended": mended, "damaged": damaged})

    run_on_store(main)
    if damaged:
        sys.exit(1)


@app.command
def gc(*, place: Where = HERE) -> None:
    """Removes what nobody wants any more, as the server does by itself every six hours: objects
    that nothing shows, tickets that nobody used, blobs without an object, each after its time
    of grace. Prints how many of each, as JSON."""

    async def work(store: Store) -> None:
        clock = SystemClock()
        async with open_blobs(place.settings(), clock) as blobs:
            gone = await collect(store, blobs, clock.now_ms())
        print_line(gone._asdict())

    work_on(place, work)


@app.command
def copy(
    *,
    place: Where = HERE,
    source: Annotated[str, Parameter(name="--from", help="as --blobs names it")],
    target: Annotated[str, Parameter(name="--to", help="as --blobs names it")],
) -> None:
    """Copies the blobs that the other store has not got, while servers run; run again it goes on
    where it ended. `folder` is the one in the data folder.

    To move without losing anything: start the servers with the new store as --blobs and the
    former one as --old-blobs, copy, and start them without --old-blobs. Prints `copied`,
    `bytes`, `there` (already), `gone` (deleted meanwhile) and the digests of what is `damaged`
    in the source, as JSON; exit code 1 when anything is.
    """
    settings, clock = place.settings(), SystemClock()
    damaged: list[Digest] = []

    async def main() -> None:
        if source == target:
            raise StartError("--from and --to are the same")
        async with (
            open_named(settings, source, clock, "--from") as old,
            open_named(settings, target, clock, "--to") as new,
        ):
            total = len(await _all(old))
            with _progress("copying", total) as tell:
                done = await copy_blobs(old, new, EVER, tell)
        damaged.extend(done.damaged)
        print_line(done._asdict() | {"damaged": [digest.hex() for digest in done.damaged]})

    run_on_store(main)
    if damaged:
        sys.exit(1)


async def _all(blobs: BlobStore) -> list[Digest]:
    async with aclosing(blobs.put_before(EVER)) as pieces:
        return [digest async for piece in pieces for digest in piece]


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
