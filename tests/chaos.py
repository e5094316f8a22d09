"""kill -9 at random instants under load, then a check that nothing was lost or doubled.

`python -m tests.chaos --rounds 200 --seed 1` runs it against a real process. A round: people
write to each other, the server is killed in the middle, started again, and everybody resumes
and repeats what was not answered, with the same op_key.

This shows what a killed process does. It cannot show what a power cut does: for that the
store asks for a synced write-ahead log at each commit, which a test asserts.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import trio

from realtime.testing.client import Closed, TestClient, new_key
from rpc.errors import CallError
from tests.real.process import ServerProcess, server_process

USERS = 4
PATIENCE = 30.0  # seconds for everything to have arrived after a restart


class Person:
    """A user with one device that never gives up on a message."""

    def __init__(self, name: str, client: TestClient) -> None:
        self.name = name
        self.client = client
        self.acknowledged: list[tuple[int, bytes]] = []  # (message id, client id), in order

    async def write(self, room_id: int, stop: Callable[[], bool]) -> None:
        """Sends one message after another; each is repeated until it is acknowledged."""
        number = 0
        while not stop():
            key = new_key()
            fields = {"room_id": room_id, "client_id": key, "text": f"{self.name} {number}"}
            number += 1
            while True:
                try:
                    message = await self.client.call("Chat.SendMessage", op_key=key, **fields)
                except (Closed, OSError, trio.TooSlowError):
                    await self.come_back()
                except CallError as error:
                    if not error.retryable:
                        raise
                    await trio.sleep(0.01 + error.retry_after_ms / 1000)
                else:
                    self.acknowledged.append((message.id, key))
                    break

    async def come_back(self) -> None:
        """Connects again and resumes, however often it takes."""
        await self.client.disconnect()
        while True:
            try:
                await self.client.connect(resume=True)
                return
            except (Closed, OSError, trio.TooSlowError):
                await trio.sleep(0.02)


async def run(rounds: int, seed: int, say: Callable[[str], None] = print) -> int:
    """Runs the rounds and returns how many messages were acknowledged. Raises
    `AssertionError` at the first message lost, doubled or out of order."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        flags = ("--calls-per-second", "100000", "--calls-burst", "100000")
        async with server_process(Path(folder), *flags) as server:
            people = [Person(f"user{n}", await server.sign_up(f"user{n}")) for n in range(USERS)]
            room_id = (
                await people[0].client.call(
                    "Chat.CreateGroup",
                    title="chaos",
                    user_ids=[person.client.user_id for person in people],
                )
            ).room.id
            for number in range(rounds):
                await _round(server, people, room_id, rng)
                total = sum(len(person.acknowledged) for person in people)
                say(f"round {number + 1}: {total} messages acknowledged so far")
            return total


async def _round(
    server: ServerProcess, people: list[Person], room_id: int, rng: random.Random
) -> None:
    over = False
    async with trio.open_nursery() as nursery:
        for person in people:
            nursery.start_soon(person.write, room_id, lambda: over)
        await trio.sleep(rng.uniform(0.02, 0.3))
        await server.kill()
        await server.start()
        await trio.sleep(0.1)
        over = True
    for person in people:
        await person.come_back()
    await _check(people, room_id)


async def _check(people: list[Person], room_id: int) -> None:
    truth: list[tuple[int, int, bytes]] = []
    after = 0
    while True:
        page = await people[0].client.call(
            "Chat.GetHistory", room_id=room_id, after=after, limit=200
        )
        truth += [(m.number, m.id, m.client_id) for m in page.messages]
        if not page.more:
            break
        after = page.messages[-1].number
    assert [number for number, _, _ in truth] == list(range(1, len(truth) + 1))
    assert len({key for _, _, key in truth}) == len(truth), "a message is there twice"
    stored = {message_id: key for _, message_id, key in truth}
    for person in people:
        for message_id, key in person.acknowledged:
            assert stored.get(message_id) == key, f"lost: {message_id} of {person.name}"
        ids = [message_id for message_id, _ in person.acknowledged]
        assert ids == sorted(ids), f"{person.name}'s messages are out of order"
        expected = [message_id for _, message_id, _ in truth]
        with trio.fail_after(PATIENCE):
            while len(received := _received(person.client)) < len(expected):
                await person.client.expect_update("message")
        assert received == expected, f"{person.name} received otherwise than was written"


def _received(client: TestClient) -> list[int]:
    """Message ids in order of first arrival; a resume may repeat what came after the last
    checkpoint, and its stream number says so."""
    seen: dict[int, int] = {}
    for update in client.updates:
        if update.WhichOneof("body") == "message":
            known = seen.setdefault(update.sequence, update.message.id)
            assert known == update.message.id, "one number, two messages"
    return list(dict.fromkeys(seen.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    total = trio.run(run, arguments.rounds, arguments.seed)
    print(f"{arguments.rounds} rounds, seed {arguments.seed}: {total} messages, all there once")


if __name__ == "__main__":
    main()
