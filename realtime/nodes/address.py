"""Where a Redis is, as one URL (pure): `redis://[[user]:password@]host[:port][/database]`."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SCHEME = "redis"
PORT = 6379


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """What it takes to connect. Its text never shows the password."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}/{self.database}"


def parse(url: str) -> RedisAddress:
    """Raises `ValueError`, whose text does not repeat the URL: there is a password in it."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError:
        raise ValueError("the port must be a number, and an IPv6 host in brackets") from None
    database = parts.path.removeprefix("/") or "0"
    if parts.scheme != SCHEME or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            "it must be redis://:password@host:port/database; what a password has of :/?#[]@% "
            "must be percent-encoded"
        )
    if not (database.isascii() and database.isdigit() and len(database) < 6):
        raise ValueError("the database must be a number")
    return RedisAddress(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=int(database),
    )
