"""The bus on a real Redis, which is killed, stopped, started again, or says no."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
import structlog
import trio
from coredis import Redis as Client
from prometheus_client import CollectorRegistry

from realtime.nodes import redis as module
from realtime.nodes.address import RedisAddress, parse
from realtime.nodes.redis import RedisBus
from tests.real.redis import Redis, private_redis

pytestmark = pytest.mark.real

PATIENCE = 10.0  # seconds

T = TypeVar("T")


class Ear:
    """A `realtime.nodes.bus.Listener` that says what it is told to, a message each."""

    def __init__(self, bus: RedisBus) -> None:
        self._bus = bus
        self._waiting: list[bytes] = []
        self._stirred = trio.Event()
        self.taken: list[bytes] = []
        self.messages: list[bytes] = []
        self.states: list[bool] = []
        self.slowness = 0.0

    def say(self, *messages: bytes) -> None:
        self._waiting += messages
        self._bus.wake()

    def connected(self) -> None:
        self._stir(self.states, True)

    def disconnected(self) -> None:
        self._stir(self.states, False)

    def take(self) -> bytes:
        if not self._waiting:
            return b""
        self._stir(self.taken, self._waiting.pop(0))
        return self.taken[-1]

    def heard(self, message: bytes) -> None:
        time.sleep(self.slowness)
        self._stir(self.messages, message)

    def _stir(self, kept: list[T], news: T) -> None:
        kept.append(news)
        stirred, self._stirred = self._stirred, trio.Event()
        stirred.set()

    async def until(self, what: Callable[[], bool], within: float = PATIENCE) -> None:
        with trio.fail_after(within):
            while not what():
                await self._stirred.wait()


class Town:
    def __init__(self, redis: Redis, nursery: trio.Nursery) -> None:
        self.redis = redis
        self.address = parse(redis.url)
        self._nursery = nursery

    def enter(self, channel: str = "town", address: RedisAddress | None = None) -> Ear:
        bus = RedisBus(address or self.address, channel, CollectorRegistry())
        ear = Ear(bus)
        self._nursery.start_soon(bus.run, ear)
        return ear

    async def connect(self, channel: str = "town") -> Ear:
        ear = self.enter(channel)
        await ear.until(lambda: ear.states[-1:] == [True])
        return ear


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with private_redis() as started:
        yield started


@asynccontextmanager
async def a_town(redis: Redis) -> AsyncIterator[Town]:
    with structlog.testing.capture_logs():
        async with trio.open_nursery() as nursery:
            yield Town(redis, nursery)
            nursery.cancel_scope.cancel()


async def test_each_message_is_heard_by_all_others_once_and_in_order(redis: Redis) -> None:
    async with a_town(redis) as town:
        ears = [await town.connect() for _ in range(3)]
        stranger = await town.connect("another channel")
        other = town.enter(address=parse(f"{redis.url}/1"))
        await other.until(lambda: bool(other.states))
        said = [[b"%d of %d" % (number, at) for number in range(100)] for at in range(3)]
        said[0].append(bytes(2_000_000))
        for ear, messages in zip(ears, said, strict=True):
            ear.say(*messages)
        for at, ear in enumerate(ears):
            await ear.until(lambda ear=ear, at=at: len(ear.messages) == 301 - len(said[at]))  # type: ignore[misc]
            for one, messages in enumerate(said):
                found = [message for message in ear.messages if message in messages]
                assert found == ([] if one == at else messages)
        assert stranger.messages == other.messages == []


async def test_one_that_is_killed_is_noticed_at_once_and_found_again(redis: Redis) -> None:
    async with a_town(redis) as town:
        one, two = await town.connect(), await town.connect()
        redis.signal(signal.SIGKILL)
        for ear in (one, two):
            await ear.until(lambda ear=ear: ear.states == [True, False], within=0.5)  # type: ignore[misc]
        await trio.to_thread.run_sync(redis.start)
        for ear in (one, two):
            await ear.until(lambda ear=ear: ear.states == [True, False, True])  # type: ignore[misc]
        one.say(b"again")
        await two.until(lambda: two.messages == [b"again"])


async def test_one_that_hangs_is_given_up_and_found_again(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER", 0.3)
    async with a_town(redis) as town:
        ear = await town.connect()
        redis.signal(signal.SIGSTOP)
        try:
            begun = trio.current_time()
            ear.say(b"lost")
            await ear.until(lambda: ear.states == [True, False])
            assert 0.3 <= trio.current_time() - begun < 1
            late = town.enter()
            await trio.sleep(1)
            assert late.states == []
        finally:
            redis.signal(signal.SIGCONT)
        for one in (ear, late):
            await one.until(lambda one=one: one.states[-1:] == [True])  # type: ignore[misc]
        ear.say(b"again")
        await late.until(lambda: late.messages[-1:] == [b"again"])


async def test_who_does_not_keep_up_begins_anew(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for him to hear it has no end otherwise."""
    monkeypatch.setattr(module, "ANSWER", 0.3)
    async with a_town(redis) as town:
        slow = await town.connect()
        slow.slowness = 0.02
        async with Client.from_url(redis.url) as client:
            flood = "for n = 1, 200 do redis.call('publish', 'sunwire:0:town', n) end"
            await client.eval(flood)
        slow.say(b"still there")
        await slow.until(lambda: slow.states == [True, False, True])
        assert 0 < len(slow.messages) < 100


async def test_what_it_does_not_allow_is_said(redis: Redis) -> None:
    async with Client.from_url(redis.url) as client:
        for user, rules in (("deaf", ["&none"]), ("dumb", ["&*", b"-publish"])):
            rules = ["on", ">mellon", "+@all", *rules]
            await client.acl_setuser(user, *rules)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            town = Town(redis, nursery)
            for user in ("deaf", "dumb"):
                address = parse(redis.url.replace("://:secret", f"://{user}:mellon"))
                town.enter(address=address).say(b"hello")
            with trio.fail_after(PATIENCE):
                while sum(one["event"] == "redis away" for one in logs) < 2:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    said = {one["error"] for one in logs if one["event"] == "redis away"}
    assert all("permissions" in one for one in said), said
    assert "mellon" not in str(logs)
