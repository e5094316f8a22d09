"""The examples on servers in memory."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import trio
import trio.testing

from examples.echo_bot import answer_everything
from examples.own_service.test_dice import *  # noqa: F403
from examples.tail_home import home_posts
from examples.test_bad_network import *  # noqa: F403
from realtime.testing import Line, TestClient, TestServer, new_key, open_test_server
from rpc.client import ClientOptions, SqliteState, open_client

ROOT = Path(__file__).resolve().parents[2]


def test_no_example_is_longer_than_eighty_lines() -> None:
    for path in (ROOT / "examples").rglob("*.*"):
        if path.suffix in (".py", ".proto") and "_pb2" not in path.name:
            assert len(path.read_text().splitlines()) <= 80, path


async def run_bot(line: Line, token: str, state: Path) -> None:
    kept = SqliteState(state, in_thread=False)
    try:
        options = ClientOptions(random=Random(2), now_ms=lambda: int(trio.current_time() * 1000))
        async with open_client(line.dial, token=token, state=kept, options=options) as client:
            await answer_everything(client)
    finally:
        kept.close()


async def asked_and_answered(ann: TestClient, room_id: int) -> tuple[list[int], list[int]]:
    """The ids of Ann's messages, and those that were replied to, in the order of the replies."""
    history = await ann.call("Chat.GetHistory", room_id=room_id, after=0, limit=200)
    asked = [m.id for m in history.messages if m.sender_id == ann.user_id]
    return asked, [m.reply_to for m in history.messages if m.sender_id != ann.user_id]


async def test_the_echo_bot_answers_each_message_once_whatever_breaks(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with open_test_server() as server:
        ann, bot = await server.sign_up("ann"), await server.sign_up("bot")
        room = (await ann.call("Chat.OpenDirect", user_id=bot.user_id)).room.id
        rng = Random(11)
        for run in range(10):
            async with trio.open_nursery() as nursery:
                line = server.line()
                nursery.start_soon(run_bot, line, bot.token, tmp_path / "bot.db")
                await trio.sleep(1)
                for number in range(4):
                    fields = {"client_id": new_key(), "text": f"message {run}.{number}"}
                    await ann.call("Chat.SendMessage", room_id=room, **fields)
                    if rng.random() < 0.3:
                        await line.cut()
                    line.down = rng.random() < 0.3
                    # Often too soon for a checkpoint: the bot is stopped with its cursor behind.
                    await trio.sleep(rng.choice((0, 0.05, 0.6)))
                nursery.cancel_scope.cancel()
        line = server.line()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_bot, line, bot.token, tmp_path / "bot.db")
            await trio.sleep(100)
            nursery.cancel_scope.cancel()
        await ann.reconnect()  # she was silent for too long
        asked, answered = await asked_and_answered(ann, room)
        assert len(asked) == 40
        assert answered == asked


async def test_two_echo_bots_leave_each_other_alone(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with open_test_server() as server, trio.open_nursery() as nursery:
        ann = await server.sign_up("ann")
        bots = [await server.sign_up(name) for name in ("one", "two")]
        group = {"title": "bots", "user_ids": [bot.user_id for bot in bots]}
        room = (await ann.call("Chat.CreateGroup", **group)).room.id
        for bot in bots:
            nursery.start_soon(run_bot, server.line(), bot.token, tmp_path / f"{bot.user_id}.db")
        await trio.sleep(1)
        await ann.call("Chat.SendMessage", room_id=room, client_id=new_key(), text="hello")
        await trio.sleep(60)
        asked, answered = await asked_and_answered(ann, room)
        assert answered == asked * 2
        nursery.cancel_scope.cancel()


async def post(server: TestServer, author: TestClient, text: str) -> None:
    await author.call("Posts.CreatePost", text=text)
    await server.settled()


async def test_tail_home_shows_each_post_once_and_in_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server, trio.open_nursery() as nursery:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        await ann.call("Follows.FollowUser", user_id=bob.user_id)
        line = server.line()
        seen: list[str] = []
        send, receive = trio.open_memory_channel[str](math.inf)

        async def tail() -> None:
            options = ClientOptions(random=Random(2))
            async with open_client(line.dial, token=ann.token, options=options) as client:
                async for one in home_posts(client):
                    send.send_nowait(one.text)

        async def see(*texts: str) -> None:
            with trio.fail_after(60):
                for _ in texts:
                    seen.append(await receive.receive())
            await trio.sleep(5)
            assert receive.statistics().current_buffer_used == 0
            assert tuple(seen[-len(texts) :]) == texts

        await post(server, bob, "before")
        nursery.start_soon(tail)
        await see("before")
        await post(server, bob, "live")
        await see("live")
        line.down = True
        await line.cut()
        missed = [f"missed {number}" for number in range(40)]  # more than a page
        for text in missed:
            await post(server, bob, text)
        line.down = False
        await see(*missed)
        await post(server, bob, "live again")
        await see("live again")
        nursery.cancel_scope.cancel()
