"""Uploads that go on: over lines that break, when the server is killed, at another node."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from realtime.testing.client import TestClient
from rpc.client import ClientOptions, dial_url, dial_urls, open_client
from rpc.client.keys import new_key
from rpc.client.media import upload
from rpc.proto import models_pb2
from rpc.proto.frames_pb2 import UploadProgress
from tests.contracts.cassandra import node, open_blobs
from tests.contracts.mysql import Admin
from tests.media import films
from tests.media.sockets import get, put, read_all, read_answer
from tests.real.cassandra import Nodes, started
from tests.real.line import open_line
from tests.real.mariadb import url_of
from tests.real.process import ServerProcess, server_process
from tests.real.witness import PATIENCE, Person
from tests.store.mysql.conftest import admin

__all__ = ["admin"]

pytestmark = pytest.mark.real

MB = 1000 * 1000
VIDEO = films.padded(films.film(), 40 * MB)
PART = 4 * 1024**2  # what a server keeps at a time
HANGING = 12.0  # seconds; a server waits ten for an answer
TUS: dict[str, Any] = {"Tus_Resumable": "1.0.0", "Content_Type": "application/offset+octet-stream"}


@pytest.fixture(params=["folder", "cassandra"])
def blobs(request: pytest.FixtureRequest) -> str:
    if request.param == "cassandra":
        node()  # or skip
    return str(request.param)


@asynccontextmanager
async def store_of(blobs: str) -> AsyncIterator[tuple[str, ...]]:
    """The flags of a server with an empty store of blobs."""
    if blobs == "folder":
        yield ()
        return
    async with open_blobs() as opened:
        yield ("--blobs", f"cassandra://{node()}/{opened.address.keyspace}")


async def progress_to(device: TestClient, least: int) -> UploadProgress:
    while True:
        told = (await device.expect_signal("upload_progress")).upload_progress
        if told.received >= least:
            return told


async def send(
    ann: Person,
    film: Path,
    media_url: str,
    *others: ServerProcess,
    patience: float = PATIENCE,
    op_key: bytes = b"",
) -> models_pb2.MediaObject:
    """As an app does, on the reference client, which knows other nodes, too."""
    urls = [f"ws://127.0.0.1:{server.port}/" for server in (ann.server, *others)]
    dial = dial_urls(urls, random=Random(1)) if others else dial_url(urls[0])
    options = ClientOptions(device="app", events=0)
    async with open_client(dial, token=ann.client.token, options=options) as client:
        purpose = models_pb2.PURPOSE_POST
        return await upload(
            client, film, purpose, media_url=media_url, patience=patience, op_key=op_key
        )


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(VIDEO)
    return path


@pytest.mark.parametrize("flags", [(), ("--workers", "2")], ids=["one", "workers"])
async def test_the_client_goes_on_over_a_line_that_breaks_and_its_owner_sees_it(
    tmp_path: Path, film: Path, flags: tuple[str, ...]
) -> None:
    async with server_process(tmp_path / "data", *flags) as server:
        ann = Person(server, await server.sign_up("ann"))
        ben = await server.sign_up("ben")
        async with open_line(server.media_port, 3 * MB, 17 * MB, 33 * MB) as line:
            media = await send(ann, film, f"http://127.0.0.1:{line.port}")
            assert line.broken == 3
        with trio.fail_after(5):
            told = [await progress_to(ann.client, 0)]
            while told[-1].received < told[-1].total:
                told.append(await progress_to(ann.client, 0))
        assert {(one.media_id, one.total) for one in told} == {(media.id, len(VIDEO))}
        received = [one.received for one in told]
        # Not from the beginning again: a break costs what was in no part yet, and that is kept.
        assert received == sorted(received)
        assert len(received) > 10
        assert (await ann.client.expect_update("media")).media.id == media.id
        await ben.call("Users.GetMe")
        assert not [frame for frame in ben.frames if frame.WhichOneof("frame") == "signal"]
        assert await ann.has(media.id, VIDEO)


async def test_the_client_goes_on_when_the_server_is_killed(
    tmp_path: Path, film: Path, blobs: str
) -> None:
    async with store_of(blobs) as flags, server_process(tmp_path / "data", *flags) as server:
        ann = Person(server, await server.sign_up("ann"))
        found: list[models_pb2.MediaObject] = []

        async def app() -> None:
            found.append(await send(ann, film, ""))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(app)
            for least in (2 * PART, 5 * PART):
                told = await progress_to(ann.client, least)
                await server.kill()
                await server.start()
                await ann.client.reconnect()
                # What was kept is not sent again.
                begun = await progress_to(ann.client, 0)
                assert begun.received > told.received - 2 * PART
        assert found[0].size == len(VIDEO)
        assert await ann.has(found[0].id, VIDEO)


async def test_an_app_that_was_closed_goes_on_in_its_next_run(tmp_path: Path, film: Path) -> None:
    async with server_process(tmp_path / "data") as server:
        ann = Person(server, await server.sign_up("ann"))
        key = new_key()
        with trio.CancelScope() as run:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(send, ann, film, "", op_key=key))
                told = await progress_to(ann.client, 2 * PART)
                run.cancel()
        await ann.client.call("Users.GetMe")
        ann.client.frames.clear()
        media = await send(ann, film, "", op_key=key)
        assert media.id == told.media_id
        assert (await progress_to(ann.client, 0)).received > told.received
        assert await ann.has(media.id, VIDEO)


async def test_a_put_that_a_kill_cut_off_is_sent_again(tmp_path: Path, blobs: str) -> None:
    async with store_of(blobs) as flags, server_process(tmp_path / "data", *flags) as server:
        ann = Person(server, await server.sign_up("ann"))
        media_id, ticket = await ann.ticket(len(VIDEO))
        async with await trio.open_tcp_stream("127.0.0.1", server.media_port) as stream:
            await stream.send_all(put(ticket, VIDEO[: 20 * MB], len(VIDEO)))
            await progress_to(ann.client, 10 * MB)
            await server.kill()
        await server.start()
        await ann.client.reconnect()
        answer = await ann.http(put(ticket, VIDEO, Connection="close"), PATIENCE)
        assert answer.startswith(b"HTTP/1.1 201 "), answer
        assert await ann.has(media_id, VIDEO)


# At another node, which has the database and the blobs in common and nothing else.


@asynccontextmanager
async def two_nodes(
    tmp_path: Path, admin: Admin, blobs: str
) -> AsyncIterator[tuple[ServerProcess, ServerProcess]]:
    shared = tmp_path / "shared"
    shared.mkdir()
    async with AsyncExitStack() as stack:
        flags = await stack.enter_async_context(store_of(blobs))
        address = await stack.enter_async_context(admin.database())
        nodes = []
        for name in ("one", "two"):
            data = tmp_path / name
            data.mkdir()
            if blobs == "folder":  # as a file system of the network is
                os.symlink(shared, data / "blobs")
            store = ("--store", url_of(address))
            nodes.append(await stack.enter_async_context(server_process(data, *store, *flags)))
        yield nodes[0], nodes[1]


async def tus(
    server: ServerProcess, method: str, path: str, data: bytes = b"", **headers: Any
) -> tuple[int, dict[str, str], bytes]:
    async with await trio.open_tcp_stream("127.0.0.1", server.media_port) as stream:
        size: dict[str, Any] = {"Content_Length": str(len(data))}
        await stream.send_all(get(path, method=method, **TUS, **size, **headers) + data)
        return await read_answer(stream, PATIENCE)


async def test_another_node_goes_on_where_the_killed_one_was(
    tmp_path: Path, admin: Admin, blobs: str
) -> None:
    async with two_nodes(tmp_path, admin, blobs) as (one, two):
        ann = Person(one, await one.sign_up("ann"))
        media_id, ticket = await ann.ticket(len(VIDEO))
        async with await trio.open_tcp_stream("127.0.0.1", one.media_port) as stream:
            length: dict[str, Any] = {"Content_Length": str(len(VIDEO)), "Upload_Offset": "0"}
            head = get(ticket, method="PATCH", **TUS, **length)
            await stream.send_all(head + VIDEO[: 20 * MB])
            told = await progress_to(ann.client, 15 * MB)
            await one.kill()
        again = two.client()
        again.token = ann.client.token
        await again.connect()
        there = Person(two, again)
        status, headers, _ = await tus(two, "HEAD", ticket)
        assert status == 200
        offset = int(headers["upload-offset"])
        assert told.received - 2 * PART < offset <= 20 * MB
        rest = VIDEO[offset:]
        status, headers, _ = await tus(two, "PATCH", ticket, rest, Upload_Offset=str(offset))
        assert (status, headers["upload-offset"]) == (204, str(len(VIDEO)))
        assert await there.has(media_id, VIDEO)


async def test_the_client_goes_on_at_another_node(
    tmp_path: Path, film: Path, admin: Admin, blobs: str
) -> None:
    """Wherever it began, that node dies and stays away."""
    async with two_nodes(tmp_path, admin, blobs) as nodes:
        ann = Person(nodes[0], await nodes[0].sign_up("ann"))
        found: list[models_pb2.MediaObject] = []

        async def app() -> None:
            found.append(await send(ann, film, "", nodes[1]))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(app)
            with trio.fail_after(10):
                while not (busy := [one for one in nodes if await kept(one) >= 2]):  # noqa: ASYNC110
                    await trio.sleep(0.01)
            (dead,) = busy
            await dead.kill()
        (alive,) = [one for one in nodes if one is not dead]
        again = alive.client()
        again.token = ann.client.token
        await again.connect()
        assert await Person(alive, again).has(found[0].id, VIDEO)


async def kept(server: ServerProcess) -> float:
    """Parts' worth of the bytes that have come to a node."""
    async with await trio.open_tcp_stream("127.0.0.1", server.ops_port) as stream:
        await stream.send_all(get("/metrics", close=True))
        for line in (await read_all(stream)).decode().splitlines():
            if line.startswith("sunwire_media_uploaded_bytes_total "):
                return float(line.split()[1]) / PART
    raise AssertionError("no such metric")


