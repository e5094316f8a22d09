"""Plain requests, answered at the connection: no task, no framework and no copy between them.

A request is read, answered and written by the one task of its connection. What is not a plain
request (see `media.serving.plain`) is left to hypercorn, with the connection and all that was read
of it. Answers are the same on both ways: `media.serving.answering` makes them.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from email.utils import formatdate

import structlog
import trio

from media.cors import Cors
from media.limits import Limits
from media.metrics import MediaMetrics
from media.serving.answering import Serving, refusal
from media.serving.answers import SAFE_HEADERS, Answer, BytesSource, failure
from media.serving.plain import Outcome, Plain, Reader
from media.settings import MediaSettings

log = structlog.get_logger("media")

READ = 16 * 1024  # bytes asked of a socket at once
PIECE = 64 * 1024  # bytes that a peer must take within `send_seconds`
WATCH = 0.5  # seconds between two looks at who has left while he waits
LINGER_BYTES = 1024 * 1024

Pieces = list[bytes | memoryview]


class Direct:
    """The plain requests of all connections."""

    def __init__(
        self,
        serving: Serving,
        limits: Limits,
        cors: Cors,
        settings: MediaSettings,
        metrics: MediaMetrics,
    ) -> None:
        self.serving = serving
        self.limits = limits
        self._cors = cors
        self.settings = settings
        self.metrics = metrics
        self.stopping = False
        self.connections: set[DirectConnection] = set()
        self._counters = {
            status: metrics.answers.labels("serve", str(status)) for status in (200, 206, 304, 404)
        }
        self._second = 0
        self._common: dict[str | None, bytes] = {}

    async def serve(self, own: socket.socket) -> bytes | None:
        """Answers what comes on a connected, non-blocking socket. Returns what it has read of a
        request that is not plain, for somebody else to go on with; None when the connection has
        ended, or must."""
        connection = DirectConnection(self, own)
        self.connections.add(connection)
        try:
            return await connection.run()
        finally:
            self.connections.discard(connection)

    def stop(self) -> None:
        """Ends the connections that ask for nothing, and the others with their next answer."""
        self.stopping = True
        for connection in self.connections:
            if connection.idle:
                connection.scope.cancel()

    async def watch(self) -> None:
        """Gives up what is done for clients that have left, for ever."""
        while True:
            await trio.sleep(WATCH)
            for connection in self.connections:
                if not connection.idle and connection.has_left():
                    connection.scope.cancel()

    def count(self, status: int) -> None:
        counter = self._counters.get(status)
        if counter is None:
            counter = self.metrics.answers.labels("serve", str(status))
            self._counters[status] = counter
        counter.inc()

    def common(self, origin: str | None) -> bytes:
        """The fields of every answer to a page of this origin."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._common.clear()
        key = self._cors.key(origin)
        found = self._common.get(key)
        if found is None:
            allowed = self._cors.fields(key, upload=False)
            date = {"Date": formatdate(now, usegmt=True)}
            found = self._common[key] = encoded({**SAFE_HEADERS, **allowed, **date})
        return found


def _address_of(own: socket.socket) -> str:
    """The peer's; "" where it has none, or is gone already."""
    try:
        return str(own.getpeername()[0]) if own.family != socket.AF_UNIX else ""
    except OSError:
        return ""


