"""The command line: `python -m bench.compare --help`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.compare import builds, run
from bench.compare.plot import plot
from bench.compare.report import table
from bench.compare.rows import ROWS, Row
from bench.compare.servers import PEERS, sunwire
from bench.compare.targets import Runs

PEER_PACKAGES = ("picows", "uvloop", "websockets", "aiohttp", "protobuf")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description="Sunwire beside other servers. All rows in five rounds take about an hour.",
        epilog="rows: "
        + ", ".join(row.key for row in ROWS)
        + ". servers: sunwire, "
        + ", ".join(peer.name for peer in PEERS)
        + ". A part of a name is enough: `--only calls` is every row that begins so.",
    )
    parser.add_argument("--only", default="", help="rows, by commas (default: all)")
    parser.add_argument("--servers", default="", help="servers, by commas (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a measured window")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before it")
    parser.add_argument("--server-cpu", type=int, default=0, help="core of the server; -1: any")
    parser.add_argument("--load-cpu", type=int, default=1, help="core of the load; -1: any")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of connections")
    parser.add_argument(
        "--sunwire-flags", default="", help="further settings for Sunwire, in one argument"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="write FOLDER/results.{json,md,svg}; all of it measured: default bench/compare",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep what is in results.json and not measured now"
    )
    return parser.parse_args()


def chosen(names: str, all_names: Sequence[str]) -> list[str]:
    """The names that begin with one of the given, or are it; all where none is given."""
    if not names:
        return list(all_names)
    found: list[str] = []
    for given in names.split(","):
        matches = [name for name in all_names if name == given] or [
            name for name in all_names if name.startswith(given)
        ]
        if not matches:
            raise SystemExit(f"{given!r} is none of {', '.join(all_names)}")
        found += [name for name in matches if name not in found]
    return found


def chosen_servers(names: str, all_names: Sequence[str]) -> list[str]:
    """Whole names only: `picows` is not `picows-batch`."""
    found = names.split(",") if names else list(all_names)
    for name in found:
        if name not in all_names:
            raise SystemExit(f"{name!r} is none of {', '.join(all_names)}")
    return found


def versions() -> dict[str, str]:
    """Of everything that was compared."""
    found = {"Python": platform.python_version(), "trio": version("trio")}
    locked = (builds.HERE / "peers/requirements.txt").read_text()
    found |= {
        name: match[1]
        for name in PEER_PACKAGES
        if (match := re.search(rf"^{name}==(\S+)", locked, re.MULTILINE))
    }
    node = json.loads((builds.HERE / "peers/node/package-lock.json").read_text())["packages"]
    found |= {name: node[f"node_modules/{name}"]["version"] for name in ("ws", "protobufjs")}
    module = (builds.HERE / "peers/centrifuge/go.mod").read_text()
    if match := re.search(r"centrifuge v(\S+)", module):
        found["centrifuge"] = match[1]
    for name, command in (("Node", ["node", "--version"]), ("Go", ["go", "env", "GOVERSION"])):
        if shutil.which(command[0]):
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            found[name] = said.stdout.strip().removeprefix("go").removeprefix("v")
    return found


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} cores of {model}, {system}, TCP with {control}"


def main() -> None:
    wanted = arguments()
    keys = chosen(wanted.only, [row.key for row in ROWS])
    rows: list[Row] = [row for row in ROWS if row.key in keys]
    servers = (sunwire(wanted.sunwire_flags.split()), *PEERS)
    names = chosen_servers(wanted.servers, [server.name for server in servers])
    in_rows = {name for row in rows for name in row.servers}
    needed = {row.half_of[1] for row in rows if row.half_of}  # for the rate, if nothing else
    able = run.make((set(names) & in_rows) | needed, servers)
    whole = wanted.scale == 1 and len(rows) == len(ROWS) and len(names) == len(servers)
    out: Path | None = wanted.out or (builds.HERE if whole or wanted.keep else None)
    before: Runs = {}
    if wanted.keep and out is not None and (out / "results.json").exists():
        before = json.loads((out / "results.json").read_text())["runs"]

    with tempfile.TemporaryDirectory(prefix="sunwire-compare-") as folder:
        runner = run.Runner(
            servers=able,
            folder=Path(folder),
            seconds=wanted.seconds,
            warm_up=wanted.warm_up,
            server_cpu=wanted.server_cpu,
            load_cpu=wanted.load_cpu,
            scale=wanted.scale,
        )
        for name in needed - set(names):
            print(f"{name} is measured for its rate", file=sys.stderr)
        try:
            runner.all(rows, wanted.rounds)
        finally:  # what was measured is not lost to an interruption
            runs = run.merged(before, runner.runs)
            about = {"machine": machine(), "versions": versions()}
            titles = {server.name: server.title for server in servers}
            page = table(ROWS, runs, titles, about)
            print(page)
            if out is not None and runner.runs:
                out.mkdir(parents=True, exist_ok=True)
                kept = {**about, "rounds": wanted.rounds, "seconds": wanted.seconds, "runs": runs}
                (out / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
                (out / "results.md").write_text(page)
                (out / "results.svg").write_text(plot(ROWS, runs, titles))


if __name__ == "__main__":
    main()
