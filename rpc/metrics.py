"""Figures of the calls, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from rpc.errors import Code
from rpc.proto import frames_pb2

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class CallMetrics:
    """Calls by method and code, and their duration by method."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "sunwire_calls",
            "Calls answered, by method and code.",
            ("method", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "sunwire_call_seconds",
            "From the frame to the answer.",
            ("method",),
            buckets=SECONDS,
            registry=registry,
        )
        # Looking a child up by its labels costs more than counting with it.
        self._ok: dict[str, tuple[Counter, Histogram]] = {}

    def done(self, method: str, seconds: float) -> None:
        pair = self._ok.get(method)
        if pair is None:
            pair = self._calls.labels(method, "OK"), self._seconds.labels(method)
            self._ok[method] = pair
        pair[0].inc()
        pair[1].observe(seconds)

    def failed(self, method: str, code: frames_pb2.Code, seconds: float) -> None:
        self._calls.labels(method, Code.Name(code)).inc()
        self._seconds.labels(method).observe(seconds)

    def refused(self, method: str, code: frames_pb2.Code) -> None:
        self._calls.labels(method, Code.Name(code)).inc()
