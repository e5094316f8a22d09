"""What befalls the servers of a run, each by a name.

A fault strikes while people write, and returns what makes it good.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import NamedTuple

import trio

from realtime.events.leases import LIFETIME, RENEW
from realtime.testing import TestClient
from rpc.errors import CallError, Code
from store.mysql.connection import Limits
from store.projections.base import lease_of
from tests.chaos.catching import CATCH, SPARE, caught, is_batch, step_of
from tests.chaos.site import Site
from tests.real.private import PrivateServer
from tests.real.process import ROOT, ServerProcess
from tests.real.workers import kill, pids, wait_up
from tests.store.mysql.relay import Loss, Relay

Mend = Callable[[], Awaitable[None]]

CONSUMERS = ("home", "counters", "notifications")
LOOK_EVERY = 0.05  # seconds
REFUSED_WITHIN = 30.0  # seconds in which a full disk is met


class Fault(NamedTuple):
    name: str
    about: str
    possible: Callable[[Site], bool]
    strike: Callable[[Site, Random], Awaitable[Mend]]


def _always(site: Site) -> bool:
    return True


def _several_nodes(site: Site) -> bool:
    return len(site.nodes) > 1


def _several_processes(site: Site) -> bool:
    return site.workers > 1


def _nodes_on_a_database(site: Site) -> bool:
    return site.database is not None and len(site.nodes) > 1 and site.workers == 1


def _own_database(site: Site) -> bool:
    return site.database is not None and site.database.server is not None


def _own_redis(site: Site) -> bool:
    return site.redis is not None


def _own_disk(site: Site) -> bool:
    return site.disk is not None and site.workers == 1


# Processes that die.


async def _kill_node(site: Site, random: Random) -> Mend:
    node = random.choice(site.nodes)
    await node.kill()
    return node.start


async def _kill_all(site: Site, random: Random) -> Mend:
    for node in site.nodes:
        await node.kill()
    return lambda: _start(site.nodes)


async def _start(nodes: Sequence[ServerProcess]) -> None:
    async with trio.open_nursery() as nursery:
        for node in nodes:
            nursery.start_soon(node.start)


async def _kill_process(site: Site, random: Random) -> Mend:
    node = random.choice(site.nodes)
    name = random.choice(sorted(pids(node)))
    kill(node, name)
    return lambda: wait_up(node, name)


async def _kill_owner(site: Site, random: Random) -> Mend:
    """In the middle of a step of a consumer, whose last command is lost or arrives when its
    sender is no more; or just when it commits."""
    async with caught(site, step_of(random.choice(CONSUMERS))) as (node, catch):
        if random.random() < 0.5:
            catch.let_go()
            await trio.sleep(random.uniform(0, 0.005))
        await node.kill()
        catch.let_go(arrives=random.random() < 0.5)
    return node.start


async def _kill_builder(site: Site, random: Random) -> Mend:
    """While a consumer's rows are built anew: where it can be caught, in the middle of a step of
    that. Whoever is next goes on until they are shown."""
    consumer = random.choice(("counters", "home"))
    found = await site.rows(f"SELECT MAX(generation) FROM offsets WHERE consumer = '{consumer}'")
    generation = 1 + int(found[0][0])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_operate, site, "rebuild", consumer)
        if site.lines:
            async with caught(site, step_of(consumer, generation)) as (node, catch):
                await node.kill()
                catch.let_go(arrives=random.random() < 0.5)
        else:
            node = random.choice(site.nodes)
            await trio.sleep(random.uniform(0.5, 2))
            await node.kill()

    async def start() -> None:
        await node.start()
        shown = f"SELECT 1 FROM offsets WHERE consumer = '{consumer}' AND role = 0"
        with trio.fail_after(LIFETIME + RENEW + SPARE):
            while not await site.rows(f"{shown} AND generation = {generation}"):  # noqa: ASYNC110
                await trio.sleep(LOOK_EVERY)

    return start


async def _operate(site: Site, *words: str) -> None:
    """An operator's command on the log."""
    command = [sys.executable, "-m", "realtime", "log", *words, *site.place]
    await trio.run_process(command, cwd=ROOT, capture_stderr=True)


async def _kill_database(site: Site, random: Random) -> Mend:
    return await _kill_server(_database(site), random)


async def _kill_redis(site: Site, random: Random) -> Mend:
    return await _kill_server(_redis(site), random)


async def _kill_server(server: PrivateServer, random: Random) -> Mend:
    await trio.to_thread.run_sync(server.kill)
    pause = random.choice([0, random.uniform(0, 3)])

    async def start() -> None:
        await trio.sleep(pause)
        await trio.to_thread.run_sync(server.start)

    return start


# Processes that stand still.


async def _stop_owner(site: Site, random: Random) -> Mend:
    """Until another has its lease: in the middle of a step, or somewhere."""
    consumer = random.choice(CONSUMERS)
    fence = await _fence(site, consumer)
    async with AsyncExitStack() as stack:
        node, catch = await stack.enter_async_context(caught(site, step_of(consumer)))
        if random.random() < 0.5:
            catch.let_go()
            await trio.sleep(random.uniform(0, 0.05))
        losses = _count(node, "lease lost")
        site.signal(node, signal.SIGSTOP)
        held = stack.pop_all()

    async def go_on() -> None:
        with trio.fail_after(Limits().idle + LIFETIME + RENEW + SPARE):
            while await _fence(site, consumer) == fence:  # noqa: ASYNC110 - by the database
                await trio.sleep(LOOK_EVERY)
        await trio.sleep(random.uniform(0, 1))
        await held.aclose()
        site.signal(node, signal.SIGCONT)
        with trio.fail_after(RENEW + SPARE):
            while _count(node, "lease lost") == losses:  # noqa: ASYNC110 - it says so in its log
                await trio.sleep(LOOK_EVERY)

    return go_on


