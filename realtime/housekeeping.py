"""What a node does in the background so that it does not silt up."""

from __future__ import annotations

import structlog
import trio
from prometheus_client import CollectorRegistry, Counter

from rpc.context import Clock
from store.blobs import BlobStore
from store.collect import collect
from store.errors import StoreError
from store.interface import Store

log = structlog.get_logger("housekeeping")

COLLECT_EVERY = 6 * 3600.0  # seconds


class Collector:
    """Removes what half-finished uploads have left, at the start and from time to time (see
    `store.collect`). A pass that fails is logged; the next one comes all the same."""

    def __init__(
        self, store: Store, blobs: BlobStore, clock: Clock, metrics: CollectorRegistry
    ) -> None:
        """`clock` is the one by which the blobs were put."""
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._collected = Counter(
            "sunwire_collected", "Remains of uploads removed.", ["what"], registry=metrics
        )

    async def run(self) -> None:
        while True:
            try:
                gone = await collect(self._store, self._blobs, self._clock.now_ms())
            except StoreError as error:
                log.warning("collecting failed", error=str(error))
            else:
                for what, count in gone._asdict().items():
                    self._collected.labels(what).inc(count)
                if any(gone):
                    log.info("collected", **gone._asdict())
            await trio.sleep(COLLECT_EVERY)
