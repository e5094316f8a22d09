"""What may keep a server from starting, each said in one sentence to whoever started it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from realtime.settings import host_and_port
from store.errors import Incompatible

log = structlog.get_logger("app")

LOCK = "lock"
BACKLOG = 1024  # connections that wait to be accepted
ENDING = 5.0  # seconds for the processes of a killed supervisor to end
PRIVATE = 0o077  # the bits that others than the owner have


@dataclass(frozen=True)
class Listening:
    """Where a running server listens: (host, port) of each."""

    websocket: tuple[str, int]
    media: tuple[str, int]
    ops: tuple[str, int]


class StartError(Exception):
    """Why the server cannot start: one sentence, with what to change."""


@contextlib.contextmanager
def data_folder(folder: Path) -> Iterator[int]:
    """Holds the data folder: made if it is not there, for this user alone; no other server
    has it at the same time. Yields the descriptor of the lock: a process that inherits it holds
    the folder too. Raises `StartError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except (FileExistsError, NotADirectoryError) as error:
        raise StartError(f"the data folder {folder} is not a folder: {_OTHER_DATA}") from error
    except OSError as error:
        why = _why(error)
        raise StartError(
            f"the data folder {folder} cannot be written ({why}): {_OTHER_DATA}"
        ) from (error)
    try:
        _take(lock, folder)
        _make_private(folder)
        yield lock
    finally:
        os.close(lock)


_OTHER_DATA = "change it, or name another with --data"


def _take(lock: int, folder: Path) -> None:
    """The lock goes with the process, however that ends. In it stands whose it is."""
    try:
        until = time.monotonic() + ENDING
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # A supervisor that was killed leaves it to its processes, which are ending.
                if _lives(_owner(lock)) or time.monotonic() > until:
                    raise
                time.sleep(0.02)
    except BlockingIOError as error:
        owner = _owner(lock) or "unknown"
        raise StartError(
            f"the data folder {folder} is in use by another server (process {owner}): stop it, "
            "or name another folder with --data"
        ) from error
    except OSError as error:
        raise StartError(f"the data folder {folder} cannot be locked ({_why(error)})") from error
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    except OSError as error:
        raise StartError(f"the data folder {folder} cannot be written ({_why(error)})") from error


def _owner(lock: int) -> str:
    return os.pread(lock, 20, 0).decode(errors="replace").strip()


def _lives(process: str) -> bool:
    """Whether there is such a process, or nobody knows."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, PermissionError):
        pass
    return True


def _make_private(folder: Path) -> None:
    """The database holds keys and password hashes: an older one is closed to others too. The
    folder stays as its owner has made it."""
    for file in folder.glob("sunwire.db*"):
        if file.stat().st_mode & PRIVATE:
            with contextlib.suppress(PermissionError):
                file.chmod(0o600)
    if folder.stat().st_mode & 0o007:
        log.warning("data folder open to everyone", data=str(folder), hint="chmod o-rwx")


async def listen(what: str, flag: str, address: str) -> list[trio.SocketListener]:
    """Listens on HOST:PORT, on each address that the host has. Raises `StartError`."""
    host, port = host_and_port(address)
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    except OSError as error:
        why = "the port is in use" if error.errno == errno.EADDRINUSE else _why(error)
        raise StartError(
            f"the {what} listener cannot have {address}: {why} (the setting is --{flag})"
        ) from error


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def reason(error: BaseException) -> StartError | Incompatible | None:
    """The one error for its operator that a failure comes down to, if it does."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, StartError | Incompatible) else None
