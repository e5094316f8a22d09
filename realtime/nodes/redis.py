"""A bus that is a channel of a Redis, through coredis."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import anyio
import structlog
import trio
from anyio.abc import ByteStream
from coredis.connection import TCPConnection, TCPLocation
from prometheus_client import CollectorRegistry, Gauge

from realtime.nodes.address import RedisAddress
from realtime.nodes.bus import Listener

log = structlog.get_logger("redis")
logging.getLogger("coredis").setLevel(logging.CRITICAL)  # what there is to say is said here

CONNECT = 3.0  # seconds for a connection
ANSWER = 3.0  # seconds for any answer, and for what was said to be heard
BACKOFF = (0.05, 0.1, 0.2, 0.5, 1.0)  # seconds between the attempts to connect
LASTING = 5.0  # seconds after which a connection has not just failed


class RedisBus:
    """See `realtime.nodes.bus.Bus`. One connection both publishes and listens.

    A message counts as said once this end has heard it itself, in time: so a server that
    hangs, a line that is cut and a listener that does not keep up all end the connection, with
    whatever waits in it.
    """

    def __init__(self, address: RedisAddress, channel: str, metrics: CollectorRegistry) -> None:
        self._address = address
        self._channel = f"sunwire:{address.database}:{channel}".encode()
        self._wake = trio.Event()
        self._connected = False
        self._losses = 0
        self._said = b""
        self._echo = trio.Event()
        gauges: Sequence[tuple[str, str, Callable[[], float]]] = (
            ("sunwire_redis_connected", "Whether the Redis is there.", lambda: self._connected),
            ("sunwire_redis_losses", "Times the Redis was lost.", lambda: self._losses),
        )
        for title, text, value in gauges:
            Gauge(title, text, registry=metrics).set_function(value)

    def wake(self) -> None:
        self._wake.set()

    async def run(self, listener: Listener) -> None:
        attempt, quiet = 0, False
        while True:
            begun = trio.current_time()
            try:
                await self._converse(listener)
            except Exception as error:  # whatever has happened to it, there is another
                if self._connected:
                    self._connected, quiet = False, False
                    self._losses += 1
                    listener.disconnected()
                if not quiet:
                    log.warning("redis away", server=str(self._address), error=_reason(error))
                    quiet = True
            if trio.current_time() - begun > LASTING:
                attempt = 0
            await trio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
            attempt += 1

    async def _converse(self, listener: Listener) -> None:
        """One connection to its end, which is an exception."""
        address = self._address
        with trio.fail_after(CONNECT):
            stream = await anyio.connect_tcp(address.host, address.port)
        connection = _Connection(address, stream)
        async with trio.open_nursery() as nursery:
            await nursery.start(connection.run)
            connection.send_command(b"SUBSCRIBE", self._channel)
            # The other is answered out of the order, unless it is refused: then here.
            await connection.create_request(b"PING")
            self._connected = True
            log.info("redis connected", server=str(address))
            listener.connected()
            nursery.start_soon(self._publish, connection, listener)
            await self._listen(connection, listener)

    async def _publish(self, connection: TCPConnection, listener: Listener) -> None:
        while True:
            self._wake = trio.Event()
            message = listener.take()
            if not message:
                await self._wake.wait()
                continue
            self._said, self._echo = message, trio.Event()
            with trio.fail_after(ANSWER):
                await connection.create_request(b"PUBLISH", self._channel, message)
                await self._echo.wait()

    async def _listen(self, connection: TCPConnection, listener: Listener) -> None:
        async for kind, _, message in connection.push_messages:
            if message == self._said:
                self._echo.set()
            elif kind == b"message" and isinstance(message, bytes):
                listener.heard(message)


class _Connection(TCPConnection):
    """One on a stream that is there: coredis leaves buffers open where it finds nobody."""

    def __init__(self, address: RedisAddress, stream: ByteStream) -> None:
        super().__init__(
            TCPLocation(address.host, address.port),
            username=address.user or None,
            password=address.password or None,
            db=address.database,
            stream_timeout=ANSWER,
        )
        self._dialled = stream

    async def _connect(self) -> ByteStream:
        return self._dialled


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.__cause__ is not None:
        error = error.__cause__  # the one address, and what became of it
    if isinstance(error, trio.TooSlowError):
        return f"it did not answer within {ANSWER:g} seconds"
    return str(error) or type(error).__name__
