"""Hints of consumers become signals to live sessions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import structlog
import trio

from realtime.rooms.signals import LiveSignals
from rpc.proto.frames_pb2 import HomeChanged, PostCounts, Signal
from store.errors import StoreError
from store.interface import Queries
from store.projections.base import CountsHint, HomeHint
from store.transaction import Transaction

log = structlog.get_logger("hints")

MAX_WAITING = 1000  # hints; past that the oldest are dropped, as signals may be
CHUNK = 500  # followers looked up at once


class HintTeller:
    """Tells followers of new posts and watchers of new counts. A hint that comes before an
    earlier one with the same subject was told replaces it."""

    def __init__(self, store: Queries, signals: LiveSignals) -> None:
        self._store = store
        self._signals = signals
        self._waiting: OrderedDict[tuple[str, int], HomeHint | CountsHint] = OrderedDict()
        self._wake = trio.Event()

    def offer(self, hints: Sequence[HomeHint | CountsHint]) -> None:
        for hint in hints:
            key = ("home", hint.author_id) if isinstance(hint, HomeHint) else ("", hint.post_id)
            self._waiting[key] = hint
            if len(self._waiting) > MAX_WAITING:
                self._waiting.popitem(last=False)
        self._wake.set()

    async def run(self) -> None:
        while True:
            while self._waiting:
                _, hint = self._waiting.popitem(last=False)
                if isinstance(hint, CountsHint):
                    counts = PostCounts(
                        post_id=hint.post_id, likes=hint.likes, comments=hint.comments
                    )
                    self._signals.to_watchers(
                        hint.post_id, hint.author_id, Signal(post_counts=counts)
                    )
                    continue
                try:
                    await self._tell_followers(hint)
                except StoreError as error:
                    log.warning("hint dropped", error=str(error))
            self._wake = trio.Event()
            await self._wake.wait()

    async def _tell_followers(self, hint: HomeHint) -> None:
        signal = Signal(
            home_changed=HomeChanged(newest_post_id=hint.post_id, author_id=hint.author_id)
        )
        after = 0
        while True:
            followers = await self._store.read(_followers, hint.author_id, after, CHUNK)
            self._signals.to_users(followers, signal)
            if len(followers) < CHUNK:
                return
            after = followers[-1]


async def _followers(tx: Transaction, author_id: int, after: int, limit: int) -> list[int]:
    found = await tx.rows(
        "SELECT follower_id FROM follows WHERE followee_id = ? AND follower_id > ? "
        "ORDER BY follower_id LIMIT ?",
        (author_id, after, limit),
    )
    return [row[0] for row in found]
