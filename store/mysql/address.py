"""Where a database is, as one URL (pure): `mysql://user:password@host:port/database`.

`?tls=on` asks for TLS with a certificate that the system's authorities vouch for, or the one in
the file of `&ca=FILE`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("mysql", "mariadb")
PORT = 3306


@dataclass(frozen=True, kw_only=True)
class Address:
    """What it takes to connect. Its text never shows the password."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    tls: bool = False
    ca: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}/{self.database}"


def is_mysql(url: str) -> bool:
    scheme, mark, _ = url.partition("://")
    return bool(mark) and scheme in SCHEMES


def parse(url: str) -> Address:
    """Raises `ValueError`, whose text does not repeat the URL: there is a password in it."""
    if not is_mysql(url):
        raise ValueError("Must be mysql://user:password@host:port/database.")
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError:
        raise ValueError("The port must be a number, and an IPv6 host in brackets.") from None
    database = unquote(parts.path.removeprefix("/"))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    tls, ca = options.pop("tls", "off"), options.pop("ca", "")
    if not parts.hostname or not parts.username or not database or "/" in database:
        raise ValueError("A user, a host and a database are needed: mysql://user@host/database.")
    if options or parts.fragment or tls not in ("on", "off") or (ca and tls == "off"):
        raise ValueError(
            "Of options there are tls=on and ca=FILE beside it; what a password has of :/?#[]@% "
            "must be percent-encoded."
        )
    return Address(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        database=database,
        tls=tls == "on",
        ca=ca,
    )
