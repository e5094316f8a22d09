"""From runs to a table (pure)."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bench.photos.rows import CONNECTIONS, MOST, RATE, ROWS, Row

OWN, PEER, BEHIND = "Sunwire", "thumbor", "behind-encodes"
BUSY = 0.9  # share of its core above which the load generator may be what was measured


def page(rows: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The whole page, in Markdown. A row's `rounds` have the figures of both servers."""
    versions = ", ".join(f"{name} {value}" for name, value in about["versions"].items())
    lines = [
        "Sunwire's media host beside thumbor, `python -m bench.photos --out bench/photos`: medians",
        "of alternating rounds (least–most). What is compared is the ratio within a round.",
        f"{about['machine']}. {versions}.",
        f"Load average: {about['load']}.",
        "",
        "thumbor has its Pillow engine, results stored in files, originals read from files, the",
        "same quality for JPEG, and a process for each core; Sunwire as `serve` starts it, on",
        "SQLite, with a worker for each core, a check of permission for every request, and its",
        "cache on one disk. Both started anew, with empty caches, for each figure. The photographs",
        "are those of `bench/pictures.py`, all different; for a first request each is asked for",
        f"once, {CONNECTIONS['first']} at a time. *Of processor* is the ratio of images for each",
        "second that all processes of a server used, whatever else the machine did. Sunwire's",
        "cache has what its uploads left there, copies of 2160 pixels; thumbor knows no uploads,",
        "so rows without those copies stand beside.",
        "",
        "| measure | Sunwire | thumbor | ratio | of processor | asked | |",
        "|---|---|---|---|---|---|---|",
        *(_line(row, rows[row.key]) for row in ROWS if row.key in rows),
    ]
    if BEHIND in rows:
        lines += ["", *_behind(rows[BEHIND]["rounds"])]
    lines += ["", *_looked_at(rows), "", *_load(rows)]
    return "\n".join(lines) + "\n"


def _line(row: Row, found: Any) -> str:
    own, peer = ([_rate(one[name]) for one in found["rounds"]] for name in (OWN, PEER))
    ratios = [ours / theirs for ours, theirs in zip(own, peer, strict=True)]
    form = ",.0f" if row.kind == "cached" else ".1f"
    unit = "requests/s" if row.kind == "cached" else "images/s"
    reached = statistics.median(ratios) >= row.least and _is_as_good(row, found["seen"])
    return (
        f"| {row.title} | {_spread(own, form)} {unit} | {_spread(peer, form)} "
        f"| {_spread(ratios, '.2f')} | {_processor(found['rounds'])} "
        + (f"| {row.least:g} | {_word(reached)} |" if row.least else "| | |")
    )


def _processor(rounds: Sequence[Any]) -> str:
    """The ratio of what a second of all processors gives."""
    costs = [
        [one[name]["server"] / one[name]["requests"] for one in rounds] for name in (PEER, OWN)
    ]
    if not all(costs[0] + costs[1]):
        return ""
    return _spread([theirs / ours for theirs, ours in zip(*costs, strict=True)], ".2f")


def _is_as_good(row: Row, seen: Any) -> bool:
    return not row.equal_size or seen[OWN]["ssim"] >= seen[PEER]["ssim"]


def _behind(rounds: Sequence[Any]) -> Iterator[str]:
    idle, behind = ([one[name]["p99"] for one in rounds] for name in ("idle", "behind"))
    ratios = [one / other for one, other in zip(behind, idle, strict=True)]
    yield f"Cached variants of Sunwire, {RATE:g} requests a second, while all workers encode AVIF:"
    yield ""
    yield "| | p50 ms | p99 ms |"
    yield "|---|---|---|"
    for name, word in (("idle", "nothing else to do"), ("behind", "two workers encode")):
        shown = [_spread([one[name][part] for one in rounds], ".2f") for part in ("p50", "p99")]
        yield f"| {word} | {shown[0]} | {shown[1]} |"
    yield ""
    reached = _word(statistics.median(ratios) < MOST)
    found = _spread(ratios, ".2f")
    yield f"Ratio of the 99th percentiles: {found}; asked: under {MOST:g}; {reached}."
    if statistics.median(ratios) < 1:
        worst = max(behind) / min(idle)
        yield "Where other work wants the cores, what comes to a server with nothing to do waits"
        yield "until that is put aside, while workers hold the cores for it: the first line says"
        yield f"little then. The worst of the second is {worst:.2f} times the best of the first."


def _looked_at(rows: Mapping[str, Any]) -> Iterator[str]:
    yield "| answers looked at | pixels | mean file | SSIM | quality of thumbor |"
    yield "|---|---|---|---|---|"
    for row in ROWS:
        if row.key not in rows:
            continue
        seen = rows[row.key]["seen"]
        size = "×".join(map(str, seen[OWN]["size"]))
        files = " / ".join(f"{seen[name]['bytes'] / 1000:.1f} KB" for name in (OWN, PEER))
        alike = " / ".join(f"{seen[name]['ssim']:.4f}" for name in (OWN, PEER))
        quality = seen[PEER]["quality"] or "as ours"
        yield f"| {row.title} | {size} | {files} | {alike} | {quality} |"


def _load(rows: Mapping[str, Any]) -> Iterator[str]:
    shares = [
        figures["cpu"]
        for row in ROWS
        if row.kind == "cached" and row.key in rows
        for one in rows[row.key]["rounds"]
        for figures in one.values()
    ]
    if shares:
        yield (
            f"Cached variants are asked for on {CONNECTIONS['cached']} kept connections, the "
            "server with all its threads on one core, the generator (raw sockets in one epoll set) "
            f"on the other, of which it used {min(shares):.0%} to {max(shares):.0%}"
            + (": it may have been what was measured." if max(shares) > BUSY else ".")
        )


def _rate(figures: Any) -> float:
    return float(figures["requests"] / figures["seconds"])


def _spread(values: Sequence[float], form: str) -> str:
    show: Callable[[float], str] = lambda value: f"{value:{form}}"  # noqa: E731
    return f"{show(statistics.median(values))} ({show(min(values))}–{show(max(values))})"


def _word(reached: bool) -> str:
    return "yes" if reached else "**no**"
