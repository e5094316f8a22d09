"""`python -m realtime bench` measures a real server and finds nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.real.process import ROOT

pytestmark = pytest.mark.real

SHORT = ("--seconds", "1", "--warm-up", "0.1", "--json")


def _bench(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "realtime", "bench", *arguments, *SHORT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    assert (figures["lost"], figures["doubled"], figures["failed"]) == (0, 0, 0)
    assert 0 <= figures["load_cpu"] <= 1.1
    return figures


def test_sends() -> None:
    figures = _bench("sends", "--connections", "4", "--in-flight", "2")
    assert figures["sends_per_second"] > 0
    assert figures["deliveries_per_second"] > 0
    assert 0 < figures["send_p50_ms"] <= figures["send_p99_ms"]


def test_calls() -> None:
    assert _bench("calls", "--connections", "2")["calls_per_second"] > 0


def test_fanout() -> None:
    figures = _bench("fanout", "--members", "20", "--rate", "50", "--workers", "2")
    assert figures["workers"] == 2
    assert figures["deliveries_per_second"] > 0
    assert figures["delivery_p50_ms"] > 0


def test_idle() -> None:
    assert _bench("idle", "--connections", "20")["connections"] == 20
