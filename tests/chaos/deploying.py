"""Two servers started at once on an empty database, both of which migrate it; something befalls
one of them, or the database server, or the way to it, in the middle. Started again where they
have ended, they serve one whole schema."""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import trio

from realtime.testing import new_key
from realtime.testing.process import ServerError
from store import migrations
from store.mysql import address as mysql
from store.mysql.address import Address
from tests.chaos.database import Database
from tests.chaos.site import Site
from tests.real.mariadb import Mariadb, private_mariadb, url_of
from tests.real.process import ServerProcess
from tests.store.mysql.relay import open_relay
from tests.store.mysql.test_migrate import schema

NAME = "deploy"
KNOWN = [str(one) for one in migrations.load({"ID": "ID"})]
BEGUN = 30.0  # seconds in which both have begun to migrate
LOOK_EVERY = 0.01

Strike = Callable[[Site, Random], Awaitable[None]]


async def run(rounds: int, seed: int, say: Callable[[str], None]) -> Counter[str]:
    """Returns how many rounds of which kind. Raises `AssertionError` where the schema is not
    that of an undisturbed start, or two servers on it do not serve."""
    schedule = Random(seed)
    done: Counter[str] = Counter()
    with private_mariadb() as server:
        database = Database(mysql.parse(server.url), server)
        undisturbed = await _made(database, "undisturbed")
        async with _site(database, undisturbed) as site:
            await site.nodes[0].start()
        tables = await _tables(database, undisturbed)
        expected = await schema(database, undisturbed)
        strikes = list(STRIKES) * (rounds // len(STRIKES) + 1)
        for number, what in enumerate(schedule.sample(strikes[:rounds], rounds), 1):
            began = trio.current_time()
            address = await _made(database, f"round{number}")
            async with _site(database, address) as site:
                at = schedule.randrange(tables)
                await _deploy(site, address, at, STRIKES[what], schedule)
                await _check(database, address, expected)
                await _use(site)
            await database.execute(f"DROP DATABASE {address.database}")
            done[f"{NAME}, {what}"] += 1
            say(f"round {number}: {NAME}, {what}, {trio.current_time() - began:.1f} s")
        await database.aclose()
    return done


async def _made(database: Database, name: str) -> Address:
    await database.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    return replace(database.address, database=name)


@asynccontextmanager
async def _site(database: Database, address: Address) -> AsyncIterator[Site]:
    """Two servers that nobody has started, each on a line of its own."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sunwire-chaos-")))
        nursery = await stack.enter_async_context(trio.open_nursery())
        lines = [await stack.enter_async_context(open_relay(address)) for _ in range(2)]
        nodes = [
            ServerProcess(folder / f"data{number}", nursery, "--store", url_of(line.address))
            for number, line in enumerate(lines)
        ]
        for node in nodes:
            stack.push_async_callback(node.aclose)
        yield Site(nodes, database.execute, database=database, lines=lines)
        nursery.cancel_scope.cancel()


async def _deploy(site: Site, address: Address, at: int, strike: Strike, schedule: Random) -> None:
    """Starts both; strikes when there are so many tables; starts again who has ended."""
    assert site.database is not None

    async def start(node: ServerProcess) -> None:
        with suppress(ServerError):
            await node.start()

    async with trio.open_nursery() as nursery:
        for node in site.nodes:
            nursery.start_soon(start, node)
        with trio.fail_after(BEGUN):
            while (  # noqa: ASYNC110 - it tells nobody
                None in [node.process for node in site.nodes]
                or await _tables(site.database, address) < at
            ):
                await trio.sleep(LOOK_EVERY)
        await strike(site, schedule)
    async with trio.open_nursery() as nursery:
        for node in site.nodes:
            if node.process is None or node.process.poll() is not None:
                nursery.start_soon(node.start)


async def _tables(database: Database, address: Address) -> int:
    found = await database.execute(
        f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{address.database}'"
    )
    return int(found[0][0])


async def _check(database: Database, address: Address, expected: list[tuple[object, ...]]) -> None:
    assert await schema(database, address) == expected, "another schema"
    found = await database.execute(
        f"SELECT number, name FROM {address.database}.migrations ORDER BY number"
    )
    assert [f"{number:04}_{name}" for number, name in found] == KNOWN
    heads = await database.execute(f"SELECT log_partition FROM {address.database}.log_head")
    assert heads == [(0,)], heads


async def _use(site: Site) -> None:
    """Somebody at each server hears of what the other one says."""
    ann, ben = [
        await node.sign_up(name) for node, name in zip(site.nodes, ("ann", "ben"), strict=True)
    ]
    room = (await ann.call("Chat.OpenDirect", user_id=ben.user_id)).room.id
    for one, other in ((ann, ben), (ben, ann)):
        await one.call("Chat.SendMessage", room_id=room, client_id=new_key(), text="ahoy")
        while (await other.expect_update("message")).message.sender_id != one.user_id:
            pass
    assert site.errors() == []


# What befalls them.


async def _nothing(site: Site, random: Random) -> None:
    await trio.lowlevel.checkpoint()


async def _kill_one(site: Site, random: Random) -> None:
    await random.choice(site.nodes).kill()


async def _stop_one(site: Site, random: Random) -> None:
    node = random.choice(site.nodes)
    site.signal(node, signal.SIGSTOP)
    await trio.sleep(random.uniform(0.5, 4))
    site.signal(node, signal.SIGCONT)


async def _cut_one(site: Site, random: Random) -> None:
    line = random.choice(list(site.lines))
    await line.cut()
    await trio.sleep(random.uniform(0, 1))
    line.mend()


async def _kill_database(site: Site, random: Random) -> None:
    server: Mariadb | None = site.database.server if site.database else None
    assert server is not None
    await trio.to_thread.run_sync(server.kill)
    await trio.to_thread.run_sync(server.start)


STRIKES: dict[str, Strike] = {
    "one killed": _kill_one,
    "database killed": _kill_database,
    "one cut off": _cut_one,
    "one stopped": _stop_one,
    "undisturbed": _nothing,
}
