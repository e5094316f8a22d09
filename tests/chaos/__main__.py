"""The command line of the chaos test."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import trio

import tests.chaos
from tests.chaos import deploying
from tests.chaos.faults import FAULTS
from tests.chaos.rounds import text
from tests.chaos.site import OWN, SQLITE

Run = Callable[[int, int, Callable[[str], None]], Awaitable[Counter[str]]]


class Place(NamedTuple):
    """Where faults are tried."""

    store: str
    nodes: int = 1
    workers: int = 1
    redis: bool = False

    def __str__(self) -> str:
        words = [self.store, f"{self.nodes} nodes of {self.workers} processes"]
        return ", ".join([*words, "a Redis"] if self.redis else words)


PLACES = (
    Place(SQLITE),
    Place(SQLITE, workers=2),
    Place(OWN, nodes=2),
    Place(OWN, nodes=2, redis=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(tests.chaos.__doc__ or "").splitlines()[0],
        epilog="Faults: "
        + "; ".join(f"{fault.name}: {fault.about}" for fault in FAULTS)
        + f"; {deploying.NAME}: two nodes migrate at once, and something befalls one.",
    )
    parser.add_argument("--rounds", type=int, default=50, help="of each fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME", help="this one; more than once"
    )
    parser.add_argument(
        "--store",
        default="",
        help="sqlite; mysql://… of an empty database; mariadb: a server of its own, which is "
        "struck too. Without it: every place in which there are other faults",
    )
    parser.add_argument("--nodes", type=int, default=1, help="servers on that database")
    parser.add_argument("--workers", type=int, default=1, help="several processes of a server")
    parser.add_argument("--redis", action="store_true", help="a Redis of its own between them")
    given = parser.parse_args()
    unknown = set(given.fault) - {fault.name for fault in FAULTS} - {deploying.NAME}
    if unknown:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    faults = [name for name in given.fault if name != deploying.NAME]
    places = (
        [Place(given.store, given.nodes, given.workers, given.redis)] if given.store else PLACES
    )
    runs: list[tuple[str, Run]] = [
        (
            str(place),
            partial(tests.chaos.run, faults=faults, **place._asdict()),
        )
        for place in places
        if faults or not given.fault
    ]
    if deploying.NAME in given.fault or not (given.fault or given.store):
        runs.append(("two nodes that migrate", deploying.run))
    for name, run in runs:
        started = time.monotonic()
        done = trio.run(run, given.rounds, given.seed, print)
        seconds = time.monotonic() - started
        print(f"{name}, seed {given.seed}, {seconds:.0f} seconds: {text(done)}; all as it must be")


if __name__ == "__main__":
    main()
