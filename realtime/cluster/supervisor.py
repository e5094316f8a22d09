"""Starts the processes of a server, keeps them alive, and ends them in their order."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import structlog
import trio
from prometheus_client import CollectorRegistry

from realtime.blobs import make_tables
from realtime.cluster import metrics
from realtime.cluster.control import MEDIA, WORKER, WRITER, Report, Start, plain
from realtime.cluster.process import Process
from realtime.cluster.sockets import addresses_of, link_socket, reserve
from realtime.files import raise_file_limit
from realtime.fitting import load_or_make_keys
from realtime.log_copy import check_topic
from realtime.ops import REQUEST_TIMEOUT, OpsServer
from realtime.redis import redis_of
from realtime.settings import Settings
from realtime.startup import Listening, StartError, data_folder, listen
from realtime.stores import (
    bring_up_to_date,
    name_of,
    open_store,
    refuse_old_backup,
    store_starts,
)

log = structlog.get_logger("app")

Wait = Callable[[], Awaitable[None]]

LAST = 5.0  # seconds over the grace for a process to end; then it is killed
WRITER_LAST = 10.0  # seconds for the writer to commit what is left


async def supervise(
    settings: Settings,
    *,
    stop: trio.Event,
    task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `stop` is set, in several processes, then drains within the grace time.
    Raises `StartError`. Whatever ends this process ends the others."""
    if sys.platform != "linux":
        raise StartError("several processes (--workers) need Linux: leave --workers at 1")
    redis_of(settings)  # what is wrong with it is said now
    raise_file_limit()
    with data_folder(settings.data) as lock:
        async with _open_sockets(settings) as sockets:
            await _prepare(settings)
            with link_socket(settings.data) as link, _lifeline() as lifeline:
                server = _Server(settings, lock, lifeline, link, sockets)
                await server.run(stop, task_status)
    log.info("stopped")


async def _prepare(settings: Settings) -> None:
    """Migrates before there is anybody to read, and makes the keys that all need."""
    await check_topic(settings)
    async with open_store(settings) as store:
        with store_starts(settings):
            await bring_up_to_date(store, check=settings.migrate == "check")
            await refuse_old_backup(store, settings.data)
            await load_or_make_keys(store)
        await make_tables(settings, store, check=settings.migrate == "check")


@contextlib.contextmanager
def _lifeline() -> Iterator[int]:
    """A pipe's end to be inherited: it ends when this process does, which has the other."""
    inherited, ours = os.pipe()
    try:
        yield inherited
    finally:
        os.close(inherited)
        os.close(ours)


class _Sockets(NamedTuple):
    """Those of the websocket are reserved for the workers; the others listen."""

    websocket: list[socket.socket]
    media: list[trio.SocketListener]
    ops: list[trio.SocketListener]

    def where(self) -> Listening:
        names = [self.websocket[0].getsockname()]
        names += [group[0].socket.getsockname() for group in (self.media, self.ops)]
        return Listening(*((name[0], name[1]) for name in names))


@asynccontextmanager
async def _open_sockets(settings: Settings) -> AsyncIterator[_Sockets]:
    async with AsyncExitStack() as stack:
        websocket = await reserve("websocket", "listen", settings.listen)
        for reserved in websocket:
            stack.callback(reserved.close)
        listening = []
        for what, address in (("media", settings.media), ("ops", settings.ops)):
            listening.append(await listen(what, what, address))
            for listener in listening[-1]:
                stack.push_async_callback(listener.aclose)
        yield _Sockets(websocket, *listening)


class _Server:
    """The processes, and what is asked of them together."""

    def __init__(
        self, settings: Settings, lock: int, lifeline: int, link: socket.socket, sockets: _Sockets
    ) -> None:
        def start(role: str, name: str) -> Start:
            inherited = {
                WRITER: [link.fileno()],
                MEDIA: [one.socket.fileno() for one in sockets.media],
            }
            return Start(
                role,
                name,
                plain(settings),
                lifeline,
                lock,
                inherited.get(role, []),
                addresses_of(sockets.websocket),
                self.where.media,
            )

        self._settings = settings
        self._sockets = sockets
        self.where = sockets.where()
        self._writer = Process(WRITER, WRITER, start)
        self._workers = [
            Process(WORKER, str(number), start) for number in range(1, settings.workers + 1)
        ]
        self._others = [*self._workers, Process(MEDIA, MEDIA, start)]
        self._processes = [self._writer, *self._others]
        self._stopping = False

    async def run(self, stop: trio.Event, task_status: trio.TaskStatus[Listening]) -> None:
        async with trio.open_nursery() as nursery:
            for process in self._processes:
                nursery.start_soon(process.keep)
            ops = _Operations(self, min(self._settings.handshake, REQUEST_TIMEOUT))
            await nursery.start(trio.serve_listeners, ops.handle, self._sockets.ops)
            if await _first(stop.wait, self._wait_ready):
                log.info(
                    "serving",
                    websocket=self.where.websocket,
                    media=self.where.media,
                    ops=self.where.ops,
                    data=str(self._settings.data),
                    store=name_of(self._settings),
                    workers=len(self._workers),
                )
                task_status.started(self.where)
            await stop.wait()
            log.info("stopping", grace=self._settings.grace)
            await self._stop()
            nursery.cancel_scope.cancel()

    async def _wait_ready(self) -> None:
        for process in self._processes:
            await process.ready.wait()

    async def _stop(self) -> None:
        """Those whom clients see drain side by side; the writer ends when nobody needs it."""
        self._stopping = True
        await _end(self._others, self._settings.grace + LAST)
        await _end([self._writer], WRITER_LAST)

    async def ask(self) -> dict[str, Report | None]:
        """How every process is."""
        found: dict[str, Report | None] = {process.name: None for process in self._processes}

        async def ask(process: Process) -> None:
            found[process.name] = await process.ask()

        async with trio.open_nursery() as nursery:
            for process in self._processes:
                nursery.start_soon(ask, process)
        return found

    async def missing(self) -> dict[str, str]:
        """Why there should be no traffic: without the writer nothing changes, and one worker
        serves for all."""
        if self._stopping:
            return {"gateway": "draining"}
        reports = await self.ask()
        if reports[WRITER] is None:
            return {WRITER: "away"}
        workers = [reports[process.name] for process in self._workers]
        if not any(report is not None and not report.missing for report in workers):
            return {"workers": "none is ready"}
        return {}

    async def page(self) -> bytes:
        deaths = {process.name: process.deaths for process in self._processes}
        return metrics.page(await self.ask(), deaths)


class _Operations(OpsServer):
    """The operations port of all processes."""

    def __init__(self, server: _Server, timeout: float) -> None:
        super().__init__(CollectorRegistry(), server.missing, timeout)
        self._server = server

    async def metrics(self) -> bytes:
        return await self._server.page()


async def _end(processes: Sequence[Process], seconds: float) -> None:
    for process in processes:
        process.stop()
    with trio.move_on_after(seconds):
        for process in processes:
            await process.wait_ended()
        return
    for process in processes:
        if process.kill():
            log.error("process killed", name=process.name, seconds=seconds)
    for process in processes:
        await process.wait_ended()


async def _first(one: Wait, other: Wait) -> bool:
    """Whether the other came first."""
    first = []

    async def wait(which: Wait, scope: trio.CancelScope) -> None:
        await which()
        first.append(which is other)
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, one, nursery.cancel_scope)
        nursery.start_soon(wait, other, nursery.cancel_scope)
    return first[0]
