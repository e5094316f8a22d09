"""Uploads: what happens when the transfer is cut off."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TypeVar

import pytest
import trio
from google.protobuf.message import Message

from rpc.client.media import UploadError, upload
from rpc.proto import media_pb2, models_pb2

A = TypeVar("A", bound=Message)

pytestmark = pytest.mark.real

BODY = b"an image"


class Tickets:
    """Gives one ticket, and counts."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.calls: list[str] = []

    async def call(
        self, method: str, request: Message, answer: type[A], *, timeout: float | None = None
    ) -> A:
        self.calls.append(method)
        if method == "Media.CreateUpload":
            return answer.FromString(
                media_pb2.CreateUploadResponse(media_id="m", url=self._url).SerializeToString()
            )
        return answer.FromString(models_pb2.MediaObject(id="m").SerializeToString())


class Host:
    """Reads a request, then says what it is told to say; b"" hangs up."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.bodies: list[bytes] = []
        self.port = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        request = b""
        async with stream:
            while BODY not in request:
                request += await stream.receive_some()
            self.bodies.append(request.partition(b"\r\n\r\n")[2])
            answer = self._answers.pop(0)
            if answer:
                await stream.send_all(answer)


@contextlib.asynccontextmanager
async def listening(host: Host) -> AsyncIterator[Tickets]:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, host.handle, listeners)
        port = listeners[0].socket.getsockname()[1]
        yield Tickets(f"http://127.0.0.1:{port}/u/m")
        nursery.cancel_scope.cancel()


CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
WRONG = b"HTTP/1.1 415 Wrong\r\nContent-Length: 5\r\n\r\nno!!!"


async def test_the_same_bytes_go_to_the_same_ticket_until_they_are_taken() -> None:
    host = Host(b"", BUSY, CREATED)
    async with listening(host) as tickets:
        media = await upload(tickets, BODY, models_pb2.PURPOSE_POST, patience=10)
    assert media.id == "m"
    assert host.bodies == [BODY] * 3
    assert tickets.calls == ["Media.CreateUpload", "Media.GetMedia"]


@pytest.mark.parametrize(("answer", "status"), [(b"", 0), (BUSY, 503)])
async def test_without_patience_the_first_failure_is_told(answer: bytes, status: int) -> None:
    host = Host(answer)
    async with listening(host) as tickets:
        with pytest.raises(UploadError) as caught:
            await upload(tickets, BODY, models_pb2.PURPOSE_POST)
    assert caught.value.status == status


async def test_a_refusal_is_final() -> None:
    host = Host(WRONG)
    async with listening(host) as tickets:
        with pytest.raises(UploadError) as caught:
            await upload(tickets, BODY, models_pb2.PURPOSE_POST, patience=10)
    assert (caught.value.status, caught.value.message) == (415, "no!!!")
    assert len(host.bodies) == 1