async def joins(one: ServerProcess, two: ServerProcess) -> None:
    ann = Person(one, await one.sign_up("ann"))
    ben = Person(two, await two.sign_up("ben"))
    half = len(VIDEO) // 2
    media_id, ticket = await ann.ticket(len(VIDEO))
    _, foreign = await ben.ticket(len(VIDEO))
    pieces = ["", "", ""]

    async def begin(at: int, server: ServerProcess, of: str, data: bytes) -> None:
        size = {"Upload_Length": str(len(data)), "Upload_Concat": "partial"}
        status, headers, _ = await tus(server, "POST", of, data, **size)
        assert (status, headers["upload-offset"]) == (201, str(len(data)))
        pieces[at] = headers["location"]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(begin, 0, one, ticket, VIDEO[:half])
        nursery.start_soon(begin, 1, two, ticket, VIDEO[half:])
        nursery.start_soon(begin, 2, two, foreign, VIDEO[half:])
    wrong = f"final;{pieces[0]} {pieces[2]}"
    status, _, body = await tus(one, "POST", ticket, Upload_Concat=wrong)
    assert (status, b"PERMISSION_DENIED" in body) == (403, True)
    right = f"final;{pieces[0]} {pieces[1]}"
    status, _, body = await tus(one, "POST", ticket, Upload_Concat=right)
    assert status == 201, body
    # The same asked of the other node, as if the answer had been lost.
    assert (await tus(two, "POST", ticket, Upload_Concat=right))[0] == 201
    status, headers, _ = await tus(two, "HEAD", ticket)
    assert headers["upload-concat"] == right
    assert await ann.has(media_id, VIDEO)


