"""Figures of the calls, for Prometheus.

The client library's own counters take a lock and several calls each: more than a quick handler.
These are plain numbers of one thread, which the library reads when it is scraped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rpc.errors import Code
from rpc.proto import frames_pb2

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class _Method:
    """What is known of one method's calls."""

    __slots__ = ("answered", "counts", "failed", "seconds")

    def __init__(self) -> None:
        self.answered = 0
        self.failed: Counter[str] = Counter()  # by the name of the code
        self.counts = [0] * (len(SECONDS) + 1)  # by bucket, the last for longer ones
        self.seconds = 0.0


class CallMetrics(Collector):
    """Calls by method and code, and their duration by method. For one thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._methods: dict[str, _Method] = {}
        registry.register(self)

    def done(self, method: str, seconds: float) -> None:
        figures = self._of(method)
        figures.answered += 1
        figures.seconds += seconds
        figures.counts[bisect_left(SECONDS, seconds)] += 1

    def failed(self, method: str, code: frames_pb2.Code, seconds: float) -> None:
        figures = self._of(method)
        figures.failed[Code.Name(code)] += 1
        figures.seconds += seconds
        figures.counts[bisect_left(SECONDS, seconds)] += 1

    def refused(self, method: str, code: frames_pb2.Code) -> None:
        self._of(method).failed[Code.Name(code)] += 1

    def _of(self, method: str) -> _Method:
        figures = self._methods.get(method)
        if figures is None:
            figures = self._methods[method] = _Method()
        return figures

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "sunwire_calls", "Calls answered, by method and code.", labels=("method", "code")
        )
        seconds = HistogramMetricFamily(
            "sunwire_call_seconds", "From the frame to the answer.", labels=("method",)
        )
        for name, figures in self._methods.items():
            if figures.answered:
                calls.add_metric((name, "OK"), figures.answered)
            for code, count in figures.failed.items():
                calls.add_metric((name, code), count)
            if any(figures.counts):
                seconds.add_metric((name,), _buckets(figures.counts), figures.seconds)
        yield calls
        yield seconds


def _buckets(counts: list[int]) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus has them."""
    total = 0
    buckets = []
    for limit, count in zip((*map(str, map(float, SECONDS)), "+Inf"), counts, strict=True):
        total += count
        buckets.append((limit, float(total)))
    return buckets
