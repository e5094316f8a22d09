"""Runs rows: a fresh server and a fresh load generator for each figure."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

from bench.compare import builds
from bench.compare.population import Population, imagined, populate
from bench.compare.rows import BY_KEY, Figures, Row
from bench.compare.servers import Server, ServerFailed, running
from bench.compare.targets import Runs, failed
from realtime.bench.run import pinned

LIMIT = 420.0  # seconds that a load generator may take at most
SAID = 1000  # characters of what it said that are kept


@dataclass(kw_only=True)
class Runner:
    """Measures, and keeps what it measured in `runs`."""

    servers: dict[str, Server]
    folder: Path
    """For the databases of this run."""
    seconds: float = 5.0
    warm_up: float = 2.0
    server_cpu: int = 0
    load_cpu: int = 1
    scale: float = 1.0
    """Of the numbers of connections: less than 1 for a look at whether all works."""
    patience: float = 30.0
    """Seconds for what is under way at the end of a window."""
    runs: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    _crowds: dict[tuple[str, int, bool], Population] = field(default_factory=dict)

    def all(self, rows: Sequence[Row], rounds: int) -> None:
        """Every row of every server, in turns. What runs at half of another row's rate waits
        until that one is complete."""
        for dependent in (False, True):
            for number in range(rounds):
                for row in rows:
                    if (row.half_of is not None) == dependent and number < row.most_rounds:
                        self._row(row, f"{number + 1}/{min(rounds, row.most_rounds)}")

    def _row(self, row: Row, number: str) -> None:
        rate = self._rate(row)
        for name in row.servers:
            if name in self.servers:
                figures = self.measure(row, self.servers[name], rate)
                self.runs.setdefault(row.key, {}).setdefault(name, []).append(figures)
                print(f"{number} {row.key:18} {name:17} {_line(row, figures)}", file=sys.stderr)

    def _rate(self, row: Row) -> float | None:
        """Publications a second: half of what the other row gave, which is measured now if it
        was not. None where the row has no such rate."""
        if row.half_of is None:
            return None
        other, name = BY_KEY[row.half_of[0]], row.half_of[1]
        found = self.runs.get(other.key, {}).get(name, [])
        rates = [_publications(one) for one in found if not failed(one)]
        if not rates and name in self.servers:
            first = self.measure(other, self.servers[name], None)
            self.runs.setdefault(other.key, {}).setdefault(name, []).append(first)
            rates = [] if failed(first) else [_publications(first)]
        if not rates:
            raise SystemExit(f"{row.key} needs a figure of {name} in {other.key}")
        return statistics.median(rates) / 2

    def measure(self, row: Row, server: Server, rate: float | None) -> Figures:
        """One figure. What went wrong is in `failure`."""
        people = max(int(row.people * self.scale), 10)
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            data = Path(name)
            crowd = self._crowd(row.shape, people, server, data)
            task: dict[str, Any] = {
                "people": crowd.people,
                "speaker": crowd.speaker,
                "warm_up": self.warm_up,
                "seconds": row.seconds or self.seconds,
                "patience": self.patience,
                "dialect": server.dialect,
                "room": crowd.people[0].rooms[0],
                **row.task,
            }
            if "connections" in task:
                task["connections"] = min(max(int(task["connections"] * self.scale), 10), people)
            if task.get("stalled"):
                task["stalled"] = max(int(task["stalled"] * self.scale), 1)
            if row.seconds and self.seconds < 3:  # a look, not a measurement
                task["seconds"] = self.seconds
            if rate is not None:
                task["rate"] = rate
            try:
                with running(server, data, self.server_cpu) as where:
                    figures = self._load({**task, "port": where.port, "pid": where.pid})
            except ServerFailed as error:
                return {"failure": str(error)}
        return {**figures, "rate": task.get("rate", 0)}

    def _load(self, task: dict[str, Any]) -> Figures:
        with pinned(self.load_cpu):
            try:
                done = subprocess.run(
                    [str(builds.LOAD)],
                    input=msgspec.json.encode(task),
                    capture_output=True,
                    timeout=LIMIT,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return {"failure": f"the load generator did not end in {LIMIT:.0f} s"}
        if done.returncode:
            return {"failure": done.stderr.decode(errors="replace")[-SAID:].strip()}
        figures: Figures = json.loads(done.stdout)
        return figures

    def _crowd(self, shape: str, people: int, server: Server, data: Path) -> Population:
        """The people, and in `data` the database that knows them, if the server has one."""
        accounts = server.name == "sunwire"
        key = (shape, people, accounts)
        kept = self.folder / f"{shape}-{people}"
        if key not in self._crowds:
            if accounts:
                kept.mkdir()
                file = kept / "sunwire.db"
                self._crowds[key] = trio.run(partial(populate, file, shape, people))
            else:
                self._crowds[key] = imagined(shape, people)
        if accounts:
            shutil.copytree(kept, data, dirs_exist_ok=True)
        return self._crowds[key]


def _publications(figures: Figures) -> float:
    return float(figures["publications"] / figures["seconds"])


def _line(row: Row, figures: Figures) -> str:
    if failed(figures):
        return "failed: " + " ".join(figures["failure"].split())[-200:]
    return (
        f"{row.figure(figures):>12,.{row.digits}f} {row.unit:12} "
        f"server {figures['server_cpu']:.2f} load {figures['load_cpu']:.2f} "
        f"others {figures['other_cpu']:.2f}"
        + "".join(
            f" {name} {figures[name]:,}"
            for name in ("lost", "doubled", "wrong", "errors")
            if figures[name]
        )
        + (f" ({figures['first_error']})" if figures["first_error"] else "")
    )


def make(names: Iterable[str], servers: Iterable[Server]) -> dict[str, Server]:
    """Builds the load generator and what the named servers need; returns those that can run
    here. Says which cannot."""
    try:
        builds.build("load")
    except builds.Missing as error:
        raise SystemExit(f"the load generator cannot be built: {error}") from error
    wanted = set(names)
    able: dict[str, Server] = {}
    made: dict[str, str] = {}
    for server in servers:
        if server.name not in wanted:
            continue
        if server.needs and server.needs not in made:
            started = time.monotonic()
            try:
                builds.build(server.needs)
                made[server.needs] = ""
            except (builds.Missing, subprocess.CalledProcessError) as error:
                made[server.needs] = str(error)
            print(f"{server.needs}: {time.monotonic() - started:.0f} s", file=sys.stderr)
        if problem := made.get(server.needs, ""):
            print(f"WITHOUT {server.name}: {problem}", file=sys.stderr)
        else:
            able[server.name] = server
    return able


def merged(old: Runs, new: Runs) -> dict[str, dict[str, list[Figures]]]:
    """The runs of both; of a row and server that both have, the new ones."""
    result = {row: {name: list(runs) for name, runs in of.items()} for row, of in old.items()}
    for row, of in new.items():
        for name, runs in of.items():
            result.setdefault(row, {})[name] = list(runs)
    return result
