"""From runs to a table (pure)."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.compare.rows import Figures, Row
from bench.compare.targets import Runs, failed, median, shown

BUSY = 0.9  # share of its core above which the load generator may be what was measured
NOISE = 0.15  # share of a core that other processes took


def table(
    rows: Sequence[Row], runs: Runs, titles: Mapping[str, str], about: Mapping[str, Any]
) -> str:
    """The whole page, in Markdown."""
    present = [row for row in rows if runs.get(row.key)]
    lines = [
        f"Medians of alternating runs (least–most), `make bench-compare`. {about['machine']}.",
        "Each server with all its threads on one core, the load generator on the other, over",
        "the loopback. CPU is in shares of one core. A second figure, for each second of the",
        "server's processor, says what a core that it had to itself would give.",
        "",
        "Versions: "
        + ", ".join(f"{name} {value}" for name, value in about["versions"].items())
        + ".",
        "",
        *_targets(present, runs),
    ]
    for row in present:
        lines += ["", f"## {row.title}", "", *_servers(row, runs, titles)]
    return "\n".join(lines) + "\n"


def _targets(rows: Sequence[Row], runs: Runs) -> Iterator[str]:
    yield "| measure | Sunwire | asked | found | |"
    yield "|---|---|---|---|---|"
    for row in rows:
        own = f"{shown(median(row, runs, 'sunwire'), row.digits)} {row.unit}"
        for target in row.targets:
            verdict = target.judge(row, runs)
            word = {True: "yes", False: "**no**", None: "?"}[verdict.reached]
            yield f"| {row.title} | {own} | {verdict.asked} | {verdict.found} | {word} |"
        if not row.targets:
            yield f"| {row.title} | {own} | | | |"


def _servers(row: Row, runs: Runs, titles: Mapping[str, str]) -> Iterator[str]:
    counted = row.unit.endswith("/s")
    more = f" {row.unit} of processor |" if counted else ""
    yield f"| server | {row.unit} |{more} p50 | p99 ms | server CPU | load CPU | remarks |"
    yield "|---|---|---|---|---|---|---|" + ("---|" if counted else "")
    for name, found in runs[row.key].items():
        good = [one for one in found if not failed(one)]
        title = titles.get(name, name)
        if not good:
            blank = "| – " * (6 if counted else 5)
            yield f"| {title} {blank}| failed: {_short(found[-1]['failure'])} |"
            continue
        values = [row.figure(one) for one in good]
        cells = [
            title,
            f"**{shown(statistics.median(values), row.digits)}** "
            f"({shown(min(values), row.digits)}–{shown(max(values), row.digits)})",
        ]
        if counted:
            cells.append(shown(_middle(good, "per_cpu_second")))
        cells += [shown(_middle(good, key), 2) for key in ("p50_ms", "p99_ms")]
        cells += [shown(_middle(good, key), 2) for key in ("server_cpu", "load_cpu")]
        cells.append("; ".join(remarks(found, memory=not counted)))
        yield f"| {' | '.join(cells)} |"


def remarks(found: Sequence[Figures], *, memory: bool = False) -> Iterator[str]:
    """What a reader must know about the figure of one server; with its highest memory."""
    good = [one for one in found if not failed(one)]
    if len(good) < len(found):
        yield f"{len(found) - len(good)} of {len(found)} runs failed"
    if rate := _middle(good, "rate"):
        yield f"at {rate:,.1f}/s"
    if _middle(good, "load_cpu") > BUSY:
        yield "**the load generator was at its limit**"
    if _middle(good, "other_cpu") > NOISE:
        yield "**other processes were busy**"
    for name in ("lost", "doubled", "wrong", "errors", "retries", "lagged", "stalled_missed"):
        if total := sum(int(one.get(name, 0)) for one in good):
            yield f"{name.replace('_', ' ')} {total:,}"
    if said := next((one["first_error"] for one in good if one.get("first_error")), ""):
        yield _short(said)
    highest = max((int(one.get("kib_max", 0)) for one in good), default=0)
    if memory and highest:
        yield f"memory at most {highest / 1024:,.0f} MiB"


def _middle(found: Sequence[Figures], key: str) -> float:
    values = [float(one.get(key, 0)) for one in found]
    return statistics.median(values) if values else 0.0


def _short(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[-160:]
