"""`log archive`: looks at the files of the archive, reads them, and ends archiving."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from realtime.commands.common import say
from realtime.commands.common import show as print_line
from realtime.commands.log.common import work_on
from realtime.commands.place import HERE, Where, run_on_store
from realtime.startup import StartError
from store.archive import Segment, read_segment, segments
from store.errors import Corrupt
from store.interface import Store
from store.retention import end_archive


def archive(
    folder: Annotated[
        Path | None, Parameter(help="of the archive, as --log-archive names it for serve")
    ] = None,
    /,
    *,
    entries: Annotated[bool, Parameter(negative="", help="print the entries instead")] = False,
    end: Annotated[
        bool,
        Parameter(negative="", help="let entries go from now on without having been archived"),
    ] = False,
    place: Where = HERE,
) -> None:
    """Verifies every file of an archive, and prints what there is as JSON lines: one for each
    stretch without a gap, with `epoch`, `first`, `last` and `files`.

    Exit code 2 with a sentence when a file is damaged; more than one line for an epoch says that
    something is missing between them. With --entries it prints the entries, as `log show` does.
    """
    if end:

        async def work(store: Store) -> None:
            await store.write(end_archive)
            say("entries are not archived any more: start servers without --log-archive")

        work_on(place, work)
        return

    async def look() -> None:
        if folder is None or not folder.is_dir():
            raise StartError("name the folder of an archive")
        try:
            for line in _entries(folder) if entries else _stretches(folder):
                print_line(line)
        except Corrupt as error:
            raise StartError(str(error)) from error

    run_on_store(look)


def _entries(folder: Path) -> Any:
    for segment in segments(folder):
        yield from read_segment(folder, segment)


def _stretches(folder: Path) -> list[dict[str, int]]:
    """What follows each other, in files that are whole."""
    found: list[dict[str, int]] = []
    for segment in segments(folder):
        for _ in read_segment(folder, segment):
            pass
        if found and _follows(found[-1], segment):
            found[-1]["last"] = segment.last
            found[-1]["files"] += 1
        else:
            found.append({**segment._asdict(), "files": 1})
    return found


def _follows(stretch: dict[str, int], segment: Segment) -> bool:
    return stretch["epoch"] == segment.epoch and stretch["last"] + 1 == segment.first
