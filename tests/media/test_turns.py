"""Of the requests for one upload one is at it, and who comes back need not wait for the past."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from media.errors import Busy, MediaError, Missing, OffsetConflict
from media.uploads.parts import PartUploads
from media.uploads.progress import Progress
from media.uploads.turns import Turns
from tests.media import samples
from tests.media.host import NOW, open_host
from tests.media.test_parts import Dropped, parts, ticket_of

JPEG = samples.jpeg()
HALF = len(JPEG) // 2


class Hanging:
    """A body of which the rest does not come: its line is dead, and the server does not know."""

    def __init__(self, data: bytes) -> None:
        self._pieces = [data]
        self.taken = trio.Event()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._pieces:
            return self._pieces.pop()
        self.taken.set()
        await trio.sleep_forever()
        raise AssertionError


@pytest.mark.parametrize("how", ["look", "append", "terminate"])
async def test_a_request_that_hangs_keeps_what_came_and_makes_way(tmp_path: Path, how: str) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        ticket, uploads = ticket_of(media), parts(host)
        ends: list[MediaError] = []
        hanging = Hanging(JPEG[:HALF])

        async def hang() -> None:
            try:
                await uploads.append(ticket, 0, hanging, None, NOW)
            except MediaError as error:
                ends.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang)
            await hanging.taken.wait()
            if how == "look":
                _, upload = await uploads.settle(ticket)
                assert upload.offset == HALF
            elif how == "append":
                with pytest.raises(OffsetConflict) as caught:
                    await uploads.append(ticket, 0, Dropped(JPEG), None, NOW)
                assert caught.value.offset == HALF
            else:
                await uploads.terminate(ticket)
        if how == "terminate":
            assert isinstance(ends[0], Missing | OffsetConflict)
            return
        (end,) = ends
        assert isinstance(end, OffsetConflict)
        assert end.offset == HALF
        stored, _ = await uploads.append(ticket, HALF, Dropped(JPEG[HALF:]), None, NOW)
        assert stored.blob_hash == hashlib.sha256(JPEG).digest()


async def test_who_makes_the_object_is_not_disturbed(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        begun, go_on = trio.Event(), trio.Event()

        class Slow(PartUploads):
            async def _settled(self, *args: object) -> object:  # type: ignore[override]
                begun.set()
                await go_on.wait()
                return await super()._settled(*args)  # type: ignore[arg-type]

        uploads = parts(host, Slow)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(uploads.append, ticket_of(media), 0, Dropped(JPEG), None, NOW)
            await begun.wait()

            async def look() -> None:
                stored, _ = await uploads.settle(ticket_of(media))
                assert stored.stored

            nursery.start_soon(look)
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
        assert host.jobs.count("inspect") == 1


async def test_nobody_waits_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    turns = Turns()
    async with turns.take("one") as turn:
        async with turns.take("another"):
            pass
        with pytest.raises(Busy):
            async with turns.take("one"):
                raise AssertionError
        assert turn.waiting.cancel_called
    async with turns.take("one"):
        pass


async def test_progress_is_of_all_uploads_of_an_object_that_run_here(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(bytes(2_000_000))
        told: list[int] = []
        progress = Progress(lambda owner, media_id, received, total: told.append(received))
        with progress.follow(media, "a", {"a": 0, "c": 300_000}) as a:
            with progress.follow(media, "b", {"a": 0, "b": 100_000, "c": 300_000}) as b:
                a(600_000)
                b(700_000)
                b(700_001)  # too little to tell
            a(900_000)
        assert told == [1_000_000, 1_600_000, 1_900_001]
        with progress.follow(media, "a", {"a": 900_000}) as a:  # nothing is kept beyond requests
            a(2_000_000)
        assert told[-1] == 2_000_000
