"""Medians, targets, and the pages made of them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from bench.compare.plot import plot
from bench.compare.report import remarks, table
from bench.compare.rows import BY_KEY, ROWS
from bench.compare.run import merged
from bench.compare.targets import (
    Against,
    AtLeast,
    AtMost,
    Beside,
    Flawless,
    Target,
    flaws,
    median,
)

CALLS, LATENCY = BY_KEY["calls-100"], BY_KEY["latency-sunwire"]
ABOUT = {"machine": "2 cores of a thing", "versions": {"Python": "3"}}


def run(value: float = 0.0, **more: Any) -> dict[str, Any]:
    """What one run of the load generator gives."""
    known = ("lost", "doubled", "wrong", "errors", "rate", "other_cpu")
    shares = {"server_cpu": 1.0, "load_cpu": 0.5, "p50_ms": 1.0, "first_error": ""}
    values = dict.fromkeys(("per_second", "p99_ms", "per_cpu_second"), value)
    return dict.fromkeys(known, 0) | shares | values | more


FAILED = {"failure": "it did not start | at all"}


def test_the_median_is_of_the_runs_that_gave_a_figure() -> None:
    runs = {"calls-100": {"sunwire": [run(1), FAILED, run(9), run(2)], "picows": [FAILED]}}
    assert median(CALLS, runs, "sunwire") == 2
    assert median(CALLS, runs, "picows") is None
    assert median(CALLS, runs, "node") is None


@pytest.mark.parametrize(("own", "reached"), [(90, True), (89, False)])
def test_as_much_as_a_peer(own: float, reached: bool) -> None:
    runs = {"calls-100": {"sunwire": [run(own)], "picows": [run(100)]}}
    verdict = Against(0.9, "picows").judge(CALLS, runs)
    assert verdict.reached is reached
    assert verdict.found == f"{own / 100:.2f} ×"


@pytest.mark.parametrize(("own", "reached"), [(5, True), (5.1, False)])
def test_no_later_than_a_peer(own: float, reached: bool) -> None:
    runs = {"latency-sunwire": {"sunwire": [run(own)], "centrifuge": [run(5)]}}
    assert Against(1.0, "centrifuge").judge(LATENCY, runs).reached is reached


def test_a_peer_that_lost_some_in_every_run_has_not_done_it() -> None:
    runs = {"latency-sunwire": {"sunwire": [run(5)], "centrifuge": [run(1, lost=3)]}}
    verdict = Against(1.0, "centrifuge").judge(LATENCY, runs)
    assert verdict.reached
    assert "without loss" in verdict.found


@pytest.mark.parametrize(
    "target",
    [Against(1, "picows"), AtLeast(1), AtMost(1), Beside(1.25, "calls-2000"), Flawless()],
)
def test_nothing_is_said_of_what_was_not_measured(target: Target) -> None:
    assert target.judge(CALLS, {}).reached is None


def test_bounds() -> None:
    runs = {"calls-100": {"sunwire": [run(8)]}, "calls-2000": {"sunwire": [run(6.4)]}}
    assert AtLeast(8).judge(CALLS, runs).reached
    assert not AtLeast(8.1).judge(CALLS, runs).reached
    assert AtMost(8).judge(CALLS, runs).reached
    assert not AtMost(7.9).judge(CALLS, runs).reached
    assert Beside(1.25, "calls-2000").judge(CALLS, runs).reached
    assert not Beside(1.2, "calls-2000").judge(CALLS, runs).reached


@pytest.mark.parametrize("flaw", ["lost", "doubled", "wrong", "errors"])
def test_one_flaw_in_one_run_is_one_too_many(flaw: str) -> None:
    runs = {"calls-100": {"sunwire": [run(1), run(1, **{flaw: 1})]}}
    assert flaws(runs["calls-100"]["sunwire"][1]) == 1
    assert Flawless().judge(CALLS, runs).reached is False


def test_a_failed_run_is_a_flaw() -> None:
    assert Flawless().judge(CALLS, {"calls-100": {"sunwire": [FAILED]}}).reached is False


def test_the_page_has_each_row_and_server_that_was_measured() -> None:
    runs = {
        "calls-100": {"sunwire": [run(90_000), run(91_000)], "picows": [run(100_000)]},
        "fanout-1": {"sunwire": [run(5)], "node": [FAILED]},
    }
    page = table(ROWS, runs, {"picows": "picows + uvloop"}, ABOUT)
    assert "| picows + uvloop | **100,000** (100,000–100,000) |" in page
    assert "**90,500** (90,000–91,000)" in page
    assert "at least 0.9 × picows | 0.91 × | yes |" in page
    assert "failed: it did not start / at all" in page
    assert page.count("\n## ") == 2
    for line in page.splitlines():  # every line of a table has as many cells as its head
        if line.startswith("| server"):
            cells = line.count("|")
        elif line.startswith("|") and "|---" not in line and "## " in page[: page.index(line)]:
            assert line.count("|") == cells, line


def test_a_generator_at_its_limit_and_noise_are_said() -> None:
    assert not list(remarks([run(1, load_cpu=0.9)]))
    assert "at its limit" in next(remarks([run(1, load_cpu=0.91)]))
    assert "other processes" in next(remarks([run(1, other_cpu=0.5)]))
    assert list(remarks([run(1, lost=2), run(1, lost=3)])) == ["lost 5"]
    assert list(remarks([run(1), FAILED])) == ["1 of 2 runs failed"]


def test_the_plot_has_a_bar_for_each_server() -> None:
    runs = {"calls-100": {"sunwire": [run(50)], "picows": [run(100)]}, "hello": {}}
    tree = ElementTree.fromstring(plot(ROWS, runs, {}))
    bars = [one for one in tree if one.tag.endswith("rect")][1:]  # the first is the ground
    assert [float(one.attrib["width"]) for one in bars] == [440.0, 220.0]
    assert "picows" in [one.text for one in tree]


def test_what_is_kept_gives_way_to_what_is_new() -> None:
    old = {"a": {"x": [run(1)], "y": [run(2)]}, "b": {"x": [run(3)]}}
    new = {"a": {"x": [run(4)]}, "c": {"x": [run(5)]}}
    both = merged(old, new)
    assert both == {
        "a": {"x": [run(4)], "y": [run(2)]},
        "b": {"x": [run(3)]},
        "c": {"x": [run(5)]},
    }


def test_rows_name_rows_and_servers_that_there_are() -> None:
    for row in ROWS:
        assert row.servers[0] == "sunwire"
        for target in row.targets:
            if isinstance(target, Against):
                assert target.peer in row.servers
            if isinstance(target, Beside):
                assert BY_KEY[target.other].unit == row.unit
        if row.half_of:
            assert row.half_of[1] in BY_KEY[row.half_of[0]].servers
