"""The process that writes: the log, its consumers, and what looks after the tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
import trio
from prometheus_client import Gauge

from realtime.blobs import open_blobs
from realtime.cluster.role import Role
from realtime.cluster.sockets import inherited, is_own
from realtime.events.ledger import Ledger
from realtime.fitting import keep_of, projections, timeline_limits
from realtime.housekeeping import Collector
from realtime.link.switchboard import Switchboard
from realtime.log_copy import find_topic
from realtime.redis import others_of, redis_of
from realtime.seen import keep_noting
from realtime.stores import open_store
from store.blobs import BlobStore
from store.changes import motion as _motion  # noqa: F401  so that the media host can hand it over
from store.interface import Store
from store.log import Batch, Entry, read_head
from store.projections.base import CountsHint, HomeHint

log = structlog.get_logger("app")


async def write(role: Role) -> None:
    """Serves the links until it is told to stop; then commits what was promised."""
    settings = role.settings
    async with open_store(settings) as store, open_blobs(settings, role.clock) as blobs:
        await _write(role, store, blobs)


async def _write(role: Role, store: Store, blobs: BlobStore) -> None:
    boards: list[Switchboard] = []

    def committed(batch: Batch) -> None:
        boards[0].committed(batch)

    def hint(hints: Sequence[HomeHint | CountsHint]) -> None:
        boards[0].hint(hints)

    def others_committed(entries: Sequence[Entry], position: int) -> None:
        boards[0].reached(position, entries)

    head = await store.read(read_head)
    others = await others_of(redis_of(role.settings), store, head, role.metrics)
    topic = find_topic(role.settings)
    copy = topic.copy(store, head.epoch, role.clock, role.metrics) if topic is not None else None
    ledger = Ledger(store, head, role.clock, role.metrics, committed, hint, others_committed, copy)
    ledger.add_consumers(projections(timeline_limits(role.settings)), keep_of(role.settings))
    async with trio.open_nursery() as work:
        board = Switchboard(store, ledger.batcher, role.clock, head, work, others)
        boards.append(board)
        others.attach(board, ledger)
        links = Gauge("sunwire_links", "Processes at the writer.", registry=role.metrics)
        links.set_function(lambda: board.links)
        async with others.running(), ledger.running():
            work.start_soon(board.presence.run)
            work.start_soon(keep_noting, role.settings.data, head.epoch, lambda: board.position)
            work.start_soon(Collector(store, blobs, role.clock, role.metrics).run)
            listeners = inherited(role.start.sockets)
            await work.start(partial(trio.serve_listeners, _own_alone(board), listeners))
            role.control.ready(role.metrics, dict)
            await role.stop.wait()
        work.cancel_scope.cancel()


def _own_alone(board: Switchboard) -> Callable[[trio.SocketStream], Awaitable[None]]:
    async def handle(stream: trio.SocketStream) -> None:
        try:
            if is_own(stream):
                await board.handle(stream)
            else:
                log.warning("link refused", why="another user")
        except Exception as error:
            log.error("link failed", exc_info=error)
        await trio.aclose_forcefully(stream)

    return handle
