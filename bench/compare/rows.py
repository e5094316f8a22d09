"""What is measured, of whom, and what is asked of it."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.compare.targets import Against, AtLeast, AtMost, Beside, Flawless, Target

Figures = dict[str, Any]
"""What the load generator saw in one run (`figures` in load/main.go)."""

SPARE_FILES = 500  # descriptors that a server has beside those of its sessions
MOST = 25_000  # sessions from one address of the loopback, which has some 28,000 ports


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement. `task` is what the load generator is told beside who connects."""

    key: str
    title: str
    unit: str
    task: Mapping[str, Any]
    servers: tuple[str, ...]
    people: int
    shape: str = "five"
    figure: Callable[[Figures], float]
    digits: int = 0
    lower_is_better: bool = False
    targets: tuple[Target, ...] = field(default=())
    half_of: tuple[str, str] | None = None
    """(row, server): runs at half the publications a second that this row gave for it."""
    most_rounds: int = 99
    seconds: float | None = None
    """Its window, where it is not the caller's choice."""


def _per_second(figures: Figures) -> float:
    return float(figures["per_second"])


def _p99(figures: Figures) -> float:
    return float(figures["p99_ms"])


def _kib_each(figures: Figures) -> float:
    return float((figures["kib_after"] - figures["kib_before"]) / figures["opened"])


def _opened(figures: Figures) -> float:
    return float(figures["opened"])


def _time_to_last(figures: Figures) -> float:
    return float(figures["time_to_last_s"])