async def test_partial_uploads_at_two_nodes_become_one_and_nobody_elses_do(
    tmp_path: Path, admin: Admin, blobs: str
) -> None:
    async with two_nodes(tmp_path, admin, blobs) as (one, two):
        await joins(one, two)


async def test_partial_uploads_become_one_where_one_process_writes_for_all(tmp_path: Path) -> None:
    async with server_process(tmp_path, "--workers", "2") as server:
        await joins(server, server)


class OneNode(Nodes):
    COUNT = 1


async def test_the_client_waits_for_a_cassandra_that_hangs(tmp_path: Path, film: Path) -> None:
    """For longer than the server waits for it: the request is refused, and the upload goes on."""
    with started(OneNode) as nodes:
        url = f"cassandra://127.0.0.1:{nodes.port}/hanging?replication=1"
        async with server_process(tmp_path / "data", "--blobs", url) as server:
            ann = Person(server, await server.sign_up("ann"))
            found: list[models_pb2.MediaObject] = []

            async def app() -> None:
                found.append(await send(ann, film, ""))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(app)
                told = await progress_to(ann.client, 2 * PART)
                nodes.signal(1, signal.SIGSTOP)
                await trio.sleep(HANGING)
                assert not found
                nodes.signal(1, signal.SIGCONT)
                assert (await progress_to(ann.client, 0)).received > told.received - 2 * PART
            assert await ann.has(found[0].id, VIDEO)
