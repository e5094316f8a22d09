"""The rounds of the chaos test."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import trio

from rpc.proto.chat_pb2 import CreateGroupRequest
from rpc.proto.stubs import ChatClient
from tests.chaos.check import Checker
from tests.chaos.person import Person
from tests.real.process import ServerProcess, server_process
from tests.real.workers import kill, pids, wait_up

USERS = 4
EVERYTHING = 25  # rounds after which all is compared from the beginning
FLAGS = ("--calls-per-second", "100000", "--calls-burst", "100000")


async def run(
    rounds: int,
    seed: int,
    say: Callable[[str], None],
    *,
    store: str = "sqlite",
    workers: int = 1,
) -> Counter[str]:
    """Runs the rounds and returns how much of what was acknowledged. Raises `AssertionError`
    at the first thing lost, doubled or out of order. `store` is as `serve` takes it; a database
    must be empty. With several workers one process of the server is killed at a time, or all."""
    schedule = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="sunwire-chaos-") as name:
        folder = Path(name)
        flags = (*FLAGS, "--store", store, "--workers", str(workers))
        async with server_process(folder / "data", *flags) as server, trio.open_nursery() as lives:
            people = [
                await _join(server, f"user{number}", folder, random.Random(f"{seed} {number}"))
                for number in range(USERS)
            ]
            for person in people:
                await lives.start(person.run, f"ws://127.0.0.1:{server.port}")
                await person.client.wait_connected()
            await _gather(people)
            checker = Checker(people, f"http://127.0.0.1:{server.media_port}")
            for number in range(1, rounds + 1):
                await _round(server, people, schedule, workers)
                last = number == rounds or number % EVERYTHING == 0
                await (checker.everything() if last else checker.new())
                say(f"round {number}: {text(_done(people))}")
            lives.cancel_scope.cancel()
        errors = [
            line
            for line in server.lines
            if line.get("level", "error") == "error" and line["event"] != "process died"
        ]
        assert errors == [], errors
        return _done(people)


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


async def _round(
    server: ServerProcess, people: list[Person], schedule: random.Random, workers: int
) -> None:
    for person in people:
        person.write()
    await trio.sleep(schedule.uniform(0.02, 0.3))
    dropped = schedule.choice(people) if schedule.random() < 0.4 else None
    if dropped is not None and schedule.random() < 0.5:
        dropped.drop()
        dropped = None
    victim = schedule.choice(["all", *sorted(pids(server))]) if workers > 1 else "all"
    if victim == "all":
        await server.kill()
    else:
        kill(server, victim)
    if dropped is not None:
        dropped.drop()  # it begins again while nobody answers
    if victim == "all":
        await server.start()
    else:
        await wait_up(server, victim)
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
