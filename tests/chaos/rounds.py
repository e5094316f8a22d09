"""The rounds of the chaos test."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from rpc.proto.chat_pb2 import CreateGroupRequest
from rpc.proto.stubs import ChatClient
from tests.chaos.check import Checker
from tests.chaos.consumed import Consumed
from tests.chaos.faults import BY_NAME, Fault
from tests.chaos.person import Person
from tests.chaos.site import Site, open_site
from tests.real.process import ServerProcess

USERS = 4
LIFE = 30  # rounds of a site; then all is compared from the beginning, and another begins


async def run(
    rounds: int,
    seed: int,
    say: Callable[[str], None],
    *,
    store: str = "sqlite",
    nodes: int = 1,
    workers: int = 1,
    redis: bool = False,
    faults: Sequence[str] = (),
) -> Counter[str]:
    """Runs so many rounds of each fault that is possible there, or of those named, in an order
    that the seed chooses; returns how much of what was done and acknowledged, and how many
    rounds of each. Raises `AssertionError` at the first thing lost, doubled or out of order.
    For `store` and the others see
    `open_site`."""
    schedule = random.Random(seed)
    done: Counter[str] = Counter()
    order: list[Fault] | None = None
    while order is None or order:
        with tempfile.TemporaryDirectory(prefix="sunwire-chaos-") as name:
            folder = Path(name)
            async with open_site(folder, store, nodes, workers, redis) as site:
                if order is None:
                    order = _order(site, faults, rounds, schedule)
                few, order = order[:LIFE], order[LIFE:]
                if few:
                    done += await _play(site, folder, few, schedule, say)
    return done


async def _play(
    site: Site,
    folder: Path,
    order: Sequence[Fault],
    schedule: random.Random,
    say: Callable[[str], None],
) -> Counter[str]:
    """The rounds of one site, which nobody has used before."""
    struck: Counter[str] = Counter()
    people = [
        await _join(site.nodes[0], f"user{number}", folder, random.Random(schedule.random()))
        for number in range(USERS)
    ]
    async with trio.open_nursery() as lives:
        for person in people:
            await lives.start(person.run, site.urls)
            await person.client.wait_connected()
        await _gather(people)
        checker = Checker(
            people, site.media_url, Consumed(site.rows), random.Random(schedule.random())
        )
        for number, fault in enumerate(order, 1):
            began = trio.current_time()
            await _round(site, people, fault, schedule)
            struck[fault.name] += 1
            last = number == len(order)
            await (checker.everything() if last else checker.new())
            seconds = trio.current_time() - began
            say(f"round {number}: {fault.name}, {seconds:.1f} s; {text(_done(people))}")
            errors = site.errors()
            assert not errors, errors
        lives.cancel_scope.cancel()
    return _done(people) + struck


def _order(site: Site, names: Sequence[str], rounds: int, schedule: random.Random) -> list[Fault]:
    chosen = [BY_NAME[name] for name in names or BY_NAME]
    order = [fault for fault in chosen if fault.possible(site)] * rounds
    schedule.shuffle(order)
    return order


async def _join(server: ServerProcess, name: str, folder: Path, own: random.Random) -> Person:
    """Signs up; the session then belongs to the client of the person."""
    client = await server.sign_up(name)
    await client.disconnect()
    return Person(name, client.user_id, client.token, folder, own)


async def _gather(people: list[Person]) -> None:
    group = await ChatClient(people[0].client).create_group(
        CreateGroupRequest(title="chaos", user_ids=[person.user_id for person in people])
    )
    for person in people:
        person.room = group.room.id
        person.others = [other for other in people if other is not person]


async def _round(site: Site, people: list[Person], fault: Fault, schedule: random.Random) -> None:
    for person in people:
        person.write()
    await trio.sleep(schedule.uniform(0.02, 0.3))
    dropped = schedule.choice(people) if schedule.random() < 0.4 else None
    if dropped is not None and schedule.random() < 0.5:
        dropped.drop()
        dropped = None
    mend = await fault.strike(site, schedule)
    if dropped is not None:
        dropped.drop()  # it begins again while nobody answers
    await mend()
    await trio.sleep(0.1)
    for person in people:
        await person.finish()


def _done(people: list[Person]) -> Counter[str]:
    done: Counter[str] = Counter()
    for person in people:
        done.update(f"{deed.kind}s" for deed in person.deeds if deed.id)
        done["photographs"] += len(person.photographs)
        done["likes"] += sum(person.likes.values())
        done["follows"] += sum(person.follows.values())
        done["clients dropped"] += person.lives - 1
    return done


def text(done: Counter[str]) -> str:
    """For people."""
    return ", ".join(f"{count} {what}" for what, count in sorted(done.items()))
