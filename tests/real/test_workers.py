"""`serve --workers 2`: real processes, killed and stopped."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import httpx
import pytest
import trio

from examples.own_service import dice_pb2
from realtime.cluster.sockets import LINK
from realtime.testing import TestClient, new_key
from rpc.errors import CallError
from rpc.proto.frames_pb2 import ACTIVITY_TYPING, ClientFrame, Focus
from rpc.registry import methods
from tests.media import samples
from tests.real.process import ServerProcess
from tests.real.workers import (
    go_to,
    kill,
    living,
    page,
    pids,
    sample,
    two_workers,
    wait_gone,
    wait_up,
)
from tests.test_docs import tables

pytestmark = pytest.mark.real


async def couple(server: ServerProcess) -> tuple[TestClient, TestClient, int]:
    """Ann at worker 1, Bob at worker 2, and their room."""
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
    await go_to(ann, "1")
    await go_to(bob, "2")
    return ann, bob, room


def texts(client: TestClient) -> list[str]:
    """The messages received, each once, in the order of the log."""
    found = {one.position: one.message.text for one in client.updates if one.HasField("message")}
    return [found[position] for position in sorted(found)]


async def say(client: TestClient, room: int, text: str, key: bytes = b"") -> None:
    key = key or new_key()
    await client.call("Chat.SendMessage", room_id=room, client_id=key, text=text, op_key=key)


async def test_clients_of_two_workers_are_at_one_server_whoever_is_killed(
    tmp_path: Path,
) -> None:
    own = ("examples.own_service",)
    async with two_workers(tmp_path, "--grace", "2", program=own) as server:
        ann, bob, room = await couple(server)
        await talk(ann, bob, room)
        await roll(ann, bob, room)
        await see_each_other(ann, bob)
        await post_a_photograph(ann, bob)
        await look_at_operations(server)
        await kill_a_worker(server, ann, bob, room)
        await drain_a_worker(server, bob, room)
        await kill_the_writer_under_load(server, ann, bob, room)
        await kill_the_supervisor(server, ann, bob, room)


async def talk(ann: TestClient, bob: TestClient, room: int) -> None:
    expected = [str(number) for number in range(10)]
    for text in expected:
        await say((ann, bob)[int(text) % 2], room, text)
    for client in (ann, bob):
        for _ in expected:
            await client.expect_update("message")
        assert texts(client) == expected


async def roll(ann: TestClient, bob: TestClient, room: int) -> None:
    """The program's own service runs in each worker."""
    before = texts(ann)
    for client in (ann, bob):
        client._methods = {**methods(), **methods([dice_pb2.DESCRIPTOR.services_by_name["Dice"]])}
        rolled = await client.call("Dice.Roll", room_id=room, sides=6)
        before.append(f"rolled {rolled.value} of 6")
    for client in (ann, bob):
        with trio.fail_after(5):
            while texts(client) != before:
                await client.expect_update("message")


async def see_each_other(ann: TestClient, bob: TestClient) -> None:
    room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
    await ann.call("Chat.SetActivity", room_id=room, activity=ACTIVITY_TYPING)
    assert (await bob.expect_signal("typing")).typing.user_id == ann.user_id
    assert (await bob.call("Chat.GetPresence", user_ids=[ann.user_id])).presences[0].online
    bob.frames.clear()
    await ann.send(ClientFrame(focus=Focus(background=True)))
    presence = (await bob.expect_signal("presence", within=8)).presence
    assert (presence.user_id, presence.online) == (ann.user_id, False)


async def post_a_photograph(ann: TestClient, bob: TestClient) -> None:
    data = samples.jpeg()
    ticket = await ann.call("Media.CreateUpload", purpose=1, size=len(data))
    async with httpx.AsyncClient(trust_env=False) as http:
        (await http.put(ticket.url, content=data)).raise_for_status()
        assert (await ann.expect_signal("upload_progress")).upload_progress.total == len(data)
        post = await ann.call("Posts.CreatePost", text="look", media_ids=[ticket.media_id])
        seen = await bob.call("Posts.GetPost", post_id=post.id)
        image = await http.get(ticket.url.split("/u/")[0] + seen.media[0].url)
        assert image.status_code == 200
    await bob.call("Likes.LikePost", post_id=post.id)
    assert (await ann.expect_update("notification")).notification.actor.id == bob.user_id


async def look_at_operations(server: ServerProcess) -> None:
    for name in ("1", "2"):
        assert await sample(server, "sunwire_connections", name) == 1
    assert await sample(server, "sunwire_links", "writer") == 3
    assert await sample(server, "sunwire_changes", "writer") > 10
    assert '"ready": true' in await page(server, "/readyz")
    assert "ok" in await page(server, "/healthz")
    text = await page(server, "/metrics")
    found = set(re.findall(r"^# HELP (\w+) (.*?)\r?$", text, re.M))
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)", text, re.M))
    listed = [*tables("operating.md")["metric"], *tables("operating.md")["with several processes"]]
    expected = {(name, kind, text) for name, kind, text in listed}
    assert {(name, kinds[name], text) for name, text in found if "_created" not in name} == expected


