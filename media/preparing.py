"""Makes the adaptive streams of videos in the background: each once, whoever dies of it.

What is to be done is a row of the store, taken by one node at a time under a lease. The files are
put before the log says that they are there: so no half of them is ever served, and what a node
that dies has put is nobody's, and is collected.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from functools import partial
from pathlib import Path

import structlog
import trio

from media.errors import Busy, MediaError, MediaRefused, WorkerDied
from media.images.sniff import SNIFF_BYTES
from media.motion import jobs
from media.motion.facts import Rendition
from media.motion.kinds import Container, sniff_motion
from media.motion.playlists import Listed, ladder, media_playlist, multivariant_playlist
from media.settings import MediaSettings
from media.workers.pools import Pool
from media.workers.scratch import Scratch
from media.workers.slots import Priority
from rpc.context import Committer, Reads
from store.blobs import BlobStore, put_bytes
from store.changes.motion import SettlePreparation
from store.errors import Corrupt, DomainError, NotFound, StoreError
from store.queries.motion import (
    FIRST,
    Work,
    claim_work,
    due_work,
    keep_work,
    leave_work,
    media_of_blob,
)
from store.records import FileKind, MediaFile, MediaRecord

log = structlog.get_logger("media")

OnPrepared = Callable[[int, str, int], None]
"""(owner's id, media id, percent); never waits."""

LOOK_SECONDS = 1.0  # between two looks for work
PAGE = 100  # rows of one look
LEASE_SECONDS = 30.0  # after which the work of a node that died is another's
RETRY_SECONDS = 10.0
ATTEMPTS = 3  # that may die of it


class End(Enum):
    """What became of a piece of work."""

    SETTLED = auto()
    TRIED = auto()  # it may be the video's fault: an attempt
    LATER = auto()  # it is not
    BROKEN_OFF = auto()  # this node stops, or the work is another's


class Preparer:
    """Works on one video at a time, and on its renditions at once as far as workers are free."""

    def __init__(
        self,
        settings: MediaSettings,
        reads: Reads,
        committer: Committer,
        blobs: BlobStore,
        pool: Pool,
        scratch: Scratch,
        on_prepared: OnPrepared,
    ) -> None:
        self._settings = settings
        self._reads = reads
        self._committer = committer
        self._blobs = blobs
        self._pool = pool
        self._scratch = scratch
        self._on_prepared = on_prepared
        self._owner = secrets.token_bytes(16)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                busy = await self.step()
            except (StoreError, OSError) as error:
                log.warning("preparing waits", error=str(error))
                busy = False
            if not busy:
                await trio.sleep(LOOK_SECONDS)

    async def step(self) -> bool:
        """Does what is to be done of one video; False where there is nothing. Raises
        `StoreError`, and `OSError` of the disk that workers read from: then it is not the video's
        fault, and no attempt."""
        work = await self._claim()
        if work is None:
            return False
        end, failure = End.BROKEN_OFF, None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep, work, nursery.cancel_scope)
                try:
                    end = await self._settle(work)
                except (StoreError, OSError) as error:
                    end, failure = End.LATER, error
                nursery.cancel_scope.cancel()
        finally:
            # Where it is settled, this finds nothing to let go.
            with trio.move_on_after(2.0, shield=True):
                wait_ms = 0 if end is End.BROKEN_OFF else round(RETRY_SECONDS * 1000)
                await self._reads.write(
                    leave_work, work.source, self._owner, wait_ms, end is End.TRIED
                )
        if failure is not None:
            raise failure
        return True

    async def _claim(self) -> Work | None:
        """What is due and has its original here: nodes with blobs of their own leave it to one
        another."""
        last = FIRST
        while found := await self._reads.read(due_work, last, PAGE):
            for last in found:
                if await self._blobs.exists(last.source):
                    lease_ms = round(LEASE_SECONDS * 1000)
                    work = await self._reads.write(claim_work, last.source, self._owner, lease_ms)
                    if work is not None:
                        return work
        return None

    async def _keep(self, work: Work, scope: trio.CancelScope) -> None:
        """Makes the lease longer as long as the work goes on; ends it where it is another's."""
        while True:
            await trio.sleep(LEASE_SECONDS / 3)
            lifetime_ms = round(LEASE_SECONDS * 1000)
            try:
                ours = await self._reads.write(keep_work, work.source, self._owner, lifetime_ms)
            except StoreError:
                continue  # it may come back before the lease is over
            if not ours:
                log.warning("preparation lost")
                scope.cancel()

    async def _settle(self, work: Work) -> End:
        found = await self._reads.read(media_of_blob, work.source)
        files: tuple[MediaFile, ...] = ()
        if found and work.attempts <= ATTEMPTS:
            try:
                files = await self._files(found)
            except (WorkerDied, Corrupt, NotFound) as error:
                log.warning("a video could not be read", error=str(error))
                if work.attempts < ATTEMPTS:
                    return End.TRIED
            except Busy:
                return End.LATER
            except MediaRefused as error:
                log.info("a video could not be prepared", error=error.message)
        try:
            await self._committer.submit(SettlePreparation(source=work.source, files=files)).wait()
        except (DomainError, MediaError) as error:
            log.warning("preparation refused", error=str(error))
            return End.LATER
        return End.SETTLED

    async def _files(self, owners: list[MediaRecord]) -> tuple[MediaFile, ...]:
        """Encodes and puts everything; the index is the last."""
        media = owners[0]
        assert media.motion is not None
        files: list[MediaFile] = []
        limits, encoding = self._settings.motion, self._settings.encoding
        sides = ladder(min(media.width, media.height), encoding.rungs)
        total, done = sum(side**2 for side in sides), 0
        async with (
            self._blobs.open(media.blob_hash) as blob,
            self._scratch.file(blob.chunks()) as path,
        ):
            container = await trio.to_thread.run_sync(_container, path)
            pictures: dict[int, Listed] = {}
            sound: Listed | None = None

            async def see(side: int) -> None:
                nonlocal done
                job = ("picture", jobs.picture, path, container, side, encoding, limits)
                pictures[side] = await self._listed(await self._made(*job), files)
                done += side**2
                for one in owners:
                    self._on_prepared(one.owner_id, one.id, min(99, done * 100 // total))

            async def hear() -> None:
                nonlocal sound
                job = ("sound", jobs.sound, path, container, encoding, limits)
                sound = await self._listed(await self._made(*job), files)

            # Those that take longest begin first: so they end together where workers are free.
            tasks = [partial(see, side) for side in reversed(sides)]
            await _together([*tasks, hear] if media.motion.audio_codec else tasks)
        index = multivariant_playlist([pictures[side] for side in sides], sound)
        await self._put(index.encode(), FileKind.INDEX, files)
        return tuple(files)

    async def _made(self, name: str, job: Callable[..., Rendition], *args: object) -> Rendition:
        async with self._pool.slot(Priority.UPLOAD) as slot:
            return await slot.run(name, job, *args)

    async def _listed(self, made: Rendition, files: list[MediaFile]) -> Listed:
        init = await self._put(made.init, FileKind.INIT, files)
        names = [
            (f"{await self._put(one.data, FileKind.SEGMENT, files)}.m4s", one.seconds)
            for one in made.segments
        ]
        text = media_playlist(f"{init}.mp4", names)
        return Listed(f"{await self._put(text.encode(), FileKind.PLAYLIST, files)}.m3u8", made)

    async def _put(self, data: bytes, kind: FileKind, files: list[MediaFile]) -> str:
        info = await put_bytes(self._blobs, data)
        files.append(MediaFile(digest=info.digest, kind=kind, size=info.size))
        return info.digest.hex()


async def _together(tasks: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Runs all of them; the first error ends the others, and is raised as it is."""
    failures: list[Exception] = []

    async def run(task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except (MediaError, StoreError, OSError) as error:
            failures.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(run, task)
    if failures:
        raise failures[0]


def _container(path: Path) -> Container:
    with path.open("rb") as file:
        found = sniff_motion(file.read(SNIFF_BYTES))
    if found is None:
        raise MediaRefused("a stored object is no video")
    return found
