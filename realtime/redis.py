"""The Redis that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry

from realtime.fitting import SECRET_BYTES
from realtime.link.others import NoOthers, Others
from realtime.nodes.address import parse
from realtime.nodes.bus import Bus
from realtime.nodes.messages import channel_of
from realtime.nodes.nodes import Nodes
from realtime.settings import Settings
from realtime.startup import StartError
from store.interface import Queries
from store.log import Head
from store.queries.secrets import load_or_create_secret

Connect = Callable[[str, CollectorRegistry], Bus]
"""Makes a bus of the name of a channel."""


def redis_of(settings: Settings) -> Connect | None:
    """None where none is named. That it answers is not asked for. Raises `StartError`."""
    if not settings.redis:
        return None
    if settings.store == Settings.store:
        raise StartError(
            "--redis is for several servers on one database: it needs --store mysql://…"
        )
    try:
        address = parse(settings.redis)
    except ValueError as error:
        raise StartError(f"--redis is not the URL of a Redis: {error}") from None
    try:
        from realtime.nodes.redis import RedisBus
    except ModuleNotFoundError as error:
        if error.name != "coredis":
            raise
        raise StartError(
            "--redis needs the package coredis: install requirements/full.txt, or sunwire[redis]"
        ) from error
    return partial(RedisBus, address)


async def others_of(
    connect: Connect | None, store: Queries, head: Head, metrics: CollectorRegistry
) -> Others:
    """The way to the other servers on the store."""
    if connect is None:
        return NoOthers()
    key = await store.write(load_or_create_secret, "nodes", SECRET_BYTES)
    return Nodes(connect(channel_of(key, head.epoch), metrics), key, metrics)
