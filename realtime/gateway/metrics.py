"""Figures of the gateway, for Prometheus: plain numbers of one thread, read when scraped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class GatewayMetrics(Collector):
    """Counted by the sessions of one node, all in one thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = 0
        self.messages_in = 0
        self.messages_out = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.lags = 0
        self.resyncs = 0
        self._closed: Counter[str] = Counter()
        registry.register(self)

    def closed(self, code: int) -> None:
        self._closed[str(int(code))] += 1

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("sunwire_connections", "Open connections.", self.connections)
        closed = CounterMetricFamily(
            "sunwire_closed", "Connections closed, by close code.", labels=("code",)
        )
        for code, count in self._closed.items():
            closed.add_metric((code,), count)
        yield closed
        for name, text, inwards, outwards in (
            ("messages", "Websocket messages.", self.messages_in, self.messages_out),
            ("bytes", "Their bytes.", self.bytes_in, self.bytes_out),
        ):
            family = CounterMetricFamily(f"sunwire_{name}", text, labels=("direction",))
            family.add_metric(("in",), inwards)
            family.add_metric(("out",), outwards)
            yield family
        yield CounterMetricFamily(
            "sunwire_lags", "Times a session fell behind and caught up.", self.lags
        )
        yield CounterMetricFamily(
            "sunwire_resyncs", "Hellos whose cursor could not be resumed.", self.resyncs
        )
