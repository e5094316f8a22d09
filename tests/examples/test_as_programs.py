"""The examples as programs, on real sockets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from examples.own_service.dice_pb2 import RollRequest
from examples.own_service.stubs import DiceClient
from realtime.testing import new_key
from rpc.client import ClientOptions, dial_url, open_client
from tests.real.process import ROOT, server_process

pytestmark = pytest.mark.real


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[trio.abc.ReceiveStream]:
    """Runs `python -m …` for as long as the block; gives its output."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        async with process.stdout:
            yield process.stdout
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def read_until(stream: trio.abc.ReceiveStream, text: str) -> str:
    got = ""
    with trio.fail_after(30):
        while text not in got:
            data = await stream.receive_some()
            assert data, f"it ended, with {got!r}"
            got += bytes(data).decode()
    return got


async def test_a_server_with_a_service_of_its_own_a_bot_and_a_tail(tmp_path: Path) -> None:
    async with server_process(tmp_path / "data", program=("examples.own_service",)) as server:
        url = f"ws://127.0.0.1:{server.port}"
        ann, bot = await server.sign_up("ann"), await server.sign_up("bot")
        room = (await ann.call("Chat.OpenDirect", user_id=bot.user_id)).room.id
        options = ClientOptions(events=0)
        async with open_client(dial_url(url), token=ann.token, options=options) as client:
            roll = await DiceClient(client).roll(RollRequest(room_id=room, sides=20))
        assert 1 <= roll.value <= 20
        assert (await ann.expect_update("message")).message.id == roll.message_id

        flags = ("--token", bot.token, "--url", url)
        state = ("--state", str(tmp_path / "bot.db"))
        async with program("examples.echo_bot", *flags, *state) as output:
            await read_until(output, "is here")
            await server.kill()
            await server.start()
            await read_until(output, "is back")
            await ann.connect(resume=True)
            await ann.call("Chat.SendMessage", room_id=room, client_id=new_key(), text="echo")
            while not (answer := (await ann.expect_update("message")).message).reply_to:
                pass
            assert answer.text == "echo"

        await bot.connect()
        await bot.call("Follows.FollowUser", user_id=ann.user_id)
        await ann.call("Posts.CreatePost", text="first")
        async with program("examples.tail_home", *flags) as output:
            await read_until(output, "@ann: first")
            await ann.call("Posts.CreatePost", text="second")
            await read_until(output, "@ann: second")
        assert await server.stop(within=15) == 0
