"""The command line of the chaos test."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import NamedTuple

import trio

import tests.chaos
from tests.chaos.faults import FAULTS
from tests.chaos.rounds import text
from tests.chaos.site import OWN, SQLITE


class Place(NamedTuple):
    """Where faults are tried."""

    store: str
    nodes: int = 1
    workers: int = 1


PLACES = (Place(SQLITE), Place(SQLITE, workers=2), Place(OWN, nodes=2))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(tests.chaos.__doc__ or "").splitlines()[0],
        epilog="Faults: " + "; ".join(f"{fault.name}: {fault.about}" for fault in FAULTS) + ".",
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
    given = parser.parse_args()
    unknown = set(given.fault) - {fault.name for fault in FAULTS}
    if unknown:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    places = [Place(given.store, given.nodes, given.workers)] if given.store else PLACES
    for place in places:
        started = time.monotonic()
        run = partial(tests.chaos.run, faults=given.fault, **place._asdict())
        done = trio.run(run, given.rounds, given.seed, print)
        print(
            f"{place.store}, {place.nodes} nodes of {place.workers} processes, seed {given.seed}, "
            f"{time.monotonic() - started:.0f} seconds: {text(done)}; all there once, in order"
        )


if __name__ == "__main__":
    main()
