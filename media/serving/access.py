"""Who may see what, asked of the database at every request, by the one rule in the store.

Nothing is remembered, so nothing has to be invalidated: an answer comes from a snapshot that was
taken after its request had come, on whichever node.
"""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple

import outcome
import trio

from media.errors import Busy
from rpc.context import Reads
from store.queries.media_access import viewable, viewable_media
from store.records import MediaRecord

TOGETHER = 200  # objects that one read asks for


class _Failure(NamedTuple):
    """Of a read, for all who shared it."""

    error: Exception
    traceback: TracebackType | None


class Access:
    """Reads what viewers may see.

    Public links are most requests, and all ask the same: what somebody unknown may see. Those
    that come while a read of them runs share the next one, so that a busy server goes to its
    database, and to a thread for it, once for many of them.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._waiting: dict[str, list[trio.lowlevel.Task]] = {}
        self._reader: trio.lowlevel.Task | None = None  # while it has nothing to do
        self._stopped = False

    async def see(self, viewer_id: int, media_id: str) -> MediaRecord | None:
        """The object, if the viewer may see it now; 0 is somebody unknown. Raises the store's
        errors, and `Busy` where `run` has ended."""
        if viewer_id:
            return await self._reads.read(viewable, viewer_id, media_id)
        if self._stopped:
            raise Busy("the server is stopping")
        waiting = self._waiting.setdefault(media_id, [])
        task = trio.lowlevel.current_task()
        waiting.append(task)
        if self._reader is not None:
            trio.lowlevel.reschedule(self._reader)
            self._reader = None

        def abort(_: object) -> trio.lowlevel.Abort:
            waiting.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        found: MediaRecord | _Failure | None = await trio.lowlevel.wait_task_rescheduled(abort)
        if isinstance(found, _Failure):
            # Each raise adds to the traceback of what it raises: it begins anew for everybody.
            raise found.error.with_traceback(found.traceback)
        return found

    async def run(self) -> None:
        """Reads for those who wait, for ever. One task."""
        asked: dict[str, list[trio.lowlevel.Task]] = {}
        try:
            while True:
                asked = await self._next()
                try:
                    found = await self._reads.read(viewable_media, 0, list(asked))
                except Exception as error:
                    _fail(asked, error)
                    continue
                for media_id, waiting in asked.items():
                    media = found.get(media_id)
                    for task in waiting:
                        trio.lowlevel.reschedule(task, outcome.Value(media))
                    waiting.clear()
        finally:
            self._stopped = True
            for rest in (asked, self._waiting):
                _fail(rest, Busy("the server is stopping"))

    async def _next(self) -> dict[str, list[trio.lowlevel.Task]]:
        """Those who wait, and at least one of them."""

        def abort(_: object) -> trio.lowlevel.Abort:
            self._reader = None
            return trio.lowlevel.Abort.SUCCEEDED

        while True:
            if len(self._waiting) > TOGETHER:
                first = list(self._waiting)[:TOGETHER]
                taken = {media_id: self._waiting.pop(media_id) for media_id in first}
            else:
                taken, self._waiting = self._waiting, {}
            if any(taken.values()):  # else all of them have been cancelled
                return taken
            self._reader = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(abort)


def _fail(asked: dict[str, list[trio.lowlevel.Task]], error: Exception) -> None:
    failure = _Failure(error, error.__traceback__)
    for waiting in asked.values():
        for task in waiting:
            trio.lowlevel.reschedule(task, outcome.Value(failure))
        waiting.clear()
