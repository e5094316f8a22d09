"""Two people at terminals in memory, with a whole server between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pyte
import trio
import trio.testing

from realtime.terminal.app import ChatApp
from realtime.testing import Line, TestServer, open_test_server
from rpc.client import Client, ClientOptions, open_client
from rpc.proto import posts_pb2
from rpc.proto.stubs import PostsClient
from tests.rpc.client.test_against_server import sign_up

COLUMNS, ROWS = 90, 24


class MemoryTerminal:
    """A terminal whose screen and keyboard the test holds."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self._send, self._receive = trio.open_memory_channel[bytes](100)
        self._drawn = trio.lowlevel.ParkingLot()

    def size(self) -> tuple[int, int]:
        return COLUMNS, ROWS

    async def read(self) -> bytes:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return b""

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._stream.feed(data)
        self._drawn.unpark_all()

    async def type(self, text: str) -> None:
        await self._send.send(text.encode())

    async def enter(self, line: str) -> None:
        await self.type(line + "\r")

    async def see(self, condition: str | Callable[[str], bool], within: float = 30) -> str:
        """Waits until the screen shows it."""
        shown = condition if callable(condition) else lambda text: condition in text
        with trio.move_on_after(within):
            while not shown(self.text):
                await self._drawn.park()
            return self.text
        raise AssertionError(f"never saw {condition!r} in:\n{self.text}")

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def line(self, part: str) -> str:
        """The one line with a part."""
        (found,) = [line for line in self.screen.display if part in line]
        return found


class Seat:
    """One user's terminal and client."""

    def __init__(self, name: str, line: Line, client: Client) -> None:
        self.name = name
        self.line = line
        self.client = client
        self.terminal = MemoryTerminal()
        self.enter = self.terminal.enter
        self.see = self.terminal.see


@asynccontextmanager
async def seat(server: TestServer, name: str) -> AsyncIterator[Seat]:
    line = server.line()
    async with open_client(line.dial, options=ClientOptions(random=Random(3))) as client:
        await sign_up(server, client, name)
        one = Seat(name, line, client)
        async with trio.open_nursery() as nursery:
            app = ChatApp(client, one.terminal, "")
            nursery.start_soon(app.run)
            await one.see(f"@{name}  ● online")
            yield one
            nursery.cancel_scope.cancel()


async def test_a_conversation(autojump_clock: trio.testing.MockClock) -> None:
    async with (
        open_test_server() as server,
        seat(server, "ada") as ada,
        seat(server, "bob") as bob,
    ):
        await ada.enter("/open @bob")
        await ada.see("@bob  online")
        await ada.enter("hello bob")
        await ada.see("@ada: hello bob ✓✓")  # delivered: bob's client has it
        await bob.see("@ada (1)")
        await bob.enter("/open 1")
        await bob.see("#1")
        await ada.see("hello bob ✓✓ seen")

        await bob.terminal.type("hi a")
        await ada.see("@bob is typing…")
        await bob.enter("da")
        await ada.see("@bob: hi ada")
        await ada.see(lambda text: "is typing" not in text)
        assert "(1)" not in ada.terminal.text  # it is open: nothing is unread

        await ada.enter("/reply 2 how are you?")
        await bob.see("┌ #2 @bob: hi ada")
        await ada.enter("/edit 1 hello dear bob")
        await bob.see("hello dear bob (edited)")
        await bob.enter("/delete 2")
        await ada.see("#2")
        await ada.see("@bob: message deleted")
        await bob.enter("/edit 1 not mine")
        await bob.see(lambda text: "edit" in text.splitlines()[-2])


async def test_a_lost_line_queues_and_sends_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with (
        open_test_server() as server,
        seat(server, "ada") as ada,
        seat(server, "bob") as bob,
    ):
        await ada.enter("/open @bob")
        await ada.enter("one")
        await bob.see("@ada (1)")
        await bob.enter("/open @ada")
        await ada.see("one ✓✓ seen")
        ada.line.down = True
        await ada.line.cut()
        await ada.see("reconnecting…")
        await ada.enter("two")
        await ada.enter("three")
        await ada.see("three … sending")
        await ada.see("2 queued")
        await bob.enter("four")
        await bob.see("four")
        ada.line.down = False
        await ada.see("● online", within=100)
        await ada.see(lambda text: "sending" not in text and "four" in text)
        await bob.see("three")
        texts = [line for line in bob.terminal.screen.display if ": " in line and "#" in line]
        assert [line.split(": ")[1].split()[0] for line in texts] == [
            "one",
            "four",
            "two",
            "three",
        ]


