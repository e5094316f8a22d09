"""The ports."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket

from realtime.doctor.finding import Finding, error, warning
from realtime.settings import Settings, host_and_port
from realtime.startup import LOCK

LISTENERS = ("listen", "media", "ops")


async def network(settings: Settings) -> list[Finding]:
    found = []
    runs = server_runs(settings)
    addresses = [getattr(settings, flag) for flag in LISTENERS]
    for flag, address in zip(LISTENERS, addresses, strict=True):
        host, port = host_and_port(address)
        if port and addresses.count(address) > 1:
            found.append(error(f"--{flag} {address} is another's, too", "give each its own port"))
        elif port and not runs:
            found += taken(flag, address, *_try(host, port))
    return found + public(settings.ops)


def server_runs(settings: Settings) -> bool:
    """Whether a server has the data folder now: then its ports are taken, as they should be."""
    try:
        lock = os.open(settings.data / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _try(host: str, port: int) -> tuple[int, str]:
    """The error of listening there, or 0."""
    try:
        for family, kind, _, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
    except OSError as failure:
        return failure.errno or -1, (failure.strerror or str(failure)).lower()
    return 0, ""


def taken(flag: str, address: str, number: int, why: str) -> list[Finding]:
    if not number:
        return []
    if number == errno.EADDRINUSE:
        return [
            error(
                f"the port of --{flag} {address} is in use by another program",
                f"stop that one, or name another port with --{flag}",
            )
        ]
    return [
        error(
            f"nobody can listen at --{flag} {address} ({why})",
            f"name an address of this machine with --{flag}",
        )
    ]


def public(ops: str) -> list[Finding]:
    """Whether strangers may reach the figures."""
    host, _ = host_and_port(ops)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return []  # a name: nobody knows from here
    if address.is_unspecified or address.is_global:
        return [
            warning(
                f"metrics and health are open to whoever reaches {ops}",
                "name a private address with --ops, or keep others away by a firewall",
            )
        ]
    return []
