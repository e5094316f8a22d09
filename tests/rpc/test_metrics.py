"""The figures of the calls are scraped as the client library's own would be."""

from __future__ import annotations

import trio
import trio.testing
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from rpc.context import CallContext
from rpc.errors import Code
from rpc.metrics import SECONDS, CallMetrics
from tests.rpc.dispatching import dispatching
from tests.rpc.probe import Ask, Told


def scraped(registry: CollectorRegistry) -> list[str]:
    """Without the times at which the library made its counters."""
    text = generate_latest(registry).decode()
    return sorted(line for line in text.splitlines() if "_created" not in line)


def test_they_are_those_of_the_library() -> None:
    registry, library = CollectorRegistry(), CollectorRegistry()
    metrics = CallMetrics(registry)
    calls = Counter(
        "sunwire_calls",
        "Calls answered, by method and code.",
        ("method", "code"),
        registry=library,
    )
    seconds = Histogram(
        "sunwire_call_seconds",
        "From the frame to the answer.",
        ("method",),
        buckets=SECONDS,
        registry=library,
    )
    for time in (0.0, 0.001, 0.0011, 0.1, 3, 10, 11):
        metrics.done("A.B", time)
        calls.labels("A.B", "OK").inc()
        seconds.labels("A.B").observe(time)
    for method, time in (("A.B", 0.25), ("C.D", 7)):
        metrics.failed(method, Code.NOT_FOUND, time)
        calls.labels(method, "NOT_FOUND").inc()
        seconds.labels(method).observe(time)
    metrics.refused("unknown", Code.UNKNOWN_METHOD)  # it never ran: it has no time
    calls.labels("unknown", "UNKNOWN_METHOD").inc()
    assert scraped(registry) == scraped(library)


async def test_a_call_answered_at_once_is_timed_by_the_same_clock(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def late(_: CallContext, __: Ask) -> Told:
        autojump_clock.jump(3)  # as another handler of the same batch would take its time
        return Told()

    async with dispatching() as kit:
        kit.probe.peeked = late
        await kit.result("Peek")
        labels = {"method": "Probe.Peek"}
        assert kit.metrics.get_sample_value("sunwire_call_seconds_sum", labels) == 3
