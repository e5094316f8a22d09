"""The media host's sockets: hypercorn's Trio worker, made safe against its peers.

Two faults of hypercorn 0.18 are mended here. Bytes behind an upgrade request raised out of
one connection and ended the whole server; here a connection's failure is its own. And a send
was shielded from cancellation without a limit of time, so that a peer that stopped reading
kept the server from ever stopping; here a send has a deadline and can be cancelled.

Nothing is upgraded: no websocket, no HTTP/2 in clear text, since no handler is behind them.

What is a plain request for media does not come so far: `media.serving.direct` has answered it.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import h11
import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from media.app import MediaHost
from media.metrics import MediaMetrics
from media.serving.direct import Direct
from media.settings import MediaSettings

log = structlog.get_logger("media")

Listeners = Sequence[trio.abc.Listener[trio.SocketStream]]

SEND_PIECE = 64 * 1024  # bytes that a peer must take within `send_seconds`
LINGER_BYTES = 1024 * 1024


class MediaServer:
    """Serves media on listeners."""

    def __init__(self, host: MediaHost, settings: MediaSettings, metrics: MediaMetrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.app = _Guarded(host.app)
        self._direct = Direct(host.serving, host.limits, host.cors, settings, metrics)
        self.connections = 0
        self.config = Config()
        self.config.errorlog = None
        self.config.accesslog = None
        self.config.include_server_header = False
        self.config.h11_max_incomplete_size = settings.max_header_bytes
        # Hypercorn counts this from the connection, or the last answer, to a whole request
        # head: it bounds slow heads as well as idle connections.
        self.config.keep_alive_timeout = settings.header_seconds
        self.config.keep_alive_max_requests = sys.maxsize  # nothing grows with them

    async def serve(
        self,
        listeners: Listeners,
        *,
        shutdown: trio.Event,
        task_status: trio.TaskStatus[Listeners] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serves until `shutdown`; then it takes no more connections, closes the idle ones, and
        ends what is still under way after `grace_seconds`. Closes the listeners."""
        context = WorkerContext(None)
        async with trio.open_nursery() as handlers:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(
                    partial(
                        trio.serve_listeners,
                        partial(self._handle, context),
                        list(listeners),
                        handler_nursery=handlers,
                    )
                )
                accepting.start_soon(self._direct.watch)
                task_status.started(listeners)
                await shutdown.wait()
                accepting.cancel_scope.cancel()
            self._direct.stop()
            await context.terminated.set()
            handlers.cancel_scope.deadline = trio.current_time() + self.settings.grace_seconds

    async def _handle(self, context: WorkerContext, stream: trio.SocketStream) -> None:
        if self.connections >= self.settings.max_connections:
            self.metrics.connections_refused.inc()
            await trio.aclose_forcefully(stream)
            return
        self.connections += 1
        self.metrics.connections.set(self.connections)
        try:
            rest = await self._serve_directly(stream)
            if rest is not None:
                try:
                    await Connection(self, context, rest).run()
                finally:
                    await trio.aclose_forcefully(rest.stream)
        finally:
            self.connections -= 1
            self.metrics.connections.set(self.connections)

    async def _serve_directly(self, stream: trio.SocketStream) -> Rest | None:
        """What is left to hypercorn of a connection, if anything is."""
        own = socket.socket(fileno=stream.socket.detach())
        own.setblocking(False)
        data = None
        try:
            data = await self._direct.serve(own)
        finally:
            if data is None:
                own.close()
        if data is None:
            return None
        return Rest(trio.SocketStream(trio.socket.from_stdlib_socket(own)), data)


class Rest(NamedTuple):
    """A connection, and what has been read of it."""

    stream: trio.SocketStream
    data: bytes


class Connection(TCPServer):
    """One connection. Whatever happens on it ends it alone; nothing is raised but
    cancellation."""

    def __init__(self, server: MediaServer, context: WorkerContext, rest: Rest) -> None:
        plain: Any = rest.stream  # hypercorn's annotation knows TLS alone
        super().__init__(server.app, server.config, context, ConnectionState({}), plain)
        self._settings = server.settings
        self._data = rest.data
        self._sent = server.metrics.sent_bytes
        self._reading = trio.CancelScope()
        self._ended = False  # by us: the peer may still be sending

    async def run(self) -> None:
        try:
            await super().run()
        except* (
            OSError,  # of a peer that is gone already
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            h11.ProtocolError,
        ) as error:
            log.info("media connection ended", error=repr(error.exceptions[0]))
        except* Exception as error:
            log.error("media connection failed", exc_info=error)

    async def _read_data(self) -> None:
        made = self.protocol  # by hypercorn, just before
        made.protocol = _Http1(
            made.app,
            made.config,
            made.context,
            made.task_group,
            made.state,
            made.ssl,
            made.client,
            made.server,
            made.send,
        )
        with self._reading:
            await made.handle(RawData(self._data))
            await super()._read_data()
        if self._ended:
            await self._linger()
        await self.idle_task.stop()  # or the connection would be kept until it times out

    async def _linger(self) -> None:
        """Lets the peer finish sending and read the answer: closing a socket with bytes that
        nobody has read would take the answer away from it."""
        taken = 0
        with (
            contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError),
            trio.move_on_after(self._settings.linger_seconds),
        ):
            while taken < LINGER_BYTES:
                data = await self.stream.receive_some(SEND_PIECE)
                if not data:
                    return
                taken += len(data)

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, RawData):
            try:
                await self._send(event.data)
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                try:
                    await trio.aclose_forcefully(self.stream)
                    await self.protocol.handle(Closed())
                finally:
                    self._reading.cancel()
        elif isinstance(event, Closed):
            self._ended = True
            with contextlib.suppress(OSError):
                # As `send_eof`, without its checkpoint: this task may be cancelled already.
                self.stream.socket.shutdown(trio.socket.SHUT_WR)
            try:
                await self.protocol.handle(Closed())
            finally:
                self._reading.cancel()
        else:
            await super().protocol_send(event)

    async def _send(self, data: bytes) -> None:
        async with self.send_lock:
            with memoryview(data) as view:
                for at in range(0, len(view), SEND_PIECE):
                    with trio.fail_after(self._settings.send_seconds):
                        await self.stream.send_all(view[at : at + SEND_PIECE])
        self._sent.inc(len(data))


class _Http1(H11Protocol):
    """HTTP/1.1 and nothing that it could be upgraded to: the header is not seen."""

    async def _check_protocol(self, event: h11.Request) -> None:
        return None

    async def _create_stream(self, request: h11.Request) -> None:
        await super()._create_stream(
            h11.Request(
                method=request.method,
                target=request.target,
                headers=[one for one in request.headers if one[0] != b"upgrade"],
                http_version=request.http_version,
            )
        )


class _Guarded(ASGIWrapper):
    """An application whose failure ends its connection, and leaves nobody waiting for it."""

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
        sync_spawn: Callable[..., Any],
        call_soon: Callable[..., Any],
    ) -> None:
        if not scope["path"].startswith("/"):  # `OPTIONS *`, `CONNECT host:port`
            await send({"type": "http.response.start", "status": 400, "headers": _NO_BODY})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            log.error("media answer broke off", path=scope["path"], exc_info=error)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_drain, receive)
                await send(None)
                nursery.cancel_scope.cancel()


_NO_BODY = [(b"content-length", b"0"), (b"connection", b"close")]


async def _drain(receive: Callable[[], Awaitable[Any]]) -> None:
    """Takes what the connection still hands over: its queue must not fill."""
    while True:
        await receive()
