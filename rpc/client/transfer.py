"""The bytes of one upload, to the media host: whole, or on from where it was cut off (tus 1.0)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import trio

CHUNK = 256 * 1024  # bytes
TIMEOUT = httpx.Timeout(60.0, connect=15.0)  # seconds, of each step of the transfer
PASSING = frozenset({0, 408, 409, 429, 500, 502, 503, 504})  # 0: the connection was lost
FIRST_PAUSE, MOST_PAUSE = 0.1, 2.0  # seconds between two attempts
LOST = 2  # connections in a row after which it is asked where the host is
MOST_WAIT = 30.0  # seconds that a host may ask us to wait

TUS = {"Tus-Resumable": "1.0.0"}
APPEND = TUS | {"Content-Type": "application/offset+octet-stream"}


class UploadError(Exception):
    """The media host did not take the bytes."""

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{status} {message}".strip())
        self.status = status  # of HTTP; 0 when it could not be reached
        self.message = message
        self.retry_after = retry_after  # seconds that the host asked for

    @property
    def passing(self) -> bool:
        """The same bytes may be taken later."""
        return self.status in PASSING


class Transfer:
    """Of one file, by as many requests as it takes."""

    def __init__(
        self, source: Path | bytes, size: int, *, patience: float, in_parts: bool, begun: bool
    ) -> None:
        """`in_parts`: what has come stays. `begun`: some of it may have come in an earlier run."""
        self._source = source
        self._size = size
        self._patience = patience
        self._in_parts = in_parts
        self._offset: int | None = None if begun and in_parts else 0  # None: the host knows
        self._give_up = trio.current_time() + patience
        self._pause = FIRST_PAUSE
        self._last = 0  # what had been reached at the last failure
        self.reached = 0
        """How far the host has told that it was."""

    @property
    def patience(self) -> float:
        """The seconds that are left of it."""
        return self._give_up - trio.current_time()

    async def run(self, address: str) -> bool:
        """True when the host has all of it, False where it cannot be reached: another may have
        its place by now. For `patience` seconds without a byte that came it tries again; raises
        `UploadError`, and `OSError` for a file that cannot be read."""
        lost = 0
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
            while lost < LOST:
                try:
                    if await self._step(http, address):
                        return True
                    lost = 0
                except UploadError as error:
                    await self._failed(error)
                    lost = lost + 1 if error.status == 0 else 0
        return False

    async def _failed(self, error: UploadError) -> None:
        """Waits for the next try, unless there is none."""
        if self._in_parts:
            self._offset = None
        if self.reached > self._last:
            self._last = self.reached
            self._give_up = trio.current_time() + self._patience
            self._pause = FIRST_PAUSE
        wait = max(self._pause, min(error.retry_after, MOST_WAIT))
        if not error.passing or trio.current_time() + wait > self._give_up:
            raise error
        await trio.sleep(wait)
        self._pause = min(2 * self._pause, MOST_PAUSE)

    async def _step(self, http: httpx.AsyncClient, address: str) -> bool:
        """One request. Whether the host has everything now."""
        if not self._in_parts:
            await self._send(http, "PUT", address, 0, {})
            return True
        before = self._offset
        if before is None:
            answer = await _answer(http, http.build_request("HEAD", address, headers=TUS))
        else:
            headers = APPEND | {"Upload-Offset": str(before)}
            answer = await self._send(http, "PATCH", address, before, headers)
        told = answer.headers.get("Upload-Offset", "")
        if not (told.isascii() and told.isdigit() and int(told) <= self._size):
            raise UploadError(answer.status_code, "the host does not say where the upload is")
        self._offset = int(told)
        if self._offset == before:
            raise UploadError(answer.status_code, "the host takes nothing")
        self.reached = max(self.reached, self._offset)
        return self._offset == self._size

    async def _send(
        self, http: httpx.AsyncClient, method: str, address: str, start: int, headers: Any
    ) -> httpx.Response:
        pieces = _Pieces(self._source, start)
        size = {"Content-Length": str(self._size - start)}
        request = http.build_request(method, address, headers=headers | size)
        request.stream = pieces
        try:
            return await _answer(http, request)
        finally:
            await pieces.aclose()


async def _answer(http: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    try:
        answer = await http.send(request)
    except httpx.HTTPError as error:
        raise UploadError(0, str(error) or type(error).__name__) from error
    if not answer.is_success:
        asked = answer.headers.get("Retry-After", "")
        wait = float(asked) if asked.isascii() and asked.isdigit() else 0.0
        raise UploadError(answer.status_code, answer.text.strip()[:500], wait)
    return answer


class _Pieces(httpx.AsyncByteStream):
    """The bytes to send, once. Not a generator, as httpx makes of bytes: one that is left in the
    middle, because the connection is gone, would be left to the garbage collector."""

    def __init__(self, source: Path | bytes, start: int) -> None:
        self._source = source
        self._start = start
        self._begun = False
        self._file: Any = None  # Trio's wrapper of a binary file

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if isinstance(self._source, bytes):
            piece = b"" if self._begun else self._source[self._start :]
        else:
            if self._file is None:
                self._file = await trio.open_file(self._source, "rb")
                await self._file.seek(self._start)
            piece = await self._file.read(CHUNK)
        self._begun = True
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        if self._file is not None:
            with trio.CancelScope(shield=True):
                await self._file.aclose()
