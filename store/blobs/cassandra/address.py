"""Where a cluster is, as one URL (pure): `cassandra://user:password@host,host:port/keyspace`.

Options: `replication=3` (copies of everything, when the keyspace is made), `read` and `write`
(consistency of the chunks: one, local_one, two, three, quorum, local_quorum, all), and
`datacenter=NAME` (the one that is asked; else that of the first host that answers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEME = "cassandra"
PORT = 9042
CONSISTENCIES = ("one", "local_one", "two", "three", "quorum", "local_quorum", "all")

_SHAPE = "Must be cassandra://user:password@host,host:port/keyspace."


@dataclass(frozen=True, kw_only=True)
class Address:
    """What it takes to connect. Its text never shows the password."""

    hosts: tuple[str, ...]
    port: int
    user: str
    password: str = field(repr=False)
    keyspace: str
    replication: int = 1
    read: str = "local_one"
    write: str = "local_quorum"
    datacenter: str = ""

    def __str__(self) -> str:
        return f"{','.join(self.hosts)}:{self.port}/{self.keyspace}"


def is_cassandra(url: str) -> bool:
    return url.startswith(f"{SCHEME}://")


def parse(url: str) -> Address:
    """Raises `ValueError`, whose text does not repeat the URL: there is a password in it."""
    if not is_cassandra(url):
        raise ValueError(_SHAPE)
    parts = urlsplit(url)
    credentials, _, places = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    hosts, port = _hosts(places)
    keyspace = parts.path.removeprefix("/")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", keyspace) or parts.fragment:
        raise ValueError(f"A keyspace of small letters, digits and _ is needed. {_SHAPE}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    replication = options.pop("replication", "1")
    read, write = options.pop("read", "local_one"), options.pop("write", "local_quorum")
    datacenter = options.pop("datacenter", "")
    if not re.fullmatch("[1-9]", replication):
        raise ValueError("replication is a number from 1 to 9.")
    if options or read not in CONSISTENCIES or write not in CONSISTENCIES:
        raise ValueError(
            "Of options there are replication, datacenter, and read and write with one of "
            f"{', '.join(CONSISTENCIES)}; what a password has of :/?#[]@% must be percent-encoded."
        )
    return Address(
        hosts=hosts,
        port=port,
        user=unquote(user),
        password=unquote(password),
        keyspace=keyspace,
        replication=int(replication),
        read=read,
        write=write,
        datacenter=datacenter,
    )


def _hosts(places: str) -> tuple[tuple[str, ...], int]:
    match = re.fullmatch(r"(?P<hosts>[^:\[\]]+|\[[0-9a-fA-F:.]+\])(:(?P<port>\d{1,5}))?", places)
    if match is None:
        raise ValueError(f"Hosts are separated by commas, with one port for all. {_SHAPE}")
    hosts = tuple(one for one in match["hosts"].strip("[]").split(",") if one)
    port = int(match["port"] or PORT)
    if not hosts or port > 65535:
        raise ValueError(f"A host is needed, and a port up to 65535. {_SHAPE}")
    return hosts, port
