"""`log show`: entries of the log."""

from __future__ import annotations

import re
from typing import Annotated

from cyclopts import Parameter

from realtime.commands.common import show as print_line
from realtime.commands.log.common import work_on
from realtime.commands.place import HERE, Where
from realtime.startup import StartError
from store.archive import STREAMS, line_of
from store.interface import Store
from store.log import Kind, Stream, read_entries, read_head

LATEST = 20
PORTION = 1000  # entries that are read at once
KINDS = {name: kind for kind, name in STREAMS.items()}


def show(
    *,
    from_: Annotated[
        int | None, Parameter(name="--from", help="the first position; default: the latest entries")
    ] = None,
    limit: Annotated[int, Parameter(help="at most so many")] = LATEST,
    kind: Annotated[
        tuple[str, ...],
        Parameter(help="only this kind, as docs/log.md names it; may be repeated", negative=""),
    ] = (),
    stream: Annotated[str, Parameter(help="only this stream: room:ID or user:ID")] = "",
    place: Where = HERE,
) -> None:
    """Prints entries of the log, the oldest first, as JSON lines.

    Each has `position`, `at_ms` (Unix milliseconds), `kind`, `stream`, `sequence`, `actor_id`,
    `subject_id`, `other_id`.
    """

    async def work(store: Store) -> None:
        kinds = [_kind(name) for name in kind]
        only = _stream(stream) if stream else None
        head = (await store.read(read_head)).position
        latest = from_ is None
        after, left = (0 if from_ is None else from_ - 1), limit
        while left > 0:
            portion = left if latest else min(left, PORTION)
            found = await store.read(read_entries, after, head, portion, kinds, only, latest=latest)
            for entry in found:
                print_line(line_of(entry))
            if latest or len(found) < portion:
                break
            after, left = found[-1].position, left - len(found)

    work_on(place, work)


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError:
        raise StartError(f"there is no kind {name!r}: {', '.join(Kind)}") from None


def _stream(text: str) -> Stream:
    match = re.fullmatch(r"(room|user):(\d{1,18})", text)
    if match is None:
        raise StartError(f"{text!r} is not room:ID or user:ID")
    return Stream(KINDS[match[1]], int(match[2]))