class DirectConnection:
    """One connection, as long as its requests are plain."""

    def __init__(self, direct: Direct, own: socket.socket) -> None:
        self._direct = direct
        self._socket = own
        self._settings = direct.settings
        self._reader = Reader(
            max_bytes=direct.settings.max_header_bytes, max_fields=direct.settings.max_headers
        )
        self._peer = _address_of(own)
        self._forwarded: str | None = None
        self._client = direct.limits.client(self._peer, None)
        self.scope = trio.CancelScope()
        self.idle = True

    async def run(self) -> bytes | None:
        with self.scope:
            try:
                return await self._serve()
            except OSError:  # the peer is gone
                pass
            except Exception as error:
                log.error("media answer broke off", exc_info=error)
        return None

    async def _serve(self) -> bytes | None:
        data, direct = b"", self._direct
        while True:
            # A whole head must come within its time, counted from the connection or the last
            # answer.
            self.scope.deadline = trio.current_time() + self._settings.header_seconds
            while (found := self._reader.read(data)) is Outcome.MORE:
                if direct.stopping or not (more := await self._receive()):
                    return None
                data += more
            if found is Outcome.OTHER:
                return data
            self.scope.deadline = math.inf
            data = data[found.size :]
            close = found.head.close or direct.stopping
            await self._answer(found, close)
            if close or direct.stopping:
                await self._linger()
                return None

    def has_left(self) -> bool:
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    async def _receive(self) -> bytes:
        """What has come; nothing at the end."""
        self.idle = True
        try:
            while True:
                await trio.lowlevel.wait_readable(self._socket)
                try:
                    return self._socket.recv(READ)
                except BlockingIOError:
                    pass
        finally:
            self.idle = False

    async def _answer(self, request: Plain, close: bool) -> None:
        direct, is_head, fields = self._direct, request.is_head, request.head.fields
        forwarded = fields.get("X-Forwarded-For")
        if forwarded != self._forwarded:
            self._forwarded = forwarded
            self._client = direct.limits.client(self._peer, forwarded)
        try:
            direct.limits.address(self._client)
            answer = await direct.serving.answer(request.path, request.query, fields, head=is_head)
        except Exception as error:
            answer = failure(refusal(error, request.path.decode("ascii")), head=is_head)
        direct.count(answer.status)
        await self._send(answer, direct.common(fields.get("Origin")), close)

    async def _send(self, answer: Answer, common: bytes, close: bool) -> None:
        """Writes an answer: from memory in one call of the system, without copying it before."""
        pieces: Pieces = [
            b"HTTP/1.1 %d \r\n%b%b%b\r\n"
            % (
                answer.status,
                encoded(answer.headers),
                common,
                b"Connection: close\r\n" if close else b"",
            )
        ]
        source = answer.source
        for part in answer.parts:
            if isinstance(part, bytes):
                pieces.append(part)
            elif isinstance(source, BytesSource):
                pieces.append(memoryview(source.data)[part.start : part.stop])
            elif source is not None:
                async with aclosing(source.chunks(part.start, part.stop)) as chunks:
                    async for chunk in chunks:
                        pieces.append(chunk)
                        await self._write(pieces)
                        pieces = []
        await self._write(pieces)

    async def _write(self, pieces: Pieces) -> None:
        """Raises `OSError` when the peer is gone; one that takes too little is let go."""
        left = sum(map(len, pieces))
        try:
            sent = self._socket.sendmsg(pieces) if left else 0
        except BlockingIOError:
            sent = 0
        self._direct.metrics.sent_bytes.inc(sent)
        if sent == left:
            return
        self.scope.deadline = trio.current_time() + self._settings.send_seconds
        taken = 0
        for piece in rest_of(pieces, sent):
            while piece:
                await trio.lowlevel.wait_writable(self._socket)
                try:
                    sent = self._socket.send(piece)
                except BlockingIOError:
                    continue
                piece = piece[sent:]
                self._direct.metrics.sent_bytes.inc(sent)
                taken += sent
                if taken >= PIECE:
                    taken = 0
                    self.scope.deadline = trio.current_time() + self._settings.send_seconds
        self.scope.deadline = math.inf

    async def _linger(self) -> None:
        """Lets the peer read the last answer: to close with unread bytes would take it away."""
        self._socket.shutdown(socket.SHUT_WR)
        self.scope.deadline = trio.current_time() + self._settings.linger_seconds
        taken = 0
        while taken < LINGER_BYTES:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                data = self._socket.recv(PIECE)
            except BlockingIOError:
                continue
            if not data:
                return
            taken += len(data)


def encoded(fields: Mapping[str, str]) -> bytes:
    """Header fields as they are sent (pure)."""
    lines = [f"{name.lower()}: {value}\r\n" for name, value in fields.items()]
    return "".join(lines).encode("latin-1")


def rest_of(pieces: Sequence[bytes | memoryview], sent: int) -> list[memoryview]:
    """What is left of pieces of which so many bytes are gone (pure)."""
    left = []
    for piece in pieces:
        if sent >= len(piece):
            sent -= len(piece)
        else:
            left.append(memoryview(piece)[sent:])
            sent = 0
    return left
