"""Blobs on three Cassandra nodes, one of which is killed, stopped or damaged at a time: whoever
was told that his bytes are kept can read them, and nobody is given other bytes than were put.

    python -m tests.chaos.blobs --rounds 20 --seed 1
"""

from __future__ import annotations

import argparse
import hashlib
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from signal import Signals
from typing import TypeVar

import trio

from store.blobs import BlobInfo, BlobStore, put, read
from store.blobs.cassandra.address import parse
from store.blobs.cassandra.blobs import CassandraBlobs
from store.errors import Unavailable
from tests.real.cassandra import Nodes, three_nodes

T = TypeVar("T")

PUTTERS, READERS = 2, 2
LARGEST = 1_500_000  # bytes
PATIENCE = 60.0  # seconds in which two of three nodes must have done what they are asked
PAUSE = 3.0  # seconds of a stopped node: longer than Cassandra's own time limits
FAULTS = ("killed", "stopped", "damaged")


class Kept:
    """What was acknowledged: the seeds of the bytes, by digest."""

    def __init__(self) -> None:
        self.seeds: dict[bytes, int] = {}
        self.done: Counter[str] = Counter()

    @staticmethod
    def bytes_of(seed: int) -> bytes:
        chance = random.Random(seed)
        return chance.randbytes(chance.randrange(LARGEST))


async def _pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(data), 65_536):
        yield data[at : at + 65_536]


async def _insist(kept: Kept, ask: Callable[[], Awaitable[T]]) -> T:
    """As a client would: again, where the store says that it may."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                return await ask()
            except Unavailable:
                kept.done["refusals"] += 1
                await trio.sleep(0.1)


async def _put(blobs: BlobStore, data: bytes) -> BlobInfo:
    async with aclosing(_pieces(data)) as pieces:
        return await put(blobs, pieces)


async def _put_for_ever(blobs: BlobStore, kept: Kept, seeds: random.Random) -> None:
    while True:
        seed = seeds.getrandbits(60)
        data = kept.bytes_of(seed)
        info = await _insist(kept, partial(_put, blobs, data))
        assert info.digest == hashlib.sha256(data).digest()
        kept.seeds[info.digest] = seed
        kept.done["put"] += 1


async def _read_for_ever(blobs: BlobStore, kept: Kept, chance: random.Random) -> None:
    while True:
        await trio.sleep(0.01)
        if kept.seeds:
            await _check(blobs, kept, chance.choice(list(kept.seeds)))


async def _check(blobs: BlobStore, kept: Kept, digest: bytes) -> None:
    found = await _insist(kept, partial(read, blobs, digest))
    assert found == kept.bytes_of(kept.seeds[digest]), f"other bytes under {digest.hex()}"
    kept.done["read"] += 1


async def _strike(nodes: Nodes, chance: random.Random, fault: str) -> None:
    number = chance.randint(1, nodes.COUNT)
    in_thread = trio.to_thread.run_sync
    if fault == "stopped":
        nodes.signal(number, Signals.SIGSTOP)
        await trio.sleep(PAUSE)
        nodes.signal(number, Signals.SIGCONT)
    else:
        nodes.signal(number, Signals.SIGKILL)
        await trio.sleep(chance.uniform(0.5, 2))
        if fault == "damaged":
            await in_thread(nodes.damage, number, 10, chance)
        await in_thread(nodes.again, number)
    await trio.sleep(1.5)  # the others have to see it before the next one goes


async def run(
    nodes: Nodes, rounds: int, seed: int, say: Callable[[str], None], read_at: str = "local_one"
) -> Counter[str]:
    """Runs the rounds and returns what was done. Raises `AssertionError` at the first wrong or
    missing byte."""
    kept, schedule = Kept(), random.Random(seed)
    hosts = ",".join(f"127.0.0.{number}" for number in range(1, nodes.COUNT + 1))
    options = f"replication=3&read={read_at}&write=quorum"
    url = f"cassandra://{hosts}:{nodes.port}/chaos_{read_at}?{options}"
    blobs = await CassandraBlobs.connect(parse(url), create=True, deadline=5)
    try:
        for number in range(1, rounds + 1):
            fault = FAULTS[number % len(FAULTS)]
            async with trio.open_nursery() as busy:
                for who in range(PUTTERS):
                    own = random.Random(f"{seed} {number} put {who}")
                    busy.start_soon(_put_for_ever, blobs, kept, own)
                for who in range(READERS):
                    own = random.Random(f"{seed} {number} read {who}")
                    busy.start_soon(_read_for_ever, blobs, kept, own)
                await trio.sleep(0.5)
                await _strike(nodes, schedule, fault)
                busy.cancel_scope.cancel()
            kept.done[fault] += 1
            for digest in kept.seeds:
                await _check(blobs, kept, digest)
            if fault == "damaged":  # what nobody has read is mended, too
                for digest in kept.seeds:
                    await _insist(kept, partial(blobs.scrub, digest))
                assert sum([await blobs.scrub(digest) for digest in kept.seeds]) == 0
            kept.done["mended"] = blobs.mended
            say(f"round {number}: {fault}; {dict(kept.done)}")
    finally:
        await blobs.aclose()
    return kept.done


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--read", default="local_one", help="consistency of reads")
    arguments = parser.parse_args()
    started = time.monotonic()
    with three_nodes() as nodes:
        done = trio.run(run, nodes, arguments.rounds, arguments.seed, print, arguments.read)
    print(
        f"{arguments.rounds} rounds, seed {arguments.seed}, "
        f"{time.monotonic() - started:.0f} seconds: {dict(done)}; no wrong and no missing byte"
    )


if __name__ == "__main__":
    main()
