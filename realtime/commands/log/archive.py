"""`log archive`: verifies the files of the archive, lists and reads them, and ends archiving."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from realtime.commands.common import say
from realtime.commands.common import show as print_line
from realtime.commands.log.common import work_on
from realtime.commands.place import HERE, Where, run_on_store
from realtime.startup import StartError
from store.archive import Segment, read_segment, segments, stretches
from store.errors import Corrupt
from store.interface import Store
from store.retention import end_archive


def archive(
    folder: Annotated[
        Path | None, Parameter(help="of the archive, as --log-archive names it for serve")
    ] = None,
    /,
    *,
    files: Annotated[
        bool, Parameter(negative="", help="print a line for each file instead")
    ] = False,
    entries: Annotated[bool, Parameter(negative="", help="print the entries instead")] = False,
    from_: Annotated[
        int, Parameter(name="--from", help="with --entries: the first position that is printed")
    ] = 0,
    end: Annotated[
        bool,
        Parameter(negative="", help="let entries go from now on without having been archived"),
    ] = False,
    place: Where = HERE,
) -> None:
    """Verifies every file of an archive, and prints what there is as JSON lines: one for each
    stretch without a gap, with `epoch`, `first`, `last` and `files`.

    With --files there is one for each file, with its name (`file`), `epoch`, `first`, `last`,
    `bytes` and `damage` (what is wrong with it, or null). With --entries it prints the entries, as
    `log show` does. Exit code 2 with a sentence when files are damaged, or positions of an epoch
    are missing between them.
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
        if entries:
            _print_entries(folder, from_)
        else:
            _verify(folder, each=files)

    run_on_store(look)


def _print_entries(folder: Path, first: int) -> None:
    """Each once, though files overlap."""
    epoch: int | None = None
    after = 0
    for segment in segments(folder):
        if segment.epoch != epoch:
            epoch, after = segment.epoch, first - 1
        if segment.last <= after:
            continue
        try:
            for entry in read_segment(folder, segment):
                if entry["position"] > after:
                    print_line(entry)
        except Corrupt as error:
            raise StartError(str(error)) from error
        after = segment.last


def _verify(folder: Path, *, each: bool) -> None:
    whole, wrong = [], []
    for segment in segments(folder):
        damage = _damage(folder, segment)
        if damage is None:
            whole.append(segment)
        else:
            wrong.append(damage)
        if each:
            size = (folder / segment.name).stat().st_size
            print_line({"file": segment.name, **segment._asdict(), "bytes": size, "damage": damage})
    found = stretches(whole)
    for stretch in () if each else found:
        print_line(stretch._asdict())
    wrong += [
        f"positions {before.last + 1} to {after.first - 1} of epoch {after.epoch} are missing"
        for before, after in itertools.pairwise(found)
        if before.epoch == after.epoch
    ]
    if wrong:
        raise StartError("; ".join(wrong))


def _damage(folder: Path, segment: Segment) -> str | None:
    try:
        for _ in read_segment(folder, segment):
            pass
    except Corrupt as error:
        return str(error)
    return None