async def test_groups_and_scrolling_back(autojump_clock: trio.testing.MockClock) -> None:
    async with (
        open_test_server() as server,
        seat(server, "ada") as ada,
        seat(server, "bob") as bob,
    ):
        await ada.enter("/group Summer trip @bob")
        await ada.see("2 members")
        await bob.see("Summer trip")
        for number in range(1, 61):
            await ada.enter(f"line {number:02}")
        await ada.see("line 60")
        await bob.see("Summer trip (60)")
        await bob.enter("/open 1")
        await bob.see("line 60")
        await bob.see(lambda text: "(60)" not in text)
        assert "line 30" not in bob.terminal.text
        for _ in range(3):
            await bob.terminal.type("\x1b[5~")
        await bob.see("… /more for older messages")
        await bob.enter("/more")
        for _ in range(4):
            await bob.terminal.type("\x1b[5~")
        await bob.see("line 01")
        await bob.enter("/members")
        await bob.see("owner")
        await bob.enter("/leave")
        await bob.see("no rooms yet")


async def test_posts_likes_and_comments(autojump_clock: trio.testing.MockClock) -> None:
    async with (
        open_test_server() as server,
        seat(server, "ada") as ada,
        seat(server, "bob") as bob,
    ):
        await bob.enter("/follow @ada")
        await bob.see("you follow @ada")
        await ada.see("@bob started following you")
        await ada.enter("/post A fine morning.")
        await ada.see("posted")
        await server.settled()
        await bob.enter("/home")
        await bob.see("A fine morning.")
        await bob.enter("/like 1")
        await bob.see("♥ 1")
        await ada.see("@bob liked your post")
        await bob.enter("/comments 1")
        await bob.see("Comments, the latest first")
        await bob.enter("/comment 1 So it is.")
        await bob.see("@bob: So it is.")
        await ada.see("@bob commented on your post: So it is.")
        await ada.see("3 new /notifications")
        await ada.enter("/notifications")
        await ada.see("@bob liked your post")
        await ada.see(lambda text: "3 new" not in text)
        await bob.enter("/unlike 1")
        await bob.see("♡ 0")


async def test_what_cannot_be_done_says_why(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server, seat(server, "ada") as ada:
        for line, answer in (
            ("hello", "open a room first"),
            ("/open 7", "there is no room 7"),
            ("/open @nobody", "no such user"),
            ("/frobnicate", "no command /frobnicate"),
            ("/photo /nowhere.jpg", "open a room first"),
            ("/like 1", "see /home first"),
            ("/group @bob", "a group needs a title"),
        ):
            await ada.enter(line)
            await ada.see(answer)
        await ada.enter("/help")
        await ada.see("/notifications")
        await ada.terminal.type("\x1b")
        await ada.see("Welcome to sunwire.")


async def test_text_of_others_cannot_command_the_terminal(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with (
        open_test_server() as server,
        seat(server, "ada") as ada,
        seat(server, "bob") as bob,
    ):
        await bob.enter("/follow @ada")
        await bob.see("you follow @ada")
        await PostsClient(ada.client).create_post(
            posts_pb2.CreatePostRequest(text="\x1b[2J\x1b[31mred\x07 \u202eback")
        )
        await server.settled()
        await bob.enter("/home")
        await bob.see("[2J [31mred")
        assert "\u202e" not in bob.terminal.text


async def test_ctrl_d_leaves(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        line = server.line()
        terminal = MemoryTerminal()
        async with open_client(line.dial) as client, trio.open_nursery() as nursery:
            await sign_up(server, client, "ada")
            nursery.start_soon(ChatApp(client, terminal, "").run)
            await terminal.see("● online")
            await terminal.type("\x04")
