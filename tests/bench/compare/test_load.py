"""The load generator, against Sunwire and against a server that does wrong."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.compare import builds
from bench.compare.rows import BY_KEY, Row
from bench.compare.run import Runner
from bench.compare.servers import Server, sunwire
from bench.compare.targets import failed, flaws

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def load() -> Path:
    try:
        builds.build("load")
    except builds.Missing as error:
        pytest.skip(f"the load generator needs Go: {error}")
    return builds.LOAD


@pytest.fixture(scope="module")
def runner(load: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    assert load.exists()
    return Runner(
        servers={"sunwire": sunwire()},
        folder=tmp_path_factory.mktemp("compare"),
        seconds=0.3,
        warm_up=0.1,
        server_cpu=-1,
        load_cpu=-1,
        scale=0.02,
        patience=1.0,
    )


def test_its_own_tests(load: Path) -> None:
    go = [str(Path(builds.tool("go"))), "test", "./..."]
    done = subprocess.run(go, cwd=builds.HERE / "load", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert load.exists()


def measure(runner: Runner, row: Row, rate: float | None = None) -> dict[str, Any]:
    figures = runner.measure(row, sunwire(), rate)
    assert not failed(figures), figures
    assert flaws(figures) == 0, figures
    assert 0 < figures["seconds"] < 20
    assert 0 <= figures["load_cpu"] < 1.5
    return figures


@pytest.mark.parametrize("row", ["calls-100", "calls-await", "calls-16", "fanout-1", "durable-16"])
def test_as_fast_as_answers_come(runner: Runner, row: str) -> None:
    for seconds in (runner.seconds, 2.0, 10.0):  # a busy machine may not sync once in the first
        figures = measure(dataclasses.replace(runner, seconds=seconds), BY_KEY[row])
        if figures["count"]:
            break
    assert figures["count"] > 0
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]


def test_a_rate_is_kept(runner: Runner) -> None:
    figures = measure(runner, BY_KEY["latency-sunwire"], rate=50.0)
    assert 5 <= figures["publications"] <= 25
    assert figures["p99_ms"] > 0


def test_sessions_that_idle(runner: Runner) -> None:
    figures = measure(runner, BY_KEY["memory"])
    assert figures["opened"] == 200
    assert figures["kib_after"] > figures["kib_before"] > 0


def test_sessions_that_idle_beside_calls(runner: Runner) -> None:
    figures = measure(runner, BY_KEY["sessions"])
    assert figures["opened"] > 100
    assert 20 <= figures["count"] <= 100  # of 60 that are due


def test_hellos_that_resume(runner: Runner) -> None:
    assert measure(runner, BY_KEY["hello"])["count"] == 199


def test_those_who_stopped_reading_catch_up(runner: Runner) -> None:
    figures = measure(runner, BY_KEY["stalled"], rate=300.0)
    assert figures["count"] > 0


def test_a_storm(runner: Runner) -> None:
    row = BY_KEY["storm"]
    figures = measure(runner, dataclasses.replace(row, task={**row.task, "jitter": 0.2}))
    assert figures["count"] == 200
    assert 0 < figures["time_to_last_s"] < 20


@pytest.mark.parametrize("fault", ["lost", "doubled", "wrong", "errors"])
@pytest.mark.parametrize("row", ["calls-16", "latency-sunwire"])
def test_what_goes_wrong_is_seen(runner: Runner, row: str, fault: str) -> None:
    command = [sys.executable, "-m", "tests.bench.compare.faulty_server", fault]
    server = Server("faulty", "a faulty one", lambda _: command)
    figures = runner.measure(BY_KEY[row], server, 50.0 if row == "latency-sunwire" else None)
    if failed(figures):  # cut connections may keep it from opening them all
        assert fault == "errors", figures
    else:
        assert figures[fault] > 0, figures
