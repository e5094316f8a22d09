"""What a server may use besides: Redis, Kafka, Cassandra."""

from __future__ import annotations

import trio
from prometheus_client import CollectorRegistry

from realtime.blobs import FOLDER, open_named
from realtime.clock import SystemClock
from realtime.doctor.finding import Finding, of_refusal, warning
from realtime.log_copy import check_topic
from realtime.nodes.address import parse
from realtime.redis import redis_of
from realtime.settings import Settings
from realtime.startup import StartError
from store.errors import NoTables

REDIS = 5.0  # seconds for it to answer


async def engines(settings: Settings) -> list[Finding]:
    return [
        *await _kafka(settings),
        *await _blobs(settings, "--blobs", settings.blobs),
        *await _blobs(settings, "--old-blobs", settings.old_blobs),
        *await _redis(settings),
    ]


async def _kafka(settings: Settings) -> list[Finding]:
    try:
        await check_topic(settings)
    except StartError as refusal:
        return [of_refusal(refusal, "start the brokers, or leave --log-copy out")]
    return []


async def _blobs(settings: Settings, flag: str, name: str) -> list[Finding]:
    if name in ("", FOLDER):
        return []
    try:
        async with open_named(settings, name, SystemClock(), flag):
            pass
    except StartError as refusal:
        if isinstance(refusal.__cause__, NoTables) and _makes_tables(settings, name):
            return []
        return [of_refusal(refusal, "start it, or correct its URL")]
    return []


def _makes_tables(settings: Settings, name: str) -> bool:
    """Whether a server would, when it starts."""
    return name == settings.blobs and settings.migrate == "auto"


async def _redis(settings: Settings) -> list[Finding]:
    try:
        connect = redis_of(settings)
    except StartError as refusal:
        return [of_refusal(refusal, "correct --redis, or leave it out")]
    if connect is None:
        return []
    ear = _Ear()
    with trio.move_on_after(REDIS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect("doctor", CollectorRegistry()).run, ear)
            await ear.here.wait()
            nursery.cancel_scope.cancel()
    if ear.here.is_set():
        return []
    return [
        warning(
            f"the Redis {parse(settings.redis)} does not answer, or does not let this user in",
            "start it, or correct --redis: without it signals and presence stay with each server",
        )
    ]


class _Ear:
    """A `realtime.nodes.bus.Listener` that only wants to hear that it is there."""

    def __init__(self) -> None:
        self.here = trio.Event()

    def connected(self) -> None:
        self.here.set()

    def disconnected(self) -> None: ...

    def take(self) -> bytes:
        return b""

    def heard(self, message: bytes) -> None: ...
