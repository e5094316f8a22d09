"""One frozen settings object, fed by flags, the environment and a file alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from cyclopts import Parameter


def default_data(code: Path) -> Path:
    """`data` beside the code of a checkout, where git ignores it; for an installed server, the
    user's own folder for data."""
    if (code / "pyproject.toml").is_file():
        return code / "data"
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "sunwire"


DEFAULT_DATA = default_data(Path(__file__).resolve().parent.parent)


def host_and_port(address: str) -> tuple[str, int]:
    """Splits HOST:PORT; an IPv6 host stands in brackets."""
    host, _, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    plain = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535
    if not bare or not plain or (":" in bare) != (host != bare):
        raise ValueError(f"{address!r} is not HOST:PORT")
    return bare, int(port)


def _address(_: Any, value: str) -> None:
    host_and_port(value)


def _url(_: Any, value: str) -> None:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise ValueError("Must be an http:// or https:// URL.")


def _networks(_: Any, value: str) -> None:
    for one in filter(None, value.split(",")):
        ip_network(one)  # raises ValueError


def _origins(_: Any, value: str) -> None:
    for one in filter(None, value.split(",")):
        parts = urlsplit(one)
        if one != "*" and (not parts.netloc or one != f"{parts.scheme}://{parts.netloc}"):
            raise ValueError("Must be *, or origins such as https://app.example, with commas.")


def _number(least: float, most: float = 1e12) -> Callable[[Any, float], None]:
    def check(_: Any, value: float) -> None:
        if not least <= value <= most:  # which is so of what is not a number, too
            raise ValueError(f"Must be from {least:g} to {most:g}.")

    return check


_positive = _number(1)
_seconds = _number(0.001, 1e6)


def _help(text: str, check: Callable[[Any, Any], None] | None = None) -> Parameter:
    return Parameter(help=text, validator=check)


Data = Annotated[Path, _help("folder of the database and the blobs")]
StoreUrl = Annotated[
    str,
    _help("sqlite, or mysql://USER:PASSWORD@HOST:PORT/DATABASE, which several servers share"),
]
BlobsUrl = Annotated[
    str,
    _help(
        "folder (in the data folder), or "
        "cassandra://USER:PASSWORD@HOST,HOST:PORT/KEYSPACE?replication=3"
    ),
]