def most_sessions() -> int:
    """As many as the hard limit on open files allows, less some for the server itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(MOST, hard - SPARE_FILES) if hard != resource.RLIM_INFINITY else MOST


SUNWIRE = ("sunwire",)
PLAIN = ("sunwire", "picows", "websockets", "aiohttp", "node", "centrifuge")
ALL = (*PLAIN, "picows-batch", "node-batch", "centrifuge-batch")
CALLS = {"mode": "calls", "size": 100, "method": "Echo", "opening": 64}
ROOM = {"mode": "fanout", "size": 200, "opening": 64, "connections": 1000}
ALIVE = {"heartbeat": 30.0}
STALL_SECONDS = 10.0  # the server gives up a socket that takes nothing for 20

ROWS: tuple[Row, ...] = (
    Row(
        key="calls-100",
        title="calls, handler that never awaits, 100 connections, 1 in flight",
        unit="calls/s",
        task={**CALLS, "connections": 100},
        servers=PLAIN,
        people=2000,
        figure=_per_second,
        targets=(Against(0.9, "picows"),),
    ),
    Row(
        key="calls-2000",
        title="calls, handler that never awaits, 2,000 connections, 1 in flight",
        unit="calls/s",
        task={**CALLS, "connections": 2000},
        servers=PLAIN,
        people=2000,
        figure=_per_second,
        targets=(Against(1.0, "picows"),),
    ),
    Row(
        key="calls-await",
        title="calls, handler that awaits, 100 connections, 1 in flight",
        unit="calls/s",
        task={**CALLS, "connections": 100, "method": "EchoAwait"},
        servers=PLAIN,
        people=2000,
        figure=_per_second,
        targets=(Against(0.7, "picows"),),
    ),
    Row(
        key="calls-16",
        title="calls, handler that never awaits, 100 connections, 16 in flight",
        unit="calls/s",
        task={**CALLS, "connections": 100, "in_flight": 16},
        servers=(*PLAIN, "picows-batch", "node-batch"),
        people=2000,
        figure=_per_second,
        targets=(Against(2.0, "picows"),),
    ),
    Row(
        key="fanout-1",
        title="broadcasts to a room of 1,000, 1 outstanding",
        unit="deliveries/s",
        task=ROOM,
        servers=ALL,
        people=1000,
        shape="one",
        figure=_per_second,
        targets=(Against(1.0, "picows"),),
    ),
    Row(
        key="fanout-16",
        title="broadcasts to a room of 1,000, 16 outstanding",
        unit="deliveries/s",
        task={**ROOM, "in_flight": 16},
        servers=ALL,
        people=1000,
        shape="one",
        figure=_per_second,
        targets=(Against(2.0, "centrifuge"), Against(2.0, "centrifuge-batch")),
    ),
    Row(
        key="latency-sunwire",
        title="delivery to a room of 1,000 at half of Sunwire's top rate, p99",
        unit="ms",
        task=ROOM,
        servers=("sunwire", "centrifuge", "centrifuge-batch", "picows-batch"),
        people=1000,
        shape="one",
        figure=_p99,
        digits=2,
        lower_is_better=True,
        targets=(Against(1.0, "centrifuge"), Against(1.0, "centrifuge-batch")),
        half_of=("fanout-16", "sunwire"),
    ),
    Row(
        key="latency-centrifuge",
        title="delivery to a room of 1,000 at half of centrifuge's top rate, p99",
        unit="ms",
        task=ROOM,
        servers=("sunwire", "centrifuge", "centrifuge-batch", "picows-batch"),
        people=1000,
        shape="one",
        figure=_p99,
        digits=2,
        lower_is_better=True,
        targets=(Against(1.0, "centrifuge"), Against(1.0, "centrifuge-batch")),
        half_of=("fanout-16", "centrifuge"),
    ),
    Row(
        key="memory",
        title="memory of an idle session in 5 rooms, of 10,000",
        unit="KiB",
        task={"mode": "idle", "opening": 64, **ALIVE},
        servers=PLAIN,
        people=10_000,
        figure=_kib_each,
        digits=1,
        lower_is_better=True,
        targets=(AtMost(8.0),),
    ),
    Row(
        key="hello",
        title="hellos: handshake, token, 5 rooms, resume answer; 64 at a time, of 10,000",
        unit="hellos/s",
        task={"mode": "hello", "opening": 64, **ALIVE},
        servers=PLAIN,
        people=10_000,
        figure=_per_second,
        targets=(AtLeast(3000), Flawless()),
    ),
    Row(
        key="storm",
        title="10,000 sessions cut at once, back within 5 s, each missed 5 messages: to the last",
        unit="s",
        task={"mode": "storm", "opening": 200, "jitter": 5.0, "size": 100, **ALIVE},
        servers=SUNWIRE,
        people=10_000,
        figure=_time_to_last,
        digits=2,
        lower_is_better=True,
        targets=(Flawless(),),
        most_rounds=3,
    ),
    Row(
        key="durable-1",
        title="stored messages to a room of 1,000, 1 outstanding",
        unit="deliveries/s",
        task={**ROOM, "durable": True},
        servers=SUNWIRE,
        people=1000,
        shape="one",
        figure=_per_second,
    ),
    Row(
        key="durable-16",
        title="stored messages to a room of 1,000, 16 outstanding",
        unit="deliveries/s",
        task={**ROOM, "durable": True, "in_flight": 16},
        servers=SUNWIRE,
        people=1000,
        shape="one",
        figure=_per_second,
    ),
    Row(
        key="reading",
        title="stored messages to a room of 1,000 at half of their top rate, p99",
        unit="ms",
        task={**ROOM, "durable": True, "size": 1000},
        servers=SUNWIRE,
        people=1000,
        shape="one",
        figure=_p99,
        digits=2,
        lower_is_better=True,
        half_of=("durable-16", "sunwire"),
        seconds=STALL_SECONDS,
    ),
    Row(
        key="stalled",
        title="stored messages at that rate, 50 have stopped reading, p99 of the others",
        unit="ms",
        task={**ROOM, "durable": True, "size": 1000, "stalled": 50},
        servers=SUNWIRE,
        people=1000,
        shape="one",
        figure=_p99,
        digits=2,
        lower_is_better=True,
        targets=(Beside(1.25, "reading"), Flawless()),
        half_of=("durable-16", "sunwire"),
        seconds=STALL_SECONDS,
    ),
    Row(
        key="reading-live",
        title="broadcasts to a room of 1,000 at half of their top rate, p99",
        unit="ms",
        task=ROOM,
        servers=SUNWIRE,
        people=1000,
        shape="one",
        figure=_p99,
        digits=2,
        lower_is_better=True,
        half_of=("fanout-16", "sunwire"),
        seconds=STALL_SECONDS,
    ),
    Row(
        key="stalled-live",
        title="broadcasts at that rate, 50 have stopped reading, p99 of the others",
        unit="ms",
        task={**ROOM, "stalled": 50},
        servers=SUNWIRE,
        people=1000,
        shape="one",
        figure=_p99,
        digits=2,
        lower_is_better=True,
        targets=(Beside(1.25, "reading-live"), Flawless()),
        half_of=("fanout-16", "sunwire"),
        seconds=STALL_SECONDS,
    ),
    Row(
        key="sessions",
        title="idle sessions in one process, and 200 calls a second for 2 minutes",
        unit="sessions",
        task={
            "mode": "calls",
            "size": 100,
            "method": "Echo",
            "rate": 200.0,
            "opening": 64,
            **ALIVE,
        },
        servers=SUNWIRE,
        people=most_sessions(),
        figure=_opened,
        targets=(AtLeast(most_sessions()), Flawless()),
        most_rounds=1,
        seconds=120.0,
    ),
)

BY_KEY = {row.key: row for row in ROWS}
