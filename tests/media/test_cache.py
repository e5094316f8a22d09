"""The disk cache, which may lose anything at any time."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import shutil
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from media.cache.disks import REST, CacheDisk
from media.cache.files import DiskCache, preference
from media.metrics import MediaMetrics

CACHE_BYTES = "sunwire_media_cache_bytes"
HEAD = 40  # bytes of an entry beside its content


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@dataclass
class Opened:
    cache: DiskCache
    registry: CollectorRegistry

    @property
    def bytes(self) -> float:
        """What the metrics say is in all folders."""
        (metric,) = (one for one in self.registry.collect() if one.name == CACHE_BYTES)
        return sum(sample.value for sample in metric.samples)

    @property
    def failures(self) -> float:
        return self.registry.get_sample_value("sunwire_media_cache_failures_total") or 0.0


async def open_cache(*folders: Path, max_bytes: int = 10**6) -> Opened:
    registry = CollectorRegistry()
    cache = DiskCache(folders, MediaMetrics(registry), max_bytes=max_bytes)
    await cache.open()
    return Opened(cache, registry)


async def test_what_was_put_is_found_with_its_digest(tmp_path: Path) -> None:
    opened = await open_cache(tmp_path / "new")
    cache = opened.cache
    assert await cache.get("key1") is None
    put = await cache.put("key1", b"content")
    assert put == (b"content", hashlib.sha256(b"content").digest())
    assert await cache.get("key1") == put
    assert opened.bytes == HEAD + 7
    await cache.put("key1", b"other")
    assert await cache.get("key1") == (b"other", hashlib.sha256(b"other").digest())
    assert opened.bytes == HEAD + 5
    assert opened.failures == 0


async def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    opened = await open_cache(tmp_path, max_bytes=3 * (HEAD + 10))
    cache = opened.cache
    for key in ("key1", "key2", "key3"):
        await cache.put(key, b"x" * 10)
    await cache.get("key1")
    await cache.put("key4", b"x" * 10)
    evicted = opened.registry.get_sample_value("sunwire_media_cache_evictions_total")
    assert evicted == 1
    kept = [key for key in ("key1", "key2", "key3", "key4") if await cache.get(key)]
    assert kept == ["key1", "key3", "key4"]
    assert len(names(tmp_path)) == 3


async def test_what_does_not_fit_at_all_is_not_kept(tmp_path: Path) -> None:
    cache = (await open_cache(tmp_path, max_bytes=50)).cache
    assert (await cache.put("key1", b"x" * 100)).data == b"x" * 100
    assert names(tmp_path) == []


async def test_recency_outlives_the_process(tmp_path: Path) -> None:
    cache = (await open_cache(tmp_path)).cache
    for number, key in enumerate(("key1", "key2", "key3")):
        await cache.put(key, b"x" * 10)
        os.utime(tmp_path / key, (number, number))
    await cache.get("key1")  # touches its file
    (tmp_path / "half.tmp").write_bytes(b"unfinished")
    os.utime(tmp_path / "half.tmp", (4, 4))
    opened = await open_cache(tmp_path, max_bytes=2 * (HEAD + 10))
    again = opened.cache
    assert opened.bytes == 2 * (HEAD + 10)
    assert names(tmp_path) == ["key1", "key3"]
    assert await again.get("key1") is not None


async def test_a_process_that_starts_takes_no_file_from_one_that_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = await open_cache(tmp_path)
    scanned: list[bool] = []
    rename = os.rename

    def late(source: Path, target: Path) -> None:
        CacheDisk(tmp_path, MediaMetrics(CollectorRegistry()))._scan()
        scanned.append(True)
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("media.cache.disks.os.rename", late)
        await writing.cache.put("key1", b"content")
    assert scanned
    assert names(tmp_path) == ["key1"]


async def test_what_is_evicted_during_the_start_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await open_cache(tmp_path)).cache
    for key in ("key1", "key2"):
        await first.put(key, b"content")
    scandir = os.scandir

    def evicting(folder: Path) -> Any:
        entries = list(scandir(folder))
        (tmp_path / "key1").unlink()
        return nullcontext(entries)

    with monkeypatch.context() as patch:
        patch.setattr("media.cache.disks.os.scandir", evicting)
        found = CacheDisk(tmp_path, MediaMetrics(CollectorRegistry()))._scan()
    assert [name for name, _ in found] == ["key2"]


@pytest.mark.parametrize("damage", [b"", b"short", b"SWCACHE1" + bytes(32) + b"content"])
async def test_a_damaged_entry_is_a_miss_and_goes(tmp_path: Path, damage: bytes) -> None:
    opened = await open_cache(tmp_path)
    cache = opened.cache
    await cache.put("key1", b"content")
    (tmp_path / "key1").write_bytes(damage)
    assert await cache.get("key1") is None
    assert names(tmp_path) == []
    assert opened.bytes == 0
    await cache.put("key1", b"content")
    assert await cache.get("key1") is not None


async def test_another_process_entry_is_found(tmp_path: Path) -> None:
    one = (await open_cache(tmp_path)).cache
    other = (await open_cache(tmp_path)).cache
    await one.put("key1", b"content")
    assert await other.get("key1") is not None


async def test_a_dead_disk_is_a_cache_that_misses(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_bytes(b"in the way")
    with structlog.testing.capture_logs() as logs:
        opened = await open_cache(folder)
        cache = opened.cache
        assert (await cache.put("key1", b"content")).data == b"content"
        assert await cache.get("key1") is None
        assert await cache.get("key2") is None
    assert opened.failures == 1  # it rests before it is asked again
    assert len(logs) == 1  # not one a request


async def test_keys_cannot_leave_the_folder(tmp_path: Path) -> None:
    cache = (await open_cache(tmp_path)).cache
    for key in ("../../etc/passwd", "a/bcd", ".hidden", "", "x" * 300, "key\n"):
        with pytest.raises(ValueError, match="not a key"):
            await cache.get(key)


# Several disks.


@given(
    keys=st.lists(st.text(), min_size=1, max_size=20),
    weights=st.dictionaries(st.text(), st.integers(0, 2**50), min_size=2),
)
def test_when_a_disk_goes_no_keys_move_but_its_own(
    keys: list[str], weights: dict[str, int]
) -> None:
    gone, *_ = weights
    rest = {name: weight for name, weight in weights.items() if name != gone}
    for key in keys:
        assert [name for name in preference(key, weights) if name != gone] == preference(key, rest)


def test_keys_spread_by_the_weights() -> None:
    weights = {"small": 10, "large": 30, "full": 0}
    counted = Counter(preference(f"key{number}", weights)[0] for number in range(4000))
    assert 900 < counted["small"] < 1100
    assert counted["full"] == 0


async def test_several_disks_share_what_is_kept(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("one", "two", "three")]
    opened = await open_cache(*roots)
    keys = [f"key{number}" for number in range(60)]
    for key in keys:
        await opened.cache.put(key, key.encode())
    assert all([(await opened.cache.get(key)) for key in keys])
    counts = [len(names(root)) for root in roots]
    assert sum(counts) == 60
    assert min(counts) > 8
    again = await open_cache(*roots)
    assert all([(await again.cache.get(key)) for key in keys])
    assert again.bytes == opened.bytes


async def test_all_disks_together_keep_to_the_bound(tmp_path: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    opened = await open_cache(*roots, max_bytes=20 * (HEAD + 10))
    for number in range(100):
        await opened.cache.put(f"key{number}", b"x" * 10)
    assert all(5 < len(names(root)) <= 10 for root in roots)


def place_of(key: str, *roots: Path) -> tuple[Path, Path]:
    """The disk where it belongs, and the next."""
    first, second, *_ = preference(key, {str(root): 1 for root in roots})
    return Path(first), Path(second)


async def test_a_disk_that_vanishes_is_only_misses_and_may_come_back(tmp_path: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    opened = await open_cache(*roots)
    home, other = place_of("key1", *roots)
    await opened.cache.put("key1", b"content")
    assert names(home) == ["key1"]
    shutil.rmtree(home)
    home.write_bytes(b"in the way")
    with structlog.testing.capture_logs():
        assert await opened.cache.get("key1") is None
        assert (await opened.cache.put("key1", b"content")).data == b"content"
    assert names(other) == ["key1"]  # the next disk has it now
    found = await opened.cache.get("key1")
    assert found is not None
    with structlog.testing.capture_logs():
        await opened.cache.share_out()
    assert await opened.cache.get("key1") == found

    home.unlink()
    back = await open_cache(*roots)
    await back.cache.put("key1", b"content")
    assert names(home) == ["key1"]


def failing(monkeypatch: pytest.MonkeyPatch, number: int, root: Path) -> None:
    """Writes to this disk fail when all but the last step is done."""
    rename = os.rename

    def fail(source: Any, target: Any) -> None:
        if Path(target).parent == root:
            raise OSError(number, os.strerror(number))
        rename(source, target)

    monkeypatch.setattr("media.cache.disks.os.rename", fail)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO])
async def test_a_disk_that_cannot_be_written_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    opened = await open_cache(*roots)
    home, other = place_of("key1", *roots)
    failing(monkeypatch, number, home)
    with structlog.testing.capture_logs() as logs:
        await opened.cache.put("key1", b"content")
    assert [(entry["event"], entry["folder"]) for entry in logs] == [
        ("media cache fails", str(home))
    ]
    assert (names(home), names(other)) == ([], ["key1"])
    found = await opened.cache.get("key1")
    assert found is not None
    assert found.data == b"content"


async def test_a_full_disk_makes_room_of_what_is_least_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await open_cache(tmp_path)
    for number in range(10):
        await opened.cache.put(f"key{number}", b"x" * 10)
    with monkeypatch.context() as patch, structlog.testing.capture_logs():
        failing(patch, errno.ENOSPC, tmp_path)
        await opened.cache.put("more", b"x" * 10)
    assert names(tmp_path) == [f"key{number}" for number in range(1, 10)]
    await opened.cache.put("more", b"x" * 10)  # at once: it does not rest
    assert "more" in names(tmp_path)


async def test_a_disk_that_hangs_is_given_up(tmp_path: Path) -> None:
    disk = CacheDisk(tmp_path, MediaMetrics(CollectorRegistry()), patience=0.05)
    os.mkfifo(tmp_path / "hangs")  # opening it waits for a writer
    with structlog.testing.capture_logs() as logs:
        assert await disk.get("hangs") is None
        assert await disk.get("hangs") is None  # without another thread
    assert [entry["error"] for entry in logs] == ["it does not answer"]
    os.close(os.open(tmp_path / "hangs", os.O_WRONLY | os.O_NONBLOCK))  # lets its thread go


async def test_a_disk_that_failed_is_asked_again_after_a_rest(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    disk = CacheDisk(
        tmp_path / "file" / "cache", MediaMetrics(CollectorRegistry()), patience=math.inf
    )
    (tmp_path / "file").write_bytes(b"in the way")
    with structlog.testing.capture_logs():
        await disk.open()
    (tmp_path / "file").unlink()
    assert await disk.room() == 0
    await trio.sleep(REST)
    assert await disk.room() > 0
