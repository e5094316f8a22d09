"""Where the copy is, as one URL (pure): `kafka://host:port,host:port/topic`."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEME = "kafka"
SHAPE = "kafka://HOST:PORT,HOST:PORT/TOPIC"

_PLACE = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:@/\[\]]+):(\d{1,5})")
_TOPIC = re.compile(r"[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,199}")


@dataclass(frozen=True)
class Address:
    """Some of the brokers, by which all are found, and the beginning of the topic's name."""

    servers: tuple[str, ...]
    topic: str

    def __str__(self) -> str:
        return f"{SCHEME}://{','.join(self.servers)}/{self.topic}"

    def topic_of(self, epoch: int) -> str:
        """The topic of one log: another epoch is another log, whose positions mean something
        else."""
        return f"{self.topic}.{epoch}"


def parse(url: str) -> Address:
    """Raises `ValueError`."""
    scheme, mark, rest = url.partition("://")
    servers, slash, topic = rest.partition("/")
    if scheme != SCHEME or not mark or not slash:
        raise ValueError(f"Must be {SHAPE}.")
    found = tuple(servers.split(","))
    for server in found:
        place = _PLACE.fullmatch(server)
        if place is None or int(place[2]) > 65535:
            raise ValueError(f"{server!r} is not HOST:PORT. Must be {SHAPE}.")
    if not _TOPIC.fullmatch(topic):
        raise ValueError(f"A topic is letters, digits, '.', '_' and '-'. Must be {SHAPE}.")
    return Address(found, topic)
