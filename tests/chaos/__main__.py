"""The command line of the chaos test."""

from __future__ import annotations

import argparse
import time
from functools import partial

import trio

import tests.chaos
from tests.chaos.rounds import text


def main() -> None:
    parser = argparse.ArgumentParser(description=(tests.chaos.__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--store",
        default="sqlite",
        help="mysql://… of an empty database; mariadb: a server of its own, which is struck too",
    )
    parser.add_argument("--nodes", type=int, default=1, help="servers on that database")
    parser.add_argument(
        "--workers", type=int, default=1, help="several processes, of which one or all are killed"
    )
    arguments = parser.parse_args()
    started = time.monotonic()
    run = partial(
        tests.chaos.run, store=arguments.store, nodes=arguments.nodes, workers=arguments.workers
    )
    done = trio.run(run, arguments.rounds, arguments.seed, print)
    print(
        f"{arguments.rounds} rounds, seed {arguments.seed}, "
        f"{time.monotonic() - started:.0f} seconds: {text(done)}; all there once, in order"
    )


if __name__ == "__main__":
    main()
