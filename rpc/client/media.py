"""Uploads: a ticket over the websocket, the bytes over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx
import trio

from rpc.proto import media_pb2, models_pb2
from rpc.proto.stubs import Caller, MediaClient

CHUNK = 256 * 1024  # bytes
TIMEOUT = httpx.Timeout(60.0, connect=15.0)  # seconds, of each step of the transfer
PASSING = frozenset({0, 408, 500, 502, 503, 504})  # 0: the connection was lost
FIRST_PAUSE, MOST_PAUSE = 0.1, 2.0  # seconds between two attempts


class UploadError(Exception):
    """The media host did not take the bytes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}".strip())
        self.status = status  # of HTTP; 0 when it could not be reached
        self.message = message


async def upload(
    caller: Caller,
    source: Path | bytes,
    purpose: models_pb2.Purpose,
    *,
    name: str = "",
    media_url: str = "",
    patience: float = 0.0,
) -> models_pb2.MediaObject:
    """The finished object. Bytes that the caller's user has uploaded before are not sent again.

    `media_url` says where this client reaches the media host, when the address in the ticket
    is not it. For `patience` seconds a transfer that was cut off, or for which the host had no
    room, is begun anew: under one ticket the same bytes are stored once. Raises `CallError`,
    `UploadError`, and `OSError` for a file that cannot be read.
    """
    if isinstance(source, Path):
        name = name or source.name
        size, digest = await trio.to_thread.run_sync(_measure, source)
    else:
        size, digest = len(source), hashlib.sha256(source).digest()
    media = MediaClient(caller)
    ticket = await media.create_upload(
        media_pb2.CreateUploadRequest(purpose=purpose, size=size, sha256=digest, name=name[:200])
    )
    if not ticket.url:
        return ticket.media
    address = _address(ticket.url, media_url)
    give_up = trio.current_time() + patience
    pause = FIRST_PAUSE
    while True:
        try:
            await _put(address, source, size)
            break
        except UploadError as error:
            passing = error.status in PASSING
            if not passing or trio.current_time() + pause > give_up:
                raise
        await trio.sleep(pause)
        pause = min(2 * pause, MOST_PAUSE)
    return await media.get_media(media_pb2.GetMediaRequest(media_id=ticket.media_id))


async def _put(address: str, source: Path | bytes, size: int) -> None:
    pieces = _Pieces(source)
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
            request = http.build_request("PUT", address, headers={"Content-Length": str(size)})
            request.stream = pieces
            answer = await http.send(request)
    except httpx.HTTPError as error:
        raise UploadError(0, str(error) or type(error).__name__) from error
    finally:
        await pieces.aclose()
    if not answer.is_success:
        raise UploadError(answer.status_code, answer.text.strip()[:500])


class _Pieces(httpx.AsyncByteStream):
    """The bytes to send, once. Not a generator, as httpx makes of bytes: one that is left in the
    middle, because the connection is gone, would be left to the garbage collector."""

    def __init__(self, source: Path | bytes) -> None:
        self._source = source
        self._begun = False
        self._file: Any = None  # Trio's wrapper of a binary file

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if isinstance(self._source, bytes):
            piece = b"" if self._begun else self._source
        else:
            if self._file is None:
                self._file = await trio.open_file(self._source, "rb")
            piece = await self._file.read(CHUNK)
        self._begun = True
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        if self._file is not None:
            with trio.CancelScope(shield=True):
                await self._file.aclose()


def _address(url: str, media_url: str) -> str:
    if not media_url:
        return url
    base = urlsplit(media_url)
    parts = urlsplit(urljoin(media_url, url))
    return urlunsplit((base.scheme, base.netloc, parts.path, parts.query, ""))


def _measure(path: Path) -> tuple[int, bytes]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.digest()
