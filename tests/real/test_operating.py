"""What docs/operating.md promises of a running server: figures, backup and restore, codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import trio

from realtime.app import run
from realtime.settings import Settings
from realtime.startup import Listening
from realtime.testing import TestClient, new_key
from realtime.testing.server import RememberingSender
from rpc.client import ClientOptions, dial_url, open_client
from rpc.proto import auth_pb2
from rpc.proto.stubs import AuthClient
from tests.media import samples
from tests.real.process import ROOT, ServerProcess, server_process
from tests.test_docs import tables

pytestmark = pytest.mark.real


async def get(server: ServerProcess, path: str) -> str:
    stream = await trio.open_tcp_stream("127.0.0.1", server.ops_port)
    async with stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return b"".join([bytes(part) async for part in stream]).decode()


async def test_the_metrics_are_those_of_the_docs(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        answer = await get(server, "/metrics")
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)", answer, re.M))
    helps = dict(re.findall(r"^# HELP (\w+) (.*?)\r?$", answer, re.M))
    found = {(name, kinds[name], text) for name, text in helps.items() if "_created" not in name}
    assert {tuple(row) for row in tables("operating.md")["metric"]} == found


def commands(number: int, page: str = "operating.md", heading: str = "## Backup") -> str:
    """The n-th block of commands under a heading."""
    text = (ROOT / "docs" / page).read_text().partition(heading)[2]
    blocks = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    return str(blocks[number])


async def shell(text: str, folder: Path) -> str:
    """Runs commands there, where `python` is this one; returns what they print."""
    (folder / "bin").mkdir(exist_ok=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')  # with its packages
    python.chmod(0o700)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    env = {"PATH": path, "PYTHONPATH": str(ROOT), "SUNWIRE_DATA": "data"}
    done = await trio.run_process(["bash", "-euc", text], cwd=folder, env=env, capture_stdout=True)
    return done.stdout.decode()


async def say(client: TestClient, room: int, text: str) -> None:
    await client.call("Chat.SendMessage", room_id=room, client_id=new_key(), text=text)


async def upload(client: TestClient, data: bytes) -> str:
    ticket = await client.call("Media.CreateUpload", purpose=1, size=len(data))
    async with httpx.AsyncClient() as http:
        (await http.put(ticket.url, content=data)).raise_for_status()
    return str(ticket.media_id)


async def texts(client: TestClient, room: int) -> list[str]:
    page = await client.call("Chat.GetHistory", room_id=room, after=0, limit=200)
    return [message.text for message in page.messages]


async def test_a_backup_of_a_busy_server_is_restored(tmp_path: Path) -> None:
    async with server_process(tmp_path / "data") as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
        photograph = await upload(ann, samples.jpeg())
        await say(ann, room, "before")
        busy = True

        async def go_on() -> None:
            while busy:
                await say(ann, room, "meanwhile")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(go_on)
            await shell(commands(0), tmp_path)
            busy = False
        for _ in range(5):
            await say(ann, room, "after")
        await bob.expect("checkpoint")
        assert await server.stop(within=15) == 0
        await shell(commands(1), tmp_path)
        await server.start()

        await bob.disconnect()
        await bob.connect(resume=True)
        await bob.expect("resync")
        kept = await texts(bob, room)
        assert kept[0] == "before"
        assert set(kept[1:]) <= {"meanwhile"}
        await ann.connect()
        await say(ann, room, "and on")
        assert (await bob.expect_update("message")).message.text == "and on"
        post = await ann.call("Posts.CreatePost", text="", media_ids=[photograph])
        assert post.media[0].id == photograph
        serving = next(line for line in server.lines if line["event"] == "serving")
        async with httpx.AsyncClient() as http:
            image = await http.get(f"http://127.0.0.1:{serving['media'][1]}{post.media[0].url}")
            assert image.status_code == 200
    shutil.rmtree(tmp_path / "data.old")


async def test_a_projection_is_built_anew_beside_a_running_server(tmp_path: Path) -> None:
    async with server_process(tmp_path / "data") as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        post = await ann.call("Posts.CreatePost", text="look")
        await bob.call("Likes.LikePost", post_id=post.id)
        await ann.expect_update("notification")
        with closing(sqlite3.connect(tmp_path / "data" / "sunwire.db")) as database:
            database.execute("UPDATE post_counts SET likes = 7")
            database.execute(
                "INSERT INTO set_aside VALUES ('counters', 0, 1, '', 0, 'it broke', 0)"
            )
            database.commit()
        shown, _ = (await shell(commands(0, "log.md", "### Dead letters"), tmp_path)).splitlines()
        assert json.loads(shown) == {
            "consumer": "counters",
            "generation": 0,
            "position": 1,
            "key": "",
            "state": "failed",
            "error": "it broke",
            "at_ms": 0,
        }
        await shell(commands(0, "log.md", "### Once more"), tmp_path)
        with trio.fail_after(20):
            # Nobody is told when a consumer has caught up.
            while (await ann.call("Posts.GetPost", post_id=post.id)).likes != 1:  # noqa: ASYNC110
                await trio.sleep(0.05)


async def test_codes_go_to_a_sender_of_ones_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sender, stop = RememberingSender(), trio.Event()
    ports = dict.fromkeys(("listen", "media", "ops"), "127.0.0.1:0")
    settings = Settings(data=tmp_path / "data", **ports)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        where: Listening = await nursery.start(
            lambda task_status: run(settings, stop=stop, sender=sender, task_status=task_status)
        )
        host, port = where.websocket
        options = ClientOptions(events=0)
        async with open_client(dial_url(f"ws://{host}:{port}"), options=options) as client:
            request = auth_pb2.RequestCodeRequest(address="ann@example.org")
            await AuthClient(client).request_code(request)
        stop.set()
    assert len(sender.codes["ann@example.org"]) == 6
    out, err = capfd.readouterr()
    assert sender.codes["ann@example.org"] not in out + err
