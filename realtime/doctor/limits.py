"""What the system lets a process have."""

from __future__ import annotations

import resource
from pathlib import Path

from realtime.doctor.finding import Finding, error, warning
from realtime.files import LEAST
from realtime.settings import Settings
from realtime.startup import BACKLOG

OWN_FILES = 500  # blobs, the database, workers
SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
MEMINFO = Path("/proc/meminfo")
PROCESS = 150 << 20  # bytes of a process without clients
SESSION = 8 << 10  # bytes of an idle client, and as much again


async def limits(settings: Settings) -> list[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [
        *files(None if hard == resource.RLIM_INFINITY else hard, settings.max_connections),
        *backlog(number(SOMAXCONN)),
        *memory(available(), settings),
    ]


def files(hard: int | None, connections: int) -> list[Finding]:
    """`hard` is how many a process may open."""
    if hard is None or hard >= connections + OWN_FILES:
        return []
    if hard < LEAST:
        return [
            error(f"only {hard} files may be open at once", f"raise ulimit -Hn to {LEAST} at least")
        ]
    return [
        warning(
            f"{hard} files may be open at once, too few for {connections} connections",
            f"raise ulimit -Hn to {connections + OWN_FILES}, or lower --max-connections",
        )
    ]


def backlog(most: int | None) -> list[Finding]:
    if most is None or most >= BACKLOG:
        return []
    return [
        warning(
            f"net.core.somaxconn is {most}, so clients who come together are turned away",
            f"set it to {BACKLOG}: sysctl -w net.core.somaxconn={BACKLOG}",
        )
    ]


def number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def available(file: Path = MEMINFO) -> int | None:
    """Bytes of memory that programs could have now."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def memory(free: int | None, settings: Settings) -> list[Finding]:
    processes = 1 if settings.workers == 1 else settings.workers + 3
    processes += settings.image_workers + settings.video_workers
    wanted = processes * PROCESS + settings.workers * settings.max_connections * SESSION
    if free is None or free >= wanted:
        return []
    return [
        warning(
            f"{free >> 20} MiB of memory are free, and {processes} processes with "
            f"{settings.workers * settings.max_connections} clients may need {wanted >> 20}",
            "lower --max-connections or --workers, or give the machine more",
        )
    ]
