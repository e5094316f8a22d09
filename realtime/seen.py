"""The farthest position of the log that a server has seen, kept in its data folder: by it an
old backup that was put in the database's place is noticed before anything is served."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog
import trio

log = structlog.get_logger("app")

FILE = "seen"
EVERY = 10.0  # seconds


class Seen(msgspec.Struct, frozen=True):
    """A position of the log of this epoch."""

    epoch: int
    position: int


def last_seen(folder: Path) -> Seen | None:
    """What the file says; of one that nobody can read, nothing."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Seen)
    except (OSError, msgspec.DecodeError):
        return None


def note(folder: Path, seen: Seen) -> None:
    """Replaces the file as a whole."""
    new = folder / f"{FILE}.new"
    new.write_bytes(msgspec.json.encode(seen))
    os.replace(new, folder / FILE)


async def keep_noting(folder: Path, epoch: int, position: Callable[[], int]) -> None:
    """Notes from time to time where the log has come to, and once more when it is cancelled."""
    noted = -1
    try:
        while True:
            noted = _note(folder, epoch, position(), noted)
            await trio.sleep(EVERY)
    finally:
        _note(folder, epoch, position(), noted)


def _note(folder: Path, epoch: int, position: int, noted: int) -> int:
    if position != noted:
        try:
            note(folder, Seen(epoch, position))
        except OSError as error:
            log.warning("position not noted", data=str(folder), error=str(error))
    return position