LogKeep = Annotated[
    float, _help("days that entries stay in the log; 0: for ever", _number(0, 36500))
]
LogArchive = Annotated[
    str, _help("folder where entries are written before they go; empty: they are not")
]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a server runs.

    A flag wins over the environment (`SUNWIRE_LISTEN`, …), which wins over the file
    (`sunwire.toml`, or the one that `--config` names).
    """

    listen: Annotated[str, _help("HOST:PORT of the websocket", _address)] = "127.0.0.1:7400"
    media: Annotated[str, _help("HOST:PORT of media over HTTP", _address)] = "127.0.0.1:7401"
    ops: Annotated[str, _help("HOST:PORT of metrics and health; keep it private", _address)] = (
        "127.0.0.1:7402"
    )
    data: Data = DEFAULT_DATA
    store: StoreUrl = "sqlite"
    blobs: BlobsUrl = "folder"
    old_blobs: Annotated[
        str, _help("where blobs are moved from, as --blobs names it; see docs/media.md")
    ] = ""
    migrate: Annotated[
        Literal["auto", "check"],
        _help("auto: bring the database up to date; check: refuse to start where it is not"),
    ] = "auto"
    redis: Annotated[
        str,
        _help(
            "redis://:PASSWORD@HOST:PORT/DATABASE, through which servers that share a store tell "
            "each other news at once; default: none"
        ),
    ] = ""
    log_copy: Annotated[
        str,
        _help(
            "kafka://HOST:PORT,HOST:PORT/TOPIC, where the log of servers that share a store is "
            "copied to, and read from; default: none"
        ),
    ] = ""
    log_keep: LogKeep = 30.0
    log_archive: LogArchive = ""
    media_url: Annotated[
        str,
        _help(
            "base URL under which clients reach media; default: http:// and the value of --media",
            _url,
        ),
    ] = ""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _help("least level")] = (
        "info"
    )
    log_format: Annotated[Literal["json", "console"], _help("one JSON object a line, or text")] = (
        "json"
    )
    grace: Annotated[float, _help("seconds that a stop may take", _number(0, 1e6))] = 10.0
    readers: Annotated[
        int, _help("threads, or connections, that read the database", _number(1, 64))
    ] = 3
    workers: Annotated[
        int, _help("processes that serve websockets; 1: all in one process", _number(1, 64))
    ] = 1
    transport: Annotated[
        Literal["auto", "fast", "portable"],
        _help("what carries the websockets; auto: the fast one on Linux, else trio-websocket"),
    ] = "auto"
    heartbeat: Annotated[float, _help("seconds between a client's pings", _seconds)] = 30.0
    handshake: Annotated[
        float, _help("seconds for a client to say what it wants, on every port", _seconds)
    ] = 10.0
    stall: Annotated[
        float, _help("seconds for a client that neither sends nor takes what it began", _seconds)
    ] = 20.0
    max_connections: Annotated[int, _help("open websockets", _positive)] = 20_000
    calls_per_second: Annotated[
        float, _help("rate of a user, in tokens of cost", _number(0.001))
    ] = 100.0
    calls_burst: Annotated[float, _help("how far a user may run ahead of the rate", _positive)] = (
        400.0
    )
    sensitive_per_minute: Annotated[
        float, _help("sign-in codes and passwords from one address", _number(0.001))
    ] = 30.0
    max_upload: Annotated[int, _help("bytes of one upload", _positive)] = 50 * 1024 * 1024
    quota: Annotated[
        int, _help("bytes of a user's uploads together; 0: any number", _number(0, 1e15))
    ] = 0
    home_posts: Annotated[
        int, _help("posts that a home timeline keeps, of more that there are", _positive)
    ] = 1000
    home_followers: Annotated[
        int,
        _help(
            "followers up to whom an author's posts are pushed into their home timelines; those of "
            "others are found when a timeline is read",
            _number(0, 1e9),
        ),
    ] = 10_000
    home_days: Annotated[
        int, _help("days without its user after which a home timeline is given up", _positive)
    ] = 30
    image_workers: Annotated[
        int,
        _help(
            "processes that make variants of images; half as many check uploads", _number(1, 1024)
        ),
    ] = 1
    video_workers: Annotated[
        int,
        _help(
            "processes that prepare the streams of videos, and as many videos at once",
            _number(1, 1024),
        ),
    ] = 1
    cache: Annotated[
        str,
        _help(
            "folders of resized images, best each on a disk of its own, with : between; "
            "default: one in the data folder"
        ),
    ] = ""
    cache_bytes: Annotated[int, _help("size of the cache of resized images", _number(0, 1e15))] = (
        1 << 30
    )
    cache_memory: Annotated[
        int, _help("bytes of resized images that are kept in memory, too", _number(0, 1e12))
    ] = 64 * 1024 * 1024

    requests_per_second: Annotated[
        float,
        _help(
            "rate of HTTP requests for media: of one address, of one viewer's links, under one "
            "ticket; 0: any",
            _number(0),
        ),
    ] = 500.0
    requests_burst: Annotated[float, _help("how far they may run ahead of the rate", _positive)] = (
        2000.0
    )
    proxies: Annotated[
        str,
        _help(
            "networks of proxies before the media host, with commas: X-Forwarded-For of theirs "
            "names the client",
            _networks,
        ),
    ] = "127.0.0.0/8,::1/128"
    origins: Annotated[
        str,
        _help(
            "origins of web pages whose scripts may read media and upload, with commas; *: all; "
            "empty: none",
            _origins,
        ),
    ] = "*"

    @property
    def database(self) -> Path:
        return self.data / "sunwire.db"

    @property
    def blob_folder(self) -> Path:
        return self.data / "blobs"

    @property
    def cache_folders(self) -> tuple[Path, ...]:
        return tuple(map(Path, filter(None, self.cache.split(":")))) or (self.data / "cache",)

    @property
    def scratch(self) -> Path:
        return self.data / "scratch"
