"""A process that serves websockets."""

from __future__ import annotations

import trio

from media.urls import Signer
from realtime.accepting import accepting
from realtime.cluster.front import WorkerFront
from realtime.cluster.role import Role
from realtime.cluster.sockets import listen_beside
from realtime.files import Doors, raise_file_limit
from realtime.fitting import VERSION, fit_out, fittings_of, load_keys
from realtime.link.link import Link
from realtime.log_copy import find_topic
from realtime.stores import open_reads
from rpc.views import Views
from store.errors import Incompatible
from store.interface import Reads
from store.log import Head, read_head
from store.sources import Source


async def serve(role: Role) -> None:
    """Serves on the common port until it is told to stop; then drains within the grace."""
    settings, limit, link = role.settings, raise_file_limit(), role.link()
    async with open_reads(settings) as reads:
        head = await reads.read(read_head)
        topic = find_topic(settings)
        source = topic.source(reads, head.epoch, role.metrics) if topic is not None else None
        front = await _front(role, reads, link, head, source)

        def missing() -> dict[str, str]:
            return {
                **({"gateway": "draining"} if front.gateway.draining else {}),
                **({} if link.connected else {"writer": "away"}),
            }

        async with trio.open_nursery() as background:
            background.start_soon(_end_with_its_log, front)
            await background.start(link.run)
            if source is not None:
                background.start_soon(source.run)
            doors = Doors(limit, role.metrics, background)
            listeners = doors.guard(listen_beside(role.start.addresses))
            async with front.running(settings.grace), accepting(settings, front, listeners):
                role.control.ready(role.metrics, missing)
                await role.stop.wait()
            background.cancel_scope.cancel()


async def _end_with_its_log(front: WorkerFront) -> None:
    await front.log_replaced.wait()
    raise Incompatible("the writer has another log: this process starts anew")


async def _front(
    role: Role, reads: Reads, link: Link, head: Head, source: Source | None
) -> WorkerFront:
    fittings = fittings_of(role.settings, role.services, role.sender, role.start.media)
    keys = await load_keys(reads)
    urls = Signer([keys.media], fittings.media_base)
    front = WorkerFront(
        reads,
        link,
        fittings.clock,
        Views(urls),
        head,
        fittings.limits,
        role.metrics,
        source,
    )
    fit_out(front, fittings, keys, urls, f"{VERSION} (worker {role.start.name})")
    return front
