"""A client that behaves, beside those that do not: it must not notice them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

from realtime.testing.client import TestClient
from tests.media import samples
from tests.media.sockets import get, put, read_all
from tests.real.process import ServerProcess

SOON = 3.0  # seconds within which a witness is answered, on a busy machine
PATIENCE = 60.0  # seconds for large objects
POST, CHAT = 1, 3  # purposes of a media object


class Person:
    """A user with a photograph, on a websocket and over HTTP."""

    def __init__(self, server: ServerProcess, client: TestClient) -> None:
        self.server = server
        self.client = client
        self.photograph = ""  # its path

    async def http(self, request: bytes, within: float = SOON) -> bytes:
        """Sends, and reads to the end."""
        async with await trio.open_tcp_stream("127.0.0.1", self.server.media_port) as stream:
            await stream.send_all(request)
            return await read_all(stream, within)

    async def ticket(self, size: int, purpose: int = POST) -> tuple[str, str]:
        """(media id, path of the upload)"""
        made = await self.client.call("Media.CreateUpload", purpose=purpose, size=size)
        parts = urlsplit(made.url)
        return made.media_id, f"{parts.path}?{parts.query}"

    async def upload(self, data: bytes, purpose: int = POST) -> str:
        media_id, path = await self.ticket(len(data), purpose)
        answer = await self.http(put(path, data, Connection="close"))
        assert answer.startswith(b"HTTP/1.1 201 "), answer
        return media_id

    async def has(self, media_id: str, data: bytes) -> bool:
        """Whether the original of an object of his is these bytes, however many."""
        shown = await self.http(get(await self.original(media_id), close=True), PATIENCE)
        return shown.startswith(b"HTTP/1.1 200 ") and shown.endswith(b"\r\n\r\n" + data)

    async def original(self, media_id: str) -> str:
        """The path of the owner's link."""
        answer = await self.client.call("Media.LinkMedia", media_ids=[media_id])
        parts = urlsplit(answer.links[0].url)
        return f"{parts.path}?{parts.query}"


async def sign_up(server: ServerProcess, name: str = "ann") -> Person:
    person = Person(server, await server.sign_up(name))
    person.photograph = f"/m/{await person.upload(samples.jpeg())}/small.jpg"
    return person


@asynccontextmanager
async def unharmed(person: Person) -> AsyncIterator[None]:
    """While the block runs the person calls and looks at the photograph, again and again, and
    is answered soon each time."""
    rounds = 0
    worst = 0.0

    async def go_on() -> None:
        nonlocal rounds, worst
        while True:
            started = trio.current_time()
            await person.client.call("Users.GetMe")
            answer = await person.http(get(person.photograph, close=True))
            assert answer.startswith(b"HTTP/1.1 200 ")
            worst = max(worst, trio.current_time() - started)
            rounds += 1
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_on)
        yield
        before = rounds
        with trio.fail_after(SOON):
            while rounds < before + 3:  # noqa: ASYNC110 - real time, real sockets
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert worst < SOON, f"an answer took {worst:.2f} seconds"
