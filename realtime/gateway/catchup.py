"""The one catch-up routine, for resume after a disconnection and for lag."""

from __future__ import annotations

import structlog

from realtime.gateway.limits import GatewayLimits
from realtime.gateway.outbox import Outbox
from realtime.push.cursors import BadCursor, Cursor, decode_cursor, encode_cursor
from realtime.push.delivery import Delivery, gone_frame, joined_frame
from realtime.push.render import Renderer
from rpc.proto.frames_pb2 import CaughtUp, Checkpoint, Resync, ServerFrame
from rpc.views import Views
from rpc.wire import encode_server
from store.interface import Queries
from store.log import read_head
from store.queries.resume import Missed, Shown, missed_and_newest, newest_home_post

log = structlog.get_logger("gateway")


class CatchUp:
    """Brings one session from a position of the log to the live fan-out, with every entry that
    concerns its user once, in the order of the log."""

    def __init__(
        self,
        store: Queries,
        delivery: Delivery,
        views: Views,
        renderer: Renderer,
        limits: GatewayLimits,
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._views = views
        self._renderer = renderer
        self._limits = limits
        self._suspicious = False

    async def meet(self, data: bytes) -> None:
        """Returns when the delivery has come to this cursor, if the log has: another process
        may have been the quicker one, and the client had it from there."""
        here = self._delivery
        try:
            cursor = decode_cursor(data) if data else None
        except BadCursor:
            return
        if cursor and cursor.epoch == here.epoch and cursor.position > here.position:
            head = await self._store.read(read_head)
            if cursor.position > head.position and not self._suspicious:
                self._suspicious = True  # say it once: a client may make cursors up
                log.warning("cursor beyond the log", cursor=cursor.position, head=head.position)
            await here.wait_for(min(cursor.position, head.position))

    def start(self, data: bytes) -> Cursor | Resync:
        """Where a client with this cursor goes on, or why it must start afresh. Whether the log
        reaches back to there is found out by `run`."""
        here = self._delivery
        try:
            cursor = decode_cursor(data)
        except BadCursor:
            return Resync(reason=Resync.MALFORMED)
        if cursor.others:  # partitions that this server does not know
            return Resync(reason=Resync.MALFORMED)
        if cursor.epoch != here.epoch:
            return Resync(reason=Resync.OTHER_EPOCH)
        if cursor.position > here.position:
            return Resync(reason=Resync.PAST_HEAD)
        return cursor

    async def run(self, user_id: int, outbox: Outbox, position: int) -> bool:
        """Queues what was missed since `position`; when it returns the outbox is live. Returns
        whether the client can go on with what it has: where the log does not reach back so far
        any more, it is sent a `Resync`.

        Slices are bounded, and the next is read only when the last has drained; each ends
        with a checkpoint, so that a cut in the middle resumes there.
        """
        whole = True
        while True:
            outbox.hold()
            end = self._delivery.position
            newest = -1
            while position < end:
                found, newest = await self._store.read(
                    missed_and_newest, user_id, position, end, self._limits.slice_entries
                )
                if found is None:
                    cursor = self._cursor(end)
                    resync = Resync(reason=Resync.TOO_OLD, cursor=cursor)
                    outbox.answer(encode_server(ServerFrame(resync=resync)))
                    position, whole = end, False
                    break
                self._queue(outbox, found)
                position = found.position
                if outbox.size > self._limits.outbox_low:
                    await outbox.wait_drained()
                    newest = -1  # that may have taken a while
            if newest < 0:
                newest = await self._store.read(newest_home_post, user_id)
            if outbox.release(end):
                break
        caught_up = CaughtUp(home_newest_post_id=newest)
        outbox.answer(encode_server(ServerFrame(caught_up=caught_up)))
        return whole

    def _queue(self, outbox: Outbox, found: Missed) -> None:
        for shown, entry in found.items:
            if shown is Shown.UPDATE:
                data = self._renderer.encode(entry)
            elif shown is Shown.JOINED:
                data = joined_frame(self._views, entry, found.summaries[entry.stream.id])
            elif shown is Shown.GONE:
                data = gone_frame(entry)
            else:
                data = self._renderer.skip(
                    entry.stream, entry.sequence, entry.sequence, entry.position
                )
            outbox.answer(data)
        outbox.answer(self._checkpoint(found.position))

    def _checkpoint(self, position: int) -> bytes:
        checkpoint = Checkpoint(cursor=self._cursor(position))
        return encode_server(ServerFrame(checkpoint=checkpoint))

    def _cursor(self, position: int) -> bytes:
        return encode_cursor(Cursor(self._delivery.epoch, position))
