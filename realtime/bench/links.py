"""The load generator's connections: plain non-blocking sockets in one epoll set.

A client library would cost more than the server that it measures. This one knows just enough
of websockets to be a correct client, and reads of a message no more than it is asked.
"""

from __future__ import annotations

import base64
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator

from rpc.proto.frames_pb2 import ClientBatch, ClientFrame, Hello, ServerFrame
from rpc.wire import SUBPROTOCOL

READ = 256 * 1024  # bytes asked of a socket at once

# Fields of ServerFrame.
RESULT, FAILURE, UPDATE, LAGGING = (
    ServerFrame.DESCRIPTOR.fields_by_name[name].number
    for name in ("result", "failure", "update", "lagging")
)


class LinkError(Exception):
    """The server closed a connection, or said something that it must not."""


def frames(batch: bytes) -> Iterator[tuple[int, int, int]]:
    """The frames of a ServerBatch by their outer shape alone: (field of ServerFrame, start,
    end of the frame's bytes)."""
    at, end = 0, len(batch)
    while at < end:
        size, start = _varint(batch, at + 1)  # after the tag of `frames`
        tag, _ = _varint(batch, start)
        at = start + size
        yield tag >> 3, start, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    shift = 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def client_message(batch: bytes) -> bytes:
    """A batch as a masked websocket message. The mask is zero: the server has the same work
    to do, the generator has none."""
    size = len(batch)
    if size < 126:
        return struct.pack("!BBI", 0x82, 0x80 | size, 0) + batch
    if size < 65536:
        return struct.pack("!BBHI", 0x82, 0xFE, size, 0) + batch
    return struct.pack("!BBQI", 0x82, 0xFF, size, 0) + batch


def encode(*batch: ClientFrame) -> bytes:
    return client_message(ClientBatch(frames=batch).SerializeToString())


class Link:
    """One connection that has said hello."""

    def __init__(self, host: str, port: int, token: str, timeout: float = 30.0) -> None:
        """Connects and waits for the welcome. Raises `LinkError` or `OSError`."""
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._unsent = b""
        self._shake_hands(host, port)
        hello = Hello(token=token, device_id=os.urandom(16), device="bench", client="bench")
        self.socket.sendall(encode(ClientFrame(hello=hello)))
        while not (messages := self.receive()):
            pass
        kind, start, end = next(frames(messages[0]))
        welcome = ServerFrame.FromString(messages[0][start:end])
        if kind != 1 or not welcome.welcome.user_id:
            raise LinkError(f"no welcome: {welcome}")
        self.early = messages[1:]
        self.socket.setblocking(False)

    def _shake_hands(self, host: str, port: int) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            data = self.socket.recv(READ)
            if not data:
                raise LinkError("closed during the handshake")
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise LinkError(head.decode(errors="replace").splitlines()[0])

    def send(self, message: bytes) -> None:
        """Sends, or keeps what the socket does not take for the next `flush`."""
        if self._unsent:
            self._unsent += message
            return
        try:
            sent = self.socket.send(message)
        except BlockingIOError:
            sent = 0
        self._unsent = message[sent:]

    def flush(self) -> None:
        if self._unsent:
            rest, self._unsent = self._unsent, b""
            self.send(rest)

    @property
    def waiting(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._unsent)

    def receive(self) -> list[bytes]:
        """The binary messages that have arrived. Raises `LinkError` at the end."""
        try:
            data = self.socket.recv(READ)
        except BlockingIOError:
            return []
        if not data:
            raise LinkError("the server closed the connection")
        if self._buffer:
            data = self._buffer + data
        messages = []
        at, end = 0, len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size == 126:
                if end - at < 4:
                    break
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                if end - at < 10:
                    break
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if end - start < size:
                break
            payload = data[start : start + size]
            if data[at] == 0x82:
                messages.append(payload)
            elif data[at] == 0x88:
                code = int.from_bytes(payload[:2], "big")
                raise LinkError(f"closed with {code} {payload[2:].decode(errors='replace')}")
            elif data[at] != 0x89:  # a ping is not answered: no run is that long
                raise LinkError(f"an unexpected frame {data[at]:#x}")
            at = start + size
        self._buffer = data[at:]
        return messages

    def close(self) -> None:
        self.socket.close()


class Links:
    """Connections in one epoll set."""

    def __init__(self, links: list[Link], on_message: Callable[[int, bytes], None]) -> None:
        """`on_message` is called with a link's number and the batch that came for it."""
        self.links = links
        self._on_message = on_message
        self._epoll = select.epoll()
        self._numbers = {link.socket.fileno(): number for number, link in enumerate(links)}
        self._full: set[int] = set()
        for link in links:
            self._epoll.register(link.socket.fileno(), select.EPOLLIN)
        for number, link in enumerate(links):
            for message in link.early:
                on_message(number, message)

    def send(self, number: int, message: bytes) -> None:
        link = self.links[number]
        link.send(message)
        if link.waiting:
            self._full.add(number)

    def turn(self, timeout: float) -> None:
        """Waits up to `timeout` seconds for messages and hands over those that came."""
        if self._full:
            timeout = min(timeout, 0.001)
            for number in list(self._full):
                self.links[number].flush()
                if not self.links[number].waiting:
                    self._full.discard(number)
        for fd, _ in self._epoll.poll(timeout):
            number = self._numbers[fd]
            for message in self.links[number].receive():
                self._on_message(number, message)

    def close(self) -> None:
        self._epoll.close()
        for link in self.links:
            link.close()
