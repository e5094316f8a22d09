"""The command line: `python -m bench.photos --help`."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from bench.compare.__main__ import chosen, machine
from bench.photos import servers
from bench.photos.report import page
from bench.photos.rows import ROWS
from bench.photos.run import Bench

HERE = Path(__file__).resolve().parent
BEHIND = "behind-encodes"


def arguments() -> argparse.Namespace:
    names = ", ".join([*(row.key for row in ROWS), BEHIND])
    parser = argparse.ArgumentParser(
        prog="python -m bench.photos",
        description="Sunwire's media host beside thumbor. All rows in five rounds: 10 minutes.",
        epilog=f"rows: {names}. `--only first` is every row that begins so.",
    )
    parser.add_argument("--only", default="", help="rows, by commas (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a measured window")
    parser.add_argument("--photographs", type=int, default=24, help="of each kind, in a round")
    parser.add_argument("--out", type=Path, help="write FILE.md and FILE.json")
    parser.add_argument(
        "--keep", action="store_true", help="keep what is in FILE.json and not measured now"
    )
    return parser.parse_args()


def versions() -> dict[str, str]:
    locked = (HERE / "requirements.txt").read_text()
    peers = {
        name: match[1]
        for name in ("thumbor", "tornado", "pillow")
        if (match := re.search(rf"^{name}==(\S+)", locked, re.MULTILINE))
    }
    return {
        "Sunwire's Pillow": version("pillow"),
        "thumbor": peers["thumbor"],
        "its Pillow": peers["pillow"],
        "its tornado": peers["tornado"],
    }


def main() -> None:
    wanted = arguments()
    keys = chosen(wanted.only, [*(row.key for row in ROWS), BEHIND])
    found: dict[str, Any] = {}
    if wanted.keep and wanted.out and wanted.out.with_suffix(".json").exists():
        found = json.loads(wanted.out.with_suffix(".json").read_text())["rows"]
    servers.build()
    with tempfile.TemporaryDirectory(prefix="sunwire-photos-") as folder:
        bench = Bench(Path(folder), wanted.photographs, wanted.seconds)
        bench.prepare()
        rows = [row for row in ROWS if row.key in keys]
        for row in rows:
            found[row.key] = {"seen": msgspec.to_builtins(bench.look(row)), "rounds": []}
        if BEHIND in keys:
            found[BEHIND] = {"rounds": []}
        for number in range(wanted.rounds):
            for row in rows:
                quality = found[row.key]["seen"]["thumbor"]["quality"]
                order: list[servers.Server] = [bench.sunwire, bench.thumbor]
                if number % 2:
                    order.reverse()
                figures = {one.name: bench.measure(row, one, quality) for one in order}
                found[row.key]["rounds"].append(msgspec.to_builtins(figures))
                said = {name: round(one.per_second, 1) for name, one in figures.items()}
                print(number + 1, row.key, said, file=sys.stderr)
            if BEHIND in keys:
                idle, behind = bench.behind_encodes()
                both = {"idle": idle, "behind": behind}
                found[BEHIND]["rounds"].append(msgspec.to_builtins(both))
                print(number + 1, BEHIND, idle.p99, behind.p99, file=sys.stderr)
    # Of five minutes: what else the machine had to do.
    load = f"{os.getloadavg()[1]:.1f} at the end"
    about = {"machine": machine(), "versions": versions(), "load": load}
    text = page(found, about)
    print(text)
    if wanted.out:
        kept = {**about, "rows": found}
        wanted.out.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n")
        wanted.out.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
