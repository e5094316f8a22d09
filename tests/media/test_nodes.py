"""Several nodes on one database and one store of blobs, and workers that are killed under them."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

from media.images.presets import PRESETS
from media.images.rendering import ImageLimits, render
from media.images.sniff import ImageType
from store.blobs import LocalBlobs
from store.changes.messages import DeleteMessage, SendMessage
from store.changes.rooms import OpenDirect
from store.records import Purpose
from tests.media import host as hosts
from tests.media import samples
from tests.media.host import OTHER, OWNER, Host, Reply, open_host


def encoded(node: Host) -> float:
    return node.figure("sunwire_media_variants_total", outcome="encoded")


@asynccontextmanager
async def two_nodes(folder: Path, **fields: Any) -> AsyncIterator[list[Host]]:
    blobs = LocalBlobs(folder / "blobs")
    async with (
        open_host(folder / "one", blobs=blobs, **fields) as one,
        open_host(folder / "two", beside=one, **fields) as two,
    ):
        yield [one, two]


async def at_once(nodes: list[Host], path: str) -> list[Reply]:
    replies: list[Reply] = []

    async def ask(node: Host) -> None:
        replies.append(await node.get(path))

    async with trio.open_nursery() as nursery:
        for node in nodes * 3:
            nursery.start_soon(ask, node)
    return replies


@pytest.mark.real
async def test_nodes_that_convert_the_same_at_once_give_the_same(tmp_path: Path) -> None:
    """Each does the work, for they share no disk; no answer is wrong, or half."""
    async with two_nodes(tmp_path, real_workers=True) as nodes:
        data = samples.jpeg(2400, 1800)
        media = await nodes[0].stored(data)
        for number, name in enumerate(("large.jpg", "small.webp", "medium.avif"), 1):
            replies = await at_once(nodes, f"/m/{media.id}/{name}")
            assert [reply.status for reply in replies] == [200] * 6
            assert len({(reply.body, reply.headers["etag"]) for reply in replies}) == 1
            Image.open(BytesIO(replies[0].body)).load()
            assert [encoded(node) for node in nodes] == [number, number]
            again = await at_once(nodes, f"/m/{media.id}/{name}")
            assert {reply.body for reply in again} == {replies[0].body}
            assert [encoded(node) for node in nodes] == [number, number]


@pytest.mark.real
async def test_processes_of_one_machine_do_the_work_once(tmp_path: Path) -> None:
    folders: Any = {"cache_folders": (tmp_path / "cache",)}
    async with two_nodes(tmp_path, real_workers=True, **folders) as nodes:
        media = await nodes[0].stored(samples.jpeg(2400, 1800))
        replies = await at_once(nodes, f"/m/{media.id}/large.jpg")
        assert [reply.status for reply in replies] == [200] * 6
        assert len({reply.body for reply in replies}) == 1
        assert sum(map(encoded, nodes)) == 1


@pytest.mark.parametrize("way", hosts.WAYS)
async def test_what_one_node_deletes_no_node_serves(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "WAY", way)
    async with two_nodes(tmp_path) as (one, two):
        media = await one.stored(samples.jpeg(), Purpose.CHAT)
        room_id = await one.batcher.submit(OpenDirect(user_id=OWNER, peer_id=OTHER)).wait()
        message = await one.batcher.submit(
            SendMessage(
                sender_id=OWNER,
                room_id=room_id,
                client_id=b"c" * 16,
                text="",
                media_ids=(media.id,),
            )
        ).wait()
        link = two.link(media, OTHER, "medium")
        for _ in range(2):  # the second one from memory
            assert (await two.get(link)).status == 200
        await one.batcher.submit(DeleteMessage(user_id=OWNER, message_id=message.id)).wait()
        assert (await two.get(link)).status == 404
        assert (await one.get(link)).status == 404


Killed = list[multiprocessing.process.BaseProcess]


def kill_workers() -> Killed:
    """All of them, by one blow."""
    found = multiprocessing.active_children()
    for process in found:
        process.kill()
    return found


def buried(killed: Killed) -> bool:
    """They are gone: the next job meets the next blow alone. There was one at least."""
    for process in killed:
        process.join()
    return bool(killed)


@pytest.mark.real
async def test_workers_killed_at_any_moment_cost_no_answer(tmp_path: Path) -> None:
    """Idle, at its beginning, in the middle and at the end of a job."""
    data = samples.jpeg(3200, 2400)
    moments = [0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12]
    names = [
        (preset, ext) for preset in ("large", "medium", "small", "thumb") for ext in ("jpg", "webp")
    ]
    blobs = LocalBlobs(tmp_path / "blobs")
    async with open_host(tmp_path, blobs=blobs, real_workers=True) as host:
        media = await host.stored(data)
        assert buried(kill_workers())  # while they have nothing to do
        for moment, (preset, ext) in zip(moments, names, strict=False):
            replies: list[Reply] = []

            async def ask(path: str, into: list[Reply]) -> None:
                into.append(await host.get(path))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, f"/m/{media.id}/{preset}.{ext}", replies)
                await trio.sleep(moment)
                killed = kill_workers()
            buried(killed)
            (reply,) = replies
            wanted = render(data, ImageType.JPEG, PRESETS[preset], ext, ImageLimits())
            assert (reply.status, reply.body) == (200, wanted), moment
        assert host.figure("sunwire_media_worker_deaths_total") > 0