async def kill_a_worker(server: ServerProcess, ann: TestClient, bob: TestClient, room: int) -> None:
    before = texts(bob)
    await say(ann, room, "one")
    await bob.expect_update("message")
    kill(server, "2")
    await bob.expect_closed()
    await say(ann, room, "two")
    await wait_up(server, "2")
    await go_to(bob, "2")
    await say(ann, room, "three")
    with trio.fail_after(5):
        while texts(bob) != [*before, "one", "two", "three"]:
            await bob.expect_update("message")
    assert await sample(server, "sunwire_process_deaths_total", "2") == 1
    died = await server.wait_line("process died")
    assert (died["name"], died["how"]) == ("2", "by SIGKILL")


async def drain_a_worker(server: ServerProcess, bob: TestClient, room: int) -> None:
    """One after another, it is a way to give every worker a new life without a stop."""
    os.kill(pids(server)["2"], signal.SIGTERM)
    assert (await bob.expect("go_away")).go_away.reconnect_after_ms > 0
    assert (await bob.expect_closed()).code == 1001
    await server.wait_line("process ended")
    await wait_up(server, "2")
    await go_to(bob, "2")
    await say(bob, room, "back")
    with trio.fail_after(5):
        while texts(bob)[-1] != "back":
            await bob.expect_update("message")
    assert await sample(server, "sunwire_process_deaths_total", "2") == 1


async def kill_the_writer_under_load(
    server: ServerProcess, ann: TestClient, bob: TestClient, room: int
) -> None:
    """Whoever is not sure asks again with the same op_key."""
    said: dict[str, list[str]] = {"ann": [], "bob": []}
    busy = True

    async def go_on(name: str, client: TestClient) -> None:
        while busy:
            text, key = f"{name} {len(said[name])}", new_key()
            while not await is_said(client, room, text, key):  # noqa: ASYNC110
                await trio.sleep(0.01)
            said[name].append(text)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_on, "ann", ann)
        nursery.start_soon(go_on, "bob", bob)
        await trio.sleep(0.2)
        before = len(said["ann"])
        kill(server, "writer")
        with trio.fail_after(20):
            while len(said["ann"]) < before + 5:  # noqa: ASYNC110
                await trio.sleep(0.02)
        busy = False
    history = await texts_of(ann, room)
    for name, expected in said.items():
        assert [text for text in history if text.startswith(name)] == expected
    for client in (ann, bob):
        with trio.fail_after(5):
            while len(texts(client)) < len(history):
                await client.expect_update("message")
        assert texts(client) == history
    assert await sample(server, "sunwire_process_deaths_total", "writer") == 1
    assert '"ready": true' in await page(server, "/readyz")


async def is_said(client: TestClient, room: int, text: str, key: bytes) -> bool:
    try:
        await say(client, room, text, key)
    except CallError as error:
        if not error.retryable:
            raise
        return False
    return True


async def texts_of(client: TestClient, room: int) -> list[str]:
    history: list[str] = []
    while True:
        found = await client.call("Chat.GetHistory", room_id=room, after=len(history), limit=200)
        history += [message.text for message in found.messages]
        if not found.more:
            return history


async def kill_the_supervisor(
    server: ServerProcess, ann: TestClient, bob: TestClient, room: int
) -> None:
    """The next server starts at once: it waits for those who still hold the folder."""
    before, processes = texts(ann), pids(server)
    await server.kill()
    await server.start()
    assert living(processes) == []
    for client in (ann, bob):
        await client.expect_closed()
    await go_to(ann, "2")
    await go_to(bob, "1")
    await say(bob, room, "after")
    for client in (ann, bob):
        with trio.fail_after(5):
            while texts(client) != [*before, "after"]:
                await client.expect_update("message")


async def test_signals_to_all_of_them_end_all_within_the_grace(tmp_path: Path) -> None:
    """Who stops a group of processes may signal each; the others still need the writer."""
    async with two_workers(tmp_path, "--grace", "2") as server:
        ann, bob, room = await couple(server)
        processes = pids(server)
        assert sorted(processes) == sorted(living(processes)) == ["1", "2", "media", "writer"]
        os.kill(processes["writer"], signal.SIGTERM)
        await say(ann, room, "still there")
        stalled = await trio.open_tcp_stream("127.0.0.1", server.port)
        async with stalled:
            await stalled.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
            for pid in processes.values():
                os.kill(pid, signal.SIGTERM)
            assert await server.stop(within=8) == 0
        for client in (ann, bob):
            assert (await client.expect("go_away")).go_away.reconnect_after_ms > 0
            assert (await client.expect_closed()).code == 1001
        assert living(processes) == []
        assert not (tmp_path / LINK).exists()
        assert [line for line in server.lines if line.get("level") in ("warning", "error")] == []


async def test_a_second_signal_ends_them_at_once(tmp_path: Path) -> None:
    async with two_workers(tmp_path, "--grace", "60") as server:
        processes = pids(server)
        assert server.process is not None
        stalled = await trio.open_tcp_stream("127.0.0.1", server.port)
        async with stalled:
            await stalled.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
            server.process.send_signal(signal.SIGINT)
            await server.wait_line("stopping")
            server.process.send_signal(signal.SIGTERM)
            with trio.fail_after(5):
                assert await server.process.wait() == -signal.SIGTERM
        await wait_gone(processes)
