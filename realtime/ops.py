"""The operations port: metrics, health, readiness. Keep it off the public network."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import h11
import structlog
import trio
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

log = structlog.get_logger("ops")

REQUEST_TIMEOUT = 5.0  # seconds for one connection, from accept to close
MAX_CONNECTIONS = 64  # more are closed at once

Ready = Callable[[], Awaitable[dict[str, str]]]
"""Names what is not ready, each with the reason; empty when everything is."""


class OpsServer:
    """`/metrics` for Prometheus, `/healthz` while the process lives, `/readyz` while it should
    get traffic (503 and the reasons otherwise). One request a connection."""

    def __init__(
        self, registry: CollectorRegistry, ready: Ready, timeout: float = REQUEST_TIMEOUT
    ) -> None:
        self._registry = registry
        self._ready = ready
        self._timeout = timeout
        self._limit = trio.CapacityLimiter(MAX_CONNECTIONS)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serves one connection; whatever the peer sends ends it alone."""
        with trio.move_on_after(self._timeout):
            try:
                if self._limit.available_tokens:
                    async with self._limit:
                        await self._serve(stream)
            except (h11.ProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # the peer's affair
            except Exception as error:
                log.error("operations request failed", exc_info=error)
        await trio.aclose_forcefully(stream)

    async def _serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=8192)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(4096)))
            elif isinstance(event, h11.Request):
                break
            else:
                return
        status, kind, body = await self._answer(event.method, event.target)
        headers = [
            ("content-type", kind),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        data = connection.send(h11.Response(status_code=status, headers=headers)) or b""
        if event.method != b"HEAD":
            data += connection.send(h11.Data(data=body)) or b""
        await stream.send_all(data)

    async def metrics(self) -> bytes:
        """The page for Prometheus."""
        return generate_latest(self._registry)

    async def _answer(self, method: bytes, target: bytes) -> tuple[int, str, bytes]:
        if method not in (b"GET", b"HEAD"):
            return 405, "text/plain", b"GET only\n"
        path = target.split(b"?")[0]
        if path == b"/metrics":
            return 200, CONTENT_TYPE_LATEST, await self.metrics()
        if path == b"/healthz":
            return 200, "text/plain", b"ok\n"
        if path == b"/readyz":
            missing = await self._ready()
            body = json.dumps({"ready": not missing, "missing": missing}).encode() + b"\n"
            return (503 if missing else 200), "application/json", body
        return 404, "text/plain", b"/metrics /healthz /readyz\n"
