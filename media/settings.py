"""Every limit of the media host, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from media.images.rendering import ImageLimits
from media.motion.facts import Encoding, MotionLimits
from media.workers.confined import WorkerLimits
from media.workers.pools import Lane
from rpc.rates import Rate

_LONG: dict[str, Any] = {
    "job_seconds": 1800.0,
    "limits": WorkerLimits(cpu_seconds=1200, lifetime_cpu_seconds=3600, jobs=50),
}
"""Of the lane that prepares videos: three minutes of them in full size, on a busy machine."""


def conversions(workers: int) -> Lane:
    """The lane that prepares so many videos at once, each of which asks for all of its renditions
    together."""
    return Lane("convert", workers=workers, max_waiting=16 * workers, **_LONG)


@dataclass(frozen=True)
class MediaSettings:
    """Seconds and bytes, unless said otherwise."""

    cache_folders: tuple[Path, ...]  # each better on a disk of its own
    scratch_folder: Path  # of files that workers read, for as long as a job takes
    cache_bytes: int = 2 * 1024**3  # in all folders together
    hot_bytes: int = 64 * 1024**2  # of what is used most, in memory

    decodes: Lane = field(default_factory=lambda: Lane("decode"))
    encodes: Lane = field(default_factory=lambda: Lane("encode", workers=2))
    conversions: Lane = field(default_factory=lambda: conversions(1))
    image: ImageLimits = field(default_factory=ImageLimits)
    motion: MotionLimits = field(default_factory=MotionLimits)
    encoding: Encoding = field(default_factory=Encoding)

    max_upload_bytes: int = 32 * 1024**2  # whatever a ticket says
    max_uploads: int = 64  # at once; more are refused with 503
    stall_seconds: float = 20.0  # without a byte of a body that is awaited
    upload_seconds: float = 900.0  # a whole upload

    max_connections: int = 2000  # more are closed at once
    max_headers: int = 100
    max_header_bytes: int = 16 * 1024
    header_seconds: float = 10.0  # from the connection, or the last answer, to a whole request
    send_seconds: float = 20.0  # for a peer to take 64 KiB
    linger_seconds: float = 2.0  # for a peer to read a refusal while it still sends
    grace_seconds: float = 5.0  # for what is under way when the server stops

    # Requests of one address, of one viewer's links, under one ticket; 0 a second: any number.
    rate: Rate = Rate(per_second=500, burst=2000)
    proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")  # networks whose word is taken
    origins: tuple[str, ...] = ("*",)  # of web pages whose scripts may read and upload

    private_max_age: int = 600  # how long a client may keep a private photograph
