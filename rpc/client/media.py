"""Uploads: a ticket over the websocket, the bytes over HTTP."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

import trio
from google.protobuf.message import Message

from rpc.client.keys import new_key
from rpc.client.transfer import Transfer, UploadError
from rpc.proto import media_pb2, models_pb2

__all__ = ["UploadError", "upload"]

A = TypeVar("A", bound=Message)

IN_PARTS = 1024**2  # bytes from which on it pays that the host keeps what has come
ASK_SECONDS = 10.0  # at least, for a ticket that is asked for again
OVER = frozenset({403, 410})  # a ticket whose time is over


class Caller(Protocol):
    """A `rpc.client.Client`, say."""

    async def call(
        self,
        method: str,
        request: Message,
        answer: type[A],
        *,
        timeout: float | None = None,
        op_key: bytes | None = None,
    ) -> A: ...


async def upload(
    caller: Caller,
    source: Path | bytes,
    purpose: models_pb2.Purpose,
    *,
    name: str = "",
    media_url: str = "",
    patience: float = 0.0,
    op_key: bytes = b"",
    in_parts_from: int = IN_PARTS,
) -> models_pb2.MediaObject:
    """The finished object. Bytes that the caller's user has uploaded before are not sent again.

    `media_url` says where this client reaches the media host, when the address in the ticket
    is not it; without it that is where the server says, which may be another after one has died.
    A transfer that was cut off, or for which the host had no room, is tried again until
    `patience` seconds have passed without a byte that came: it goes on from where the host was,
    or anew where the file has less than `in_parts_from` bytes. With an `op_key` (16 random
    bytes, kept beside the file for up to a week) a later run goes on with the same upload.
    Raises `CallError`, `UploadError`, and `OSError` for a file that cannot be read.
    """
    if isinstance(source, Path):
        name = name or source.name
        size, digest = await trio.to_thread.run_sync(_measure, source)
    else:
        size, digest = len(source), hashlib.sha256(source).digest()
    request = media_pb2.CreateUploadRequest(
        purpose=purpose, size=size, sha256=digest, name=name[:200]
    )
    transfer = Transfer(
        source, size, patience=patience, in_parts=size >= in_parts_from, begun=bool(op_key)
    )
    op_key = op_key or new_key()
    reached = -1
    timeout: float | None = None
    while True:
        # The same call again is the same upload, with a ticket that is good from now on, at the
        # server that we are connected to.
        ticket = await caller.call(
            "Media.CreateUpload",
            request,
            media_pb2.CreateUploadResponse,
            timeout=timeout,
            op_key=op_key,
        )
        if not ticket.url:
            return ticket.media
        try:
            if await transfer.run(_address(ticket.url, media_url)):
                break
        except UploadError as error:
            if error.status not in OVER or transfer.reached <= reached:
                raise
            reached = transfer.reached
        # Who has lost the host may have lost the server, too.
        timeout = max(transfer.patience, ASK_SECONDS)
    return await caller.call(
        "Media.GetMedia",
        media_pb2.GetMediaRequest(media_id=ticket.media_id),
        models_pb2.MediaObject,
    )


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
