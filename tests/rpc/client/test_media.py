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

    def __init__(self, url: str, *later: str) -> None:
        """Its URL, and what it is each time that it is asked again."""
        self._urls = [*reversed(later), url]
        self.calls: list[str] = []
        self.keys: set[bytes | None] = set()
        self.timeouts: list[float | None] = []  # of the calls for a ticket

    async def call(
        self,
        method: str,
        request: Message,
        answer: type[A],
        *,
        timeout: float | None = None,
        op_key: bytes | None = None,
    ) -> A:
        self.calls.append(method)
        if method == "Media.CreateUpload":
            self.keys.add(op_key)
            self.timeouts.append(timeout)
            url = self._urls.pop() if len(self._urls) > 1 else self._urls[0]
            return answer.FromString(
                media_pb2.CreateUploadResponse(media_id="m", url=url).SerializeToString()
            )
        return answer.FromString(models_pb2.MediaObject(id="m").SerializeToString())


class Host:
    """Reads requests, one a connection, then says what it is told to say; b"" hangs up, and
    after `CUT` bytes of a body where it is told to."""

    def __init__(self, *answers: bytes, cut: int = 0) -> None:
        self._answers = list(answers)
        self._cut = cut
        self.requests: list[str] = []  # method, and offset where it has one
        self.bodies: list[bytes] = []
        self.port = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        request = b""
        async with stream:
            while b"\r\n\r\n" not in request:
                request += await stream.receive_some()
            head, _, body = request.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
            length = int(fields.get("content-length", 0))
            answer = self._answers.pop(0)
            wanted = length if answer else min(length, self._cut or length)
            while len(body) < wanted:
                body += await stream.receive_some()
            method = head.split(b" ")[0].decode()
            self.requests.append(f"{method} {fields.get('upload-offset', '')}".strip())
            self.bodies.append(body[:wanted])
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


def said(status: str, **headers: object) -> bytes:
    """An answer without a body."""
    fields = {"Content-Length": 0, "Connection": "close", **headers}
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items()]
    return f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode()


def at(offset: int, status: str = "204 No Content") -> bytes:
    return said(status, Upload_Offset=offset)


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
    assert len(tickets.keys) == 1


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


# In parts: what has come stays.

LONG = bytes(range(256)) * 40


async def send(tickets: Tickets, patience: float, op_key: bytes = b"") -> models_pb2.MediaObject:
    purpose = models_pb2.PURPOSE_POST
    return await upload(tickets, LONG, purpose, patience=patience, op_key=op_key, in_parts_from=1)


async def in_parts(host: Host, *, patience: float = 10, op_key: bytes = b"") -> Tickets:
    async with listening(host) as tickets:
        assert (await send(tickets, patience, op_key)).id == "m"
    return tickets


async def refused(host: Host, *, patience: float = 10) -> UploadError:
    async with listening(host) as tickets:
        with pytest.raises(UploadError) as caught:
            await send(tickets, patience)
    return caught.value


async def test_an_upload_goes_on_from_where_the_host_was() -> None:
    host = Host(b"", at(3000), b"", b"", at(8000), at(len(LONG)), cut=5000)
    await in_parts(host)
    assert host.requests == ["PATCH 0", "HEAD", "PATCH 3000", "HEAD", "HEAD", "PATCH 8000"]
    assert host.bodies[2] == LONG[3000:8000]
    assert host.bodies[-1] == LONG[8000:]


async def test_an_upload_that_is_whole_at_the_next_look_is_not_sent_again() -> None:
    host = Host(b"", at(len(LONG), "200 OK"))
    await in_parts(host)
    assert host.requests == ["PATCH 0", "HEAD"]


async def test_a_later_run_asks_first() -> None:
    host = Host(at(5000), at(len(LONG)))
    tickets = await in_parts(host, op_key=b"k" * 16)
    assert host.requests == ["HEAD", "PATCH 5000"]
    assert tickets.keys == {b"k" * 16}


async def test_another_offset_and_too_much_at_once_are_passing() -> None:
    busy = said("503 Busy", Retry_After=0)
    host = Host(at(4000, "409 Conflict"), at(4000), busy, at(4000), at(len(LONG)))
    await in_parts(host)
    assert host.requests == ["PATCH 0", "HEAD", "PATCH 4000", "HEAD", "PATCH 4000"]


async def test_a_host_that_is_gone_has_another_in_its_place() -> None:
    async with listening(Host(b"", b"")) as one:
        there = Host(at(4000), at(len(LONG)))
        async with listening(there) as two:
            tickets = Tickets(*one._urls, *two._urls)
            assert (await send(tickets, 100)).id == "m"
        assert there.requests == ["HEAD", "PATCH 4000"]
    first, again = tickets.timeouts
    assert first is None
    assert again is not None
    assert 50 < again < 100  # the call is as patient as the transfer


async def test_a_ticket_whose_time_is_over_is_renewed_and_the_upload_goes_on() -> None:
    gone = said("410 Gone")
    host = Host(b"", at(4000), gone, at(4000), at(len(LONG)))
    tickets = await in_parts(host)
    assert tickets.calls == ["Media.CreateUpload"] * 2 + ["Media.GetMedia"]
    assert len(tickets.keys) == 1  # the same upload
    assert (await refused(Host(gone, gone))).status == 410


@pytest.mark.parametrize("status", ["415 Wrong", "404 Gone", "413 Large"])
async def test_a_refusal_of_a_part_is_final(status: str) -> None:
    assert (await refused(Host(b"", said(status)))).status == int(status[:3])


@pytest.mark.parametrize(
    "answer", [said("204 No Content"), at(-1), at(0), at(len(LONG) + 1), said("200 OK")]
)
async def test_a_host_that_talks_nonsense(answer: bytes) -> None:
    host = Host(answer)
    await refused(host)
    assert host.requests == ["PATCH 0"]


async def test_patience_is_from_the_last_byte_that_came() -> None:
    """Each cut costs less than the patience, all of them more."""
    steps = [one for offset in range(500, 5000, 500) for one in (b"", at(offset))]
    host = Host(*steps, at(len(LONG)), cut=600)
    await in_parts(host, patience=0.35)
    assert host.requests[-1] == "PATCH 4500"
    assert (await refused(Host(*[b""] * 9), patience=0.35)).status == 0
