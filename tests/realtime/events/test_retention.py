"""A node removes what is old, archives it before, and says who is in the way."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from realtime.clock import TrioClock
from realtime.events import retention
from realtime.events.leases import SoleOwner
from realtime.events.retention import EVERY, Keep, Retention
from store import archive
from store.archive import read_segment, segments
from store.errors import Unavailable
from store.log import read_head
from store.queries.leases import Fenced
from store.retention import archived_up_to, raise_floor, remove_below
from tests.contracts.statements import Put, log_of, run
from tests.store.gated import GatedStore, open_gated

DAY = 24 * 3600.0
CLOCK = TrioClock(0)


async def inline(work: Callable[..., Any], *args: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return work(*args)


def keeping(store: GatedStore, keep: Keep) -> tuple[Retention, CollectorRegistry]:
    metrics = CollectorRegistry()
    return Retention(store, CLOCK, keep, metrics, in_thread=inline), metrics


async def fill(store: GatedStore, count: int) -> None:
    """Entries of one moment: now."""
    await store.commit([Put(name=1)] * count, CLOCK.now_ms())


async def kept(store: GatedStore) -> tuple[int, int]:
    """The first and last position that the log has."""
    entries = await log_of(store.inner)
    return entries[0].position, entries[-1].position


async def test_what_is_older_than_it_is_kept_goes(autojump_clock: trio.testing.MockClock) -> None:
    store = await open_gated()
    await fill(store, 2500)
    await trio.sleep(0.5 * DAY)
    await fill(store, 5)
    keeper, metrics = keeping(store, Keep(days=1))
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run, SoleOwner())
            await trio.sleep(0.5 * DAY - 1)
            assert await kept(store) == (1, 2505)
            await trio.sleep(EVERY + 2)
            assert await kept(store) == (2501, 2505)
            assert (await store.read(read_head)).floor == 2500
            await trio.sleep(2 * DAY)
            assert (await store.read(read_head)).floor == 2505
            nursery.cancel_scope.cancel()
    assert metrics.get_sample_value("sunwire_log_removed_total") == 2505
    assert [(line["event"], line["removed"]) for line in logs] == [
        ("log trimmed", 2500),
        ("log trimmed", 5),
    ]
    bites = [args[0] for name, args in store.calls if name == "remove_below"]
    assert set(bites) == {retention.BITE}


async def test_for_ever_is_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    store = await open_gated()
    keeper, _ = keeping(store, Keep(days=0))
    await fill(store, 3)
    await trio.sleep(10_000 * DAY)
    await keeper.run(SoleOwner())  # there is nothing to do
    assert await kept(store) == (1, 3)


async def test_who_is_in_the_way_is_said_once_and_who_was_left_behind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = await open_gated()
    await fill(store, 10)
    await store.inner.write(run, "INSERT INTO offsets VALUES ('home', 0, 0, 4, 0, 0, 0)")
    keeper, _ = keeping(store, Keep(days=1))
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run, SoleOwner())
            await trio.sleep(1.9 * DAY)
            assert (await store.read(read_head)).floor == 4
            await trio.sleep(0.2 * DAY)
            assert (await store.read(read_head)).floor == 10
            nursery.cancel_scope.cancel()
    said = [(line["event"], line.get("by") or line.get("who")) for line in logs]
    assert said == [
        ("log held", "the consumer home"),
        ("log trimmed", None),
        ("left behind by the log", "the consumer home"),
        ("log trimmed", None),
    ]


async def test_commits_come_between_the_bites(autojump_clock: trio.testing.MockClock) -> None:
    store = await open_gated()
    await fill(store, 3 * retention.BITE)
    await trio.sleep(2 * DAY)
    keeper, _ = keeping(store, Keep(days=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.once)
        for left in (3, 2, 1):
            store.hold_when(remove_below, "write")
            await store.wait_held("write")
            await fill(store, 1)
            assert len(await log_of(store.inner)) == left * retention.BITE + 4 - left
            store.release("write")
            await trio.testing.wait_all_tasks_blocked()
    assert await kept(store) == (3 * retention.BITE + 1, 3 * retention.BITE + 3)


async def test_a_store_that_is_away_and_a_lease_that_is_lost_are_no_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = await open_gated()
    await fill(store, 10)
    await trio.sleep(2 * DAY)
    store.fail_when(raise_floor, "write", Unavailable("away"), Fenced("another's"))
    keeper, _ = keeping(store, Keep(days=1))
    owner = Owner()
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run, owner)
            await trio.sleep(3 * EVERY + 1)
            nursery.cancel_scope.cancel()
    assert owner.losses == ["log.retention"]
    assert [line["event"] for line in logs] == ["retention waits for the store", "log trimmed"]


class Owner:
    def __init__(self) -> None:
        self.losses: list[str] = []

    async def wait(self, name: str) -> int:
        await trio.lowlevel.checkpoint()
        return 0

    def lost(self, name: str) -> None:
        self.losses.append(name)


# The archive.


@pytest.fixture
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SEGMENT", 10)


def archived(folder: Path) -> list[int]:
    return [
        entry["position"] for segment in segments(folder) for entry in read_segment(folder, segment)
    ]


@pytest.mark.usefixtures("_small_files")
async def test_entries_are_archived_before_they_go(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    store = await open_gated()
    await fill(store, 25)
    await trio.sleep(2 * DAY)
    keeper, _ = keeping(store, Keep(days=1, archive=tmp_path / "archive"))
    await keeper.once()
    # Those that do not fill a file yet stay.
    assert archived(tmp_path / "archive") == list(range(1, 21))
    assert await kept(store) == (21, 25)
    assert await store.read(archived_up_to) == 20
    await fill(store, 7)
    await trio.sleep(2 * DAY)
    await keeper.once()
    assert archived(tmp_path / "archive") == list(range(1, 31))
    assert await kept(store) == (31, 32)


@pytest.mark.usefixtures("_small_files")
async def test_without_the_archive_nothing_goes(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    store = await open_gated()
    await fill(store, 25)
    await trio.sleep(2 * DAY)
    (tmp_path / "file").write_text("no folder")
    keeper, _ = keeping(store, Keep(days=1, archive=tmp_path / "file"))
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run, SoleOwner())
            await trio.sleep(EVERY + 1)
            nursery.cancel_scope.cancel()
    assert [line["event"] for line in logs] == ["log not archived"]
    assert await kept(store) == (1, 25)
    # Nor does it at a node that has no archive, while there is one.
    keeper, _ = keeping(store, Keep(days=1))
    with structlog.testing.capture_logs() as logs:
        await keeper.once()
    assert [(line["event"], line["by"]) for line in logs] == [("log held", "the archive")]
    assert await kept(store) == (1, 25)


@pytest.mark.usefixtures("_small_files")
async def test_wherever_it_is_cut_off_it_goes_on_without_a_gap_or_a_double(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    for step in itertools.count():
        store = await open_gated()
        await fill(store, 35)
        await trio.sleep(2 * DAY)
        folder = tmp_path / str(step)
        keeper, _ = keeping(store, Keep(days=1, archive=folder))
        calls = itertools.count()

        async def cut(work: Any, *args: Any, calls: Any = calls, step: int = step) -> Any:
            """Its inner calls of the store and the disk end the process, before or after."""
            if next(calls) == step:
                raise KeyboardInterrupt
            result = await work(*args)
            if next(calls) == step:
                raise KeyboardInterrupt
            return result

        keeper._store = Cut(store, cut)  # type: ignore[assignment]
        keeper._in_thread = lambda work, *args, cut=cut: cut(inline, work, *args)
        try:
            await keeper.once()
        except KeyboardInterrupt:
            pass
        else:
            break
        again, _ = keeping(store, Keep(days=1, archive=folder))
        await again.once()
        assert archived(folder) == list(range(1, 31)), f"cut off at step {step}"
        assert await kept(store) == (31, 35)
    assert step > 20


class Cut:
    def __init__(self, store: GatedStore, cut: Any) -> None:
        self._store, self._cut = store, cut

    async def read(self, *args: Any) -> Any:
        return await self._cut(self._store.read, *args)

    async def write(self, *args: Any) -> Any:
        return await self._cut(self._store.write, *args)
