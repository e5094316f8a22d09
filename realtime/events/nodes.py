"""This node among those that follow the log: it says where it is, and looks whether the log is
still the one that it knows."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import structlog
import trio

from store.errors import Incompatible, StoreError
from store.interface import Queries
from store.log import Head
from store.queries.nodes import forget_node, register_node

log = structlog.get_logger("nodes")

LIFETIME = 60.0  # seconds for which a node that says nothing counts as there
RENEW = 10.0  # seconds


class Registration:
    """Keeps this node's row in the database, until it is cancelled."""

    def __init__(self, store: Queries, head: Head, position: Callable[[], int]) -> None:
        """`head` is that of the log with which the node begins, and `position` how far it has
        followed the log since."""
        self._store = store
        self._position = position
        self._id = os.urandom(16)
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._last = head

    async def run(self) -> None:
        """Raises `Incompatible` when the log is another one by now, or an older state of it:
        whatever this node knows is wrong."""
        try:
            while True:
                try:
                    head = await self._renew()
                except StoreError as error:  # there is a next time
                    log.warning("registration waits for the store", error=str(error))
                else:
                    self._compare(head)
                await trio.sleep(RENEW)
        finally:
            with trio.CancelScope(shield=True):
                await self._forget()

    async def _renew(self) -> Head:
        return await self._store.write(
            register_node, self._id, self._name, self._position(), round(LIFETIME * 1000)
        )

    def _compare(self, head: Head) -> None:
        last, self._last = self._last, head
        if head.epoch != last.epoch or head.position < last.position:
            raise Incompatible(
                f"the log was replaced under this server: it was at position {last.position} of "
                f"epoch {last.epoch}, and is at {head.position} of epoch {head.epoch}"
            )

    async def _forget(self) -> None:
        try:
            await self._store.write(forget_node, self._id)
        except StoreError as error:  # its row ends by itself
            log.warning("registration was not taken back", error=str(error))