async def _stop_head(site: Site, random: Random) -> Mend:
    """While it has the head of the log locked, which everybody needs who writes."""
    async with AsyncExitStack() as stack:
        node, _ = await stack.enter_async_context(caught(site, is_batch))
        site.signal(node, signal.SIGSTOP)
        held = stack.pop_all()
    other = random.choice([one for one in site.nodes if one is not node])

    async def go_on() -> None:
        with trio.fail_after(Limits().idle + SPARE):  # although the first one is still there
            await (await _new_user(other, random)).disconnect()
        await trio.sleep(random.uniform(0, 2))
        await held.aclose()
        site.signal(node, signal.SIGCONT)

    return go_on


async def _stop_database(site: Site, random: Random) -> Mend:
    return await _stop_server(_database(site), random)


async def _stop_redis(site: Site, random: Random) -> Mend:
    return await _stop_server(_redis(site), random)


async def _stop_server(server: PrivateServer, random: Random) -> Mend:
    await trio.lowlevel.checkpoint()
    server.signal(signal.SIGSTOP)
    pause = random.uniform(0.5, 4)

    async def go_on() -> None:
        await trio.sleep(pause)
        server.signal(signal.SIGCONT)

    return go_on


# Lines that break.


async def _lose_answers(site: Site, random: Random) -> Mend:
    """Of some commits the answer is lost, or the command, and the connection with it."""
    for _ in range(random.randint(1, 3)):
        line = random.choice(list(site.lines))
        loss = Loss.ANSWER if random.random() < 0.8 else Loss.COMMAND
        before = line.lost
        line.lose(loss, then_silent=random.random() < 0.3)
        with trio.fail_after(CATCH):
            while line.lost == before:  # noqa: ASYNC110 - the relay counts
                await trio.sleep(0.005)
        await trio.sleep(random.uniform(0, 0.5))
        line.go_on()
    return trio.lowlevel.checkpoint


async def _cut_network(site: Site, random: Random) -> Mend:
    """Between one node and the database, or all of them: refused, or silent."""
    lines = list(site.lines)
    struck = lines if random.random() < 0.2 else [random.choice(lines)]
    silent = random.random() < 0.5
    seconds = random.uniform(0.2, 8)
    for line in struck:
        if silent:
            line.silence()
        else:
            await line.cut()
    return lambda: _mend(struck, seconds)


async def _mend(lines: list[Relay], seconds: float) -> None:
    await trio.sleep(seconds)
    for line in lines:
        line.go_on()
        line.mend()


# A disk that is full.


async def _fill_disk(site: Site, random: Random) -> Mend:
    """What is refused is refused with an error that says to come again; what is there can be
    read; now and then the server dies of something else meanwhile."""
    disk, node = site.disk, site.nodes[0]
    assert disk is not None
    client = await _new_user(node, random)
    disk.fill(random.randrange(256 * 1024))
    with trio.fail_after(REFUSED_WITHIN):
        while True:
            try:
                await client.call("Posts.CreatePost", text="x" * 2000)
            except CallError as error:
                refusal = error
                break
    assert refusal.code == Code.UNAVAILABLE
    assert refusal.retryable
    me = await client.call("Users.GetMe")
    assert me.user.id == client.user_id
    await client.disconnect()
    dies = random.random() < 0.3
    if dies:
        await node.kill()

    async def free() -> None:
        await trio.sleep(random.uniform(0, 1))
        disk.free()
        if dies:
            await node.start()

    return free


# Where they are.


def _database(site: Site) -> PrivateServer:
    assert site.database is not None
    assert site.database.server is not None
    return site.database.server


def _redis(site: Site) -> PrivateServer:
    assert site.redis is not None
    return site.redis


async def _new_user(node: ServerProcess, random: Random) -> TestClient:
    """Signs up with a node that refuses, or says nothing, for a while at most."""
    while True:
        try:
            return await node.sign_up(f"prober{random.getrandbits(32)}")
        except trio.TooSlowError:
            continue
        except CallError as error:
            if not error.retryable:
                raise


async def _fence(site: Site, consumer: str) -> int:
    found = await site.rows(f"SELECT fence FROM leases WHERE name = '{lease_of(consumer)}'")
    fence: int = found[0][0]
    return fence


def _count(node: ServerProcess, event: str) -> int:
    return sum(line["event"] == event for line in node.lines)


FAULTS = (
    Fault("node", "kill -9 of a node", _always, _kill_node),
    Fault("nodes", "kill -9 of all nodes", _several_nodes, _kill_all),
    Fault("process", "kill -9 of one of a node's processes", _several_processes, _kill_process),
    Fault("owner", "kill -9 of a consumer's owner in a step", _nodes_on_a_database, _kill_owner),
    Fault("builder", "kill -9 of who builds rows anew", _always, _kill_builder),
    Fault("database", "kill -9 of the database server", _own_database, _kill_database),
    Fault("stop-owner", "an owner stops past its lease", _nodes_on_a_database, _stop_owner),
    Fault("stop-head", "a node stops with the head locked", _nodes_on_a_database, _stop_head),
    Fault("stop-database", "the database server stops", _own_database, _stop_database),
    Fault("answer", "the answer to a commit is lost", lambda site: bool(site.lines), _lose_answers),
    Fault("network", "no way to the database", lambda site: bool(site.lines), _cut_network),
    Fault("redis", "kill -9 of the Redis between the nodes", _own_redis, _kill_redis),
    Fault("stop-redis", "the Redis stops", _own_redis, _stop_redis),
    Fault("disk", "a full disk", _own_disk, _fill_disk),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
