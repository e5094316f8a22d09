"""What is kept in memory beside the disks."""

from __future__ import annotations

import os
from pathlib import Path

import trio
import trio.testing
from prometheus_client import CollectorRegistry

from media.cache.disks import Cached
from media.cache.files import DiskCache
from media.cache.hot import LARGEST, SECONDS, Hot
from media.metrics import MediaMetrics
from tests.media.test_cache import HEAD


def entry(size: int) -> Cached:
    return Cached(b"x" * size, b"d" * 32)


async def test_the_least_recently_used_go_first_and_the_bytes_are_bounded() -> None:
    registry = CollectorRegistry()
    hot = Hot(400, MediaMetrics(registry))
    for key in ("a", "b", "c", "d"):
        hot.put(key, entry(100))
    assert hot.get("a") is not None
    hot.put("e", entry(100))
    assert [key for key in "abcde" if hot.get(key)] == ["a", "c", "d", "e"]
    hot.put("a", entry(50))
    assert registry.get_sample_value("sunwire_media_cache_memory_bytes") == 350


async def test_what_is_large_is_left_to_the_disks() -> None:
    hot = Hot(100 * LARGEST, MediaMetrics(CollectorRegistry()))
    hot.put("a", entry(LARGEST + 1))
    assert hot.get("a") is None
    small = Hot(400, MediaMetrics(CollectorRegistry()))
    small.put("a", entry(101))
    assert small.get("a") is None
    nothing = Hot(0, MediaMetrics(CollectorRegistry()))
    nothing.put("a", entry(1))
    assert nothing.get("a") is None


async def test_an_entry_is_read_from_its_disk_now_and_then(
    autojump_clock: trio.testing.MockClock,
) -> None:
    hot = Hot(4000, MediaMetrics(CollectorRegistry()))
    hot.put("a", entry(10))
    await trio.sleep(SECONDS)
    assert hot.get("a") is not None
    await trio.sleep(1)
    assert hot.get("a") is None


async def test_use_from_memory_is_use_of_what_is_on_the_disk(tmp_path: Path) -> None:
    """Else the disk would drop first what is asked for most."""
    metrics = MediaMetrics(CollectorRegistry())
    cache = DiskCache([tmp_path], metrics, max_bytes=2 * (HEAD + 10), hot_bytes=1000)
    await cache.open()
    await cache.put("key1", b"x" * 10)
    await cache.put("key2", b"x" * 10)
    assert cache.get_nowait("key1") is not None
    await cache.put("key3", b"x" * 10)
    assert sorted(os.listdir(tmp_path)) == ["key1", "key3"]


async def test_a_disk_that_loses_an_entry_does_not_take_it_from_memory(tmp_path: Path) -> None:
    metrics = MediaMetrics(CollectorRegistry())
    cache = DiskCache([tmp_path], metrics, max_bytes=1000, hot_bytes=1000)
    await cache.open()
    content = await cache.put("key1", b"content")
    (tmp_path / "key1").unlink()
    assert cache.get_nowait("key1") == await cache.get("key1") == content
