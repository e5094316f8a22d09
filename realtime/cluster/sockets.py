"""Sockets that several processes share (Linux)."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog
import trio

from realtime.startup import BACKLOG, StartError, listen

log = structlog.get_logger("app")

LINK = "link"  # the file in the data folder
_CREDENTIALS = struct.Struct("3i")  # process, user, group

Address = tuple[int, list[str | int]]
"""The family of a socket, and what it is bound to."""


async def reserve(what: str, flag: str, address: str) -> list[socket.socket]:
    """Sockets bound to HOST:PORT, on each address that the host has, which do not listen: they
    keep the port while processes that listen there come and go. Raises `StartError`, also where
    another server listens already, which would be no error to the system."""
    found = await listen(what, flag, address)
    bound: list[socket.socket] = []
    try:
        for listener in found:
            where = _shared(listener.socket.family)
            bound.append(where)
            name = listener.socket.getsockname()
            await listener.aclose()
            where.bind(name)
    except OSError as error:
        for one in bound:
            one.close()
        raise StartError(
            f"the {what} listener cannot have {address}: {error.strerror} (the setting is --{flag})"
        ) from error
    return bound


def addresses_of(sockets: Sequence[socket.socket]) -> list[Address]:
    return [(one.family, list(one.getsockname())) for one in sockets]


def listen_beside(addresses: Sequence[Address]) -> list[trio.SocketListener]:
    """Listens on addresses that are reserved. The system spreads connections over all who do."""
    listeners = []
    for family, name in addresses:
        one = _shared(family)
        one.bind(tuple(name))
        one.listen(BACKLOG)
        listeners.append(trio.SocketListener(trio.socket.from_stdlib_socket(one)))
    return listeners


def _shared(family: int) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return one


def inherited(descriptors: Sequence[int]) -> list[trio.SocketListener]:
    """Listeners of sockets that another process has opened and handed on."""
    return [
        trio.SocketListener(trio.socket.from_stdlib_socket(socket.socket(fileno=one)))
        for one in descriptors
    ]


@contextlib.contextmanager
def link_socket(folder: Path) -> Iterator[socket.socket]:
    """The socket of the link, which listens while the writer comes and goes: a file in the
    data folder, whose lock the caller holds, for this user alone."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        (folder / LINK).unlink(missing_ok=True)  # of a server that was killed
        with _short(folder) as name:
            before = os.umask(0o177)
            try:
                one.bind(name)
            finally:
                os.umask(before)
        one.listen(BACKLOG)
        yield one
    except OSError as error:
        raise StartError(
            f"the data folder {folder} cannot hold a socket ({error.strerror}): name another one "
            "with --data"
        ) from error
    finally:
        one.close()
        with contextlib.suppress(OSError):
            (folder / LINK).unlink(missing_ok=True)


async def dial_link(folder: Path) -> trio.SocketStream:
    """Raises `OSError`."""
    one = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    try:
        with _short(folder) as name:
            await one.connect(name)
    except BaseException:
        one.close()
        raise
    return trio.SocketStream(one)


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name of the socket that is short enough for the system, however long the folder's is."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{LINK}"
    finally:
        os.close(descriptor)


def is_own(stream: trio.SocketStream) -> bool:
    """Whether the other end of a Unix socket is a process of this user."""
    raw = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(raw)
    return bool(user == os.getuid())
