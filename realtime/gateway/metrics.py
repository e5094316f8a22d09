"""Figures of the gateway, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class GatewayMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge("sunwire_connections", "Open connections.", registry=registry)
        self._closed = Counter(
            "sunwire_closed", "Connections closed, by close code.", ("code",), registry=registry
        )
        self._messages = Counter(
            "sunwire_messages", "Websocket messages.", ("direction",), registry=registry
        )
        self._bytes = Counter("sunwire_bytes", "Their bytes.", ("direction",), registry=registry)
        self.lags = Counter(
            "sunwire_lags", "Times a session fell behind and caught up.", registry=registry
        )
        self.resyncs = Counter(
            "sunwire_resyncs", "Hellos whose cursor could not be resumed.", registry=registry
        )
        self._in = (self._messages.labels("in"), self._bytes.labels("in"))
        self._out = (self._messages.labels("out"), self._bytes.labels("out"))

    def closed(self, code: int) -> None:
        self._closed.labels(str(int(code))).inc()

    def received(self, size: int) -> None:
        self._in[0].inc()
        self._in[1].inc(size)

    def sent(self, size: int) -> None:
        self._out[0].inc()
        self._out[1].inc(size)
