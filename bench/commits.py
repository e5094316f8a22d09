"""Measures how changes are committed, from tasks in one process: no sockets, no clients.

`python -m bench.commits --store mysql://…` (an empty database) or `--store sqlite`;
`scripts/backends/mariadb start FOLDER` starts a MariaDB that syncs at each commit. Each of
`--rounds` rounds measures everything once, so what is compared was measured together. A column
is a round; its first row says whether the disk was left alone.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import trio

from bench import bare
from bench.database import USERS, furnish, share
from bench.loads import PAYLOAD, Messages, add_payloads, appending, on_schedule, sending
from realtime.serving import tune_collector
from store.interface import Store
from store.log import read_head
from store.mysql.address import Address, is_mysql, parse
from store.mysql.store import MysqlStore
from store.sqlite import SqliteStore

SECONDS = 4.0  # of each measure
ON_THEIR_WAY = 1_000  # messages, when an answer sends the next
RATES = {True: (7_500, 500), False: (12_500, 500)}  # messages a second on MariaDB; on SQLite
PARTS = ((0.5, "p50"), (0.99, "p99"))

Figures = dict[str, str]  # by what they are of


async def one_round(
    store: Store, rooms: list[int], address: Address | None, folder: str
) -> Figures:
    figures: Figures = {}

    def keep(what: str, took: list[float], digits: int = 1) -> None:
        for part, name in PARTS:
            figures[f"{what}, {name} ms"] = f"{share(took, part):.{digits}f}"

    keep("a sync of 8 KB", bare.syncing(folder, 200), 2)
    if address is not None:
        run = partial(trio.to_thread.run_sync, bare.committing, address, 500)
        keep("bare INSERT and COMMIT", await run(), 2)
    many = await appending(store, USERS, 50, SECONDS)
    if address is not None:
        head = (await store.read(read_head)).position
        bound = await trio.to_thread.run_sync(
            bare.inserting, address, head, USERS, PAYLOAD, SECONDS
        )
        figures["entries/s, bare loop of 1,000-row INSERTs"] = f"{bound:,.0f}"
        figures["entries/s, 50 awaited together: share of the bare loop"] = f"{many / bound:.2f}"
    figures["entries/s, 50 awaited together"] = f"{many:,.0f}"
    figures["entries/s, one awaited"] = f"{await appending(store, USERS, 1, SECONDS):,.0f}"
    messages = Messages(USERS, rooms)
    figures["SendMessage/s"] = f"{await sending(store, messages, ON_THEIR_WAY, SECONDS):,.0f}"
    for rate in RATES[address is not None]:
        keep(f"SendMessage at {rate:,}/s", await on_schedule(store, messages, rate, SECONDS))
    return figures


async def measure(url: str, rounds: int, disk: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=disk) as folder:
        address = parse(url) if is_mysql(url) else None
        store: Store = (
            SqliteStore.open(Path(folder) / "bench.db")
            if address is None
            else await MysqlStore.open(address, readers=3)
        )
        rooms = await furnish(store)
        await store.write(add_payloads)
        tune_collector()  # as the server does
        found = [await one_round(store, rooms, address, folder) for _ in range(rounds)]
        await store.aclose()
    print("| measure |" + f" {'MariaDB' if address else 'SQLite'} |" * rounds)
    print("|---|" + "---|" * rounds)
    for what in found[0]:
        print(f"| {what} | " + " | ".join(one[what] for one in found) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--disk", type=Path, help="a folder on the disk to measure")
    arguments = parser.parse_args()
    trio.run(measure, arguments.store, arguments.rounds, arguments.disk)


if __name__ == "__main__":
    main()
