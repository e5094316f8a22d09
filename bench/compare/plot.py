"""The figures as bars, one panel a row, in one SVG (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from bench.compare.rows import Row
from bench.compare.targets import Runs, median, shown

WIDTH = 760
NAMES = 190  # pixels for the names of the servers
VALUES = 130  # and for the figures behind the bars
BAR = 15
GAP = 5
HEAD = 40  # above the bars of a panel
OWN, OTHER = "#d9480f", "#868e96"


def plot(rows: Sequence[Row], runs: Runs, titles: Mapping[str, str]) -> str:
    """Panels of the rows in which Sunwire is beside others."""
    panels: list[str] = []
    y = 10
    for row in rows:
        values = {name: median(row, runs, name) for name in runs.get(row.key, {})}
        known = {name: value for name, value in values.items() if value is not None}
        if len(known) > 1:
            panels += _panel(row, known, titles, y)
            y += HEAD + len(known) * (BAR + GAP) + 15
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _panel(
    row: Row, values: Mapping[str, float], titles: Mapping[str, str], y: int
) -> Iterator[str]:
    better = "less is better" if row.lower_is_better else "more is better"
    title = f"{row.title}: {row.unit}, {better}"
    yield f'<text x="10" y="{y + 22}" font-weight="bold">{escape(title)}</text>'
    top = max(values.values()) or 1.0
    room = WIDTH - NAMES - VALUES
    at = y + HEAD
    for name, value in sorted(
        values.items(), key=lambda one: one[1], reverse=not row.lower_is_better
    ):
        length = max(value / top * room, 1.0)
        colour = OWN if name == "sunwire" else OTHER
        base = at + BAR - 3
        yield (
            f'<text x="{NAMES - 8}" y="{base}" text-anchor="end">'
            f"{escape(titles.get(name, name))}</text>"
        )
        yield (f'<rect x="{NAMES}" y="{at}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>')
        yield f'<text x="{NAMES + length + 6:.1f}" y="{base}">{shown(value, row.digits)}</text>'
        at += BAR + GAP
