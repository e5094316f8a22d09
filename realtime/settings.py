"""One frozen settings object, fed by flags, the environment and a file alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

DEFAULT_DATA = Path(__file__).resolve().parent.parent / "data"


def _help(text: str) -> Parameter:
    return Parameter(help=text)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a server runs.

    A flag wins over the environment (`SUNWIRE_LISTEN`, …), which wins over the file
    (`sunwire.toml`, or the one that `--config` names).
    """

    listen: Annotated[str, _help("HOST:PORT of the websocket")] = "127.0.0.1:7400"
    media: Annotated[str, _help("HOST:PORT of media over HTTP")] = "127.0.0.1:7401"
    ops: Annotated[str, _help("HOST:PORT of metrics and health; keep it private")] = (
        "127.0.0.1:7402"
    )
    data: Annotated[Path, _help("folder of the database and the blobs")] = DEFAULT_DATA
    media_url: Annotated[
        str, _help("base URL under which clients reach media; default: http://<media>")
    ] = ""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _help("least level")] = (
        "info"
    )
    log_format: Annotated[Literal["json", "console"], _help("one JSON object a line, or text")] = (
        "json"
    )
    grace: Annotated[float, _help("seconds that a stop may take")] = 10.0
    readers: Annotated[int, _help("threads that read the database")] = 3
    heartbeat: Annotated[float, _help("seconds between a client's pings")] = 30.0
    max_connections: Annotated[int, _help("open websockets")] = 20_000
    calls_per_second: Annotated[float, _help("rate of a user, in tokens of cost")] = 100.0
    calls_burst: Annotated[float, _help("how far a user may run ahead of the rate")] = 400.0
    sensitive_per_minute: Annotated[
        float, _help("sign-in codes and passwords from one address")
    ] = 30.0
    max_upload: Annotated[int, _help("bytes of one upload")] = 50 * 1024 * 1024
    image_workers: Annotated[int, _help("processes that decode and encode images")] = 1
    cache_bytes: Annotated[int, _help("size of the cache of resized images")] = 1 << 30

    @property
    def database(self) -> Path:
        return self.data / "sunwire.db"

    @property
    def blobs(self) -> Path:
        return self.data / "blobs"

    @property
    def cache(self) -> Path:
        return self.data / "cache"

    @property
    def media_base(self) -> str:
        return self.media_url.rstrip("/") or f"http://{self.media}"


def host_and_port(address: str) -> tuple[str, int]:
    """Splits HOST:PORT; an IPv6 host stands in brackets."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not HOST:PORT")
    return host.strip("[]"), int(port)
