"""Runs every measurement of `python -m realtime bench` a few times and writes figures.md.

`make bench` runs it; `python bench/figures.py --times 3 --out bench/figures`.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

# (title, arguments, the key that is the figure, its unit, further keys to show)
MEASUREMENTS: list[tuple[str, str, str, str, tuple[str, ...]]] = [
    (
        "durable direct messages, 100 clients, 8 in flight each",
        "sends --in-flight 8",
        "sends_per_second",
        "messages/s",
        ("delivery_p50_ms", "delivery_p99_ms"),
    ),
    (
        "the same at 1,500 a second",
        "sends --rate 1500",
        "delivery_p99_ms",
        "ms to the other side, p99",
        ("sends_per_second", "send_p99_ms", "delivery_p50_ms"),
    ),
    (
        "calls, handler that never waits, 100 clients, 1 in flight",
        "calls",
        "calls_per_second",
        "calls/s",
        ("call_p50_ms", "call_p99_ms"),
    ),
    (
        "calls, handler that reads the database, 100 clients, 1 in flight",
        "calls --method read",
        "calls_per_second",
        "calls/s",
        ("call_p50_ms", "call_p99_ms"),
    ),
    (
        "durable messages to a room of 1,000, 1 in flight",
        "fanout",
        "deliveries_per_second",
        "deliveries/s",
        ("sends_per_second", "delivery_p99_ms"),
    ),
    (
        "the same, 16 in flight",
        "fanout --in-flight 16",
        "deliveries_per_second",
        "deliveries/s",
        ("sends_per_second", "delivery_p99_ms"),
    ),
    (
        "memory of an idle signed-in connection, of 2,000",
        "idle",
        "kib_per_connection",
        "KiB",
        ("connected_per_second",),
    ),
]


def measure(arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "realtime", "bench", *arguments.split(), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}{done.stdout}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "figures")
    wanted = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {one[1]: [] for one in MEASUREMENTS}
    for number in range(wanted.times):  # alternating, so that a noisy minute hurts all alike
        for _, arguments, key, unit, _ in MEASUREMENTS:
            figures = measure(arguments)
            runs[arguments].append(figures)
            print(f"{number + 1}: bench {arguments}: {figures[key]:,} {unit}", file=sys.stderr)
    wanted.out.with_suffix(".json").write_text(json.dumps(runs, indent=1) + "\n")
    wanted.out.with_suffix(".md").write_text(table(runs, wanted.times))


def table(runs: dict[str, list[dict[str, Any]]], times: int) -> str:
    lines = [
        f"Medians of {times} alternating runs (least–most), `make bench`. "
        f"{next(iter(runs.values()))[0]['machine']}, {platform.system()}; the server with all "
        "its threads on one core, the load generator on the other; SQLite with WAL and "
        "`synchronous = FULL`. CPU is in shares of one core.",
        "",
        "| measurement | command | figure | also | server CPU | load CPU |",
        "|---|---|---|---|---|---|",
    ]
    for title, arguments, key, unit, also in MEASUREMENTS:
        found = runs[arguments]
        values = [one[key] for one in found]
        more = ", ".join(
            f"{name.replace('_', ' ')} {statistics.median(one[name] for one in found):,}"
            for name in also
        )
        server, load = (
            statistics.median(one[name] for one in found) for name in ("server_cpu", "load_cpu")
        )
        lines.append(
            f"| {title} | `bench {arguments}` | **{statistics.median(values):,}** "
            f"({min(values):,}–{max(values):,}) {unit} | {more} | {server} | {load} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
