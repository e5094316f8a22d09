"""The process that serves media, for all workers: one cache, one pool of image workers, and no
upload or download in the way of a websocket."""

from __future__ import annotations

import trio

from media.urls import Signer
from realtime.blobs import open_blobs
from realtime.cluster.role import Role
from realtime.cluster.sockets import inherited
from realtime.files import Doors, raise_file_limit
from realtime.fitting import fittings_of, load_keys
from realtime.hosting import media_host
from realtime.link.remote import DistantSignals, RemoteStore
from realtime.stores import open_reads


async def serve(role: Role) -> None:
    """Serves until it is told to stop; then what is under way has the grace time."""
    settings, limit, link = role.settings, raise_file_limit(), role.link()
    fittings = fittings_of(settings, (), None, role.start.media)
    async with (
        open_blobs(settings, role.clock) as blobs,
        open_reads(settings) as reads,
        trio.open_nursery() as background,
    ):
        keys = await load_keys(reads)
        await background.start(link.run)
        doors = Doors(limit, role.metrics, background)
        async with media_host(
            settings,
            doors.guard(inherited(role.start.sockets)),
            reads=RemoteStore(reads, link),
            committer=link,
            blobs=blobs,
            signer=Signer([keys.media], fittings.media_base),
            clock=role.clock,
            signals=DistantSignals(link),
            registry=role.metrics,
        ):
            role.control.ready(role.metrics, lambda: {} if link.connected else {"writer": "away"})
            await role.stop.wait()
        background.cancel_scope.cancel()
