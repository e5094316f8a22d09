"""What the supervisor and its processes say to each other."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from realtime.link.framing import Codec, FrameDecoder
from realtime.settings import Settings

WRITER, WORKER, MEDIA = "writer", "worker", "media"
"""What a process may be."""

STARTING = 10.0  # seconds for a process to hear what it is to be


class Message(msgspec.Struct, array_like=True, frozen=True):
    pass


# To a process


class Start(Message, frozen=True):
    """What the process is: the first message. `settings` are the supervisor's, whatever the
    files and the environment say by now; descriptors are numbers of inherited ones."""

    role: str
    name: str
    settings: dict[str, str | int | float]
    lifeline: int
    lock: int
    sockets: list[int]  # that listen, for who is given such
    addresses: list[tuple[int, list[str | int]]]  # family and address, for who opens its own
    media: tuple[str, int]  # where the media host listens


class Stop(Message, frozen=True):
    """End, as a signal would have it."""


class Ask(Message, frozen=True):
    """How are you? With the number 0: are you there?"""

    number: int


# From a process


class Ready(Message, frozen=True):
    """It serves."""


class Family(Message, frozen=True):
    """A metric with its samples."""

    name: str
    help: str
    type: str
    samples: list[tuple[str, dict[str, str], float]]


class Report(Message, frozen=True):
    """The answer to the question of this number. `missing` says why it is not ready."""

    number: int
    missing: dict[str, str]
    families: list[Family]


CODEC = Codec((Start, Stop, Ask, Ready, Report))


def plain(settings: Settings) -> dict[str, str | int | float]:
    """Settings as a `Start` has them."""
    return {
        field.name: str(value) if isinstance(value, Path) else value
        for field in dataclasses.fields(settings)
        for value in [getattr(settings, field.name)]
    }


def settings_of(plain: Mapping[str, Any]) -> Settings:
    return Settings(**{**plain, "data": Path(plain["data"])})


def read_start(control: socket.socket) -> Start:
    """Waits for the first message, before there is a loop to wait in. Raises `OSError`, and
    `LinkError` for what is none."""
    control.settimeout(STARTING)
    decoder = FrameDecoder()
    while True:
        data = control.recv(65536)
        if not data:
            raise ConnectionError("the supervisor has gone")
        for kind, payload in decoder.feed(data):
            start = CODEC.decode(kind, payload)
            if not isinstance(start, Start):
                raise ConnectionError("the supervisor says something else first")
            return start
