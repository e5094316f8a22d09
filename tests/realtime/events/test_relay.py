"""The relay: what is committed comes to the copy once and in order, whoever copies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog.testing
import trio

from realtime.clock import TrioClock
from realtime.events import relay as module
from realtime.events.leases import Ownership, SoleOwner
from realtime.events.relay import LEASE, NAME, NOTE, RETRY, Relay
from realtime.events.tail import SLOW
from store.errors import Unavailable
from store.log import Kind
from store.projections.offsets import offset
from store.queries.leases import take_leases
from store.transaction import Transaction
from tests.contracts.statements import Put, log_of
from tests.store.gated import GatedStore, open_gated
from tests.store.kafka.copies import MemoryTopic, entry

pytestmark = pytest.mark.usefixtures("autojump_clock")


async def in_thread(work: Callable[[], Any]) -> Any:
    await trio.lowlevel.checkpoint()
    return work()


@dataclass
class Kit:
    store: GatedStore
    topic: MemoryTopic
    nursery: trio.Nursery

    async def put(self, count: int) -> None:
        first = len(await log_of(self.store)) + 1
        await self.store.commit([Put(name=name) for name in range(first, first + count)], 0)

    def start(self, ownership: Ownership | None = None) -> tuple[Relay, trio.CancelScope]:
        relay = Relay(self.store, TrioClock(), self.topic.open_writer, in_thread)
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await relay.run(ownership or SoleOwner())

        self.nursery.start_soon(run)
        return relay, scope

    async def check(self) -> None:
        """The copy is the log."""
        assert self.topic.records == await log_of(self.store)


@asynccontextmanager
async def copying() -> AsyncIterator[Kit]:
    async with trio.open_nursery() as nursery:
        kit = Kit(await open_gated(), MemoryTopic(), nursery)
        with structlog.testing.capture_logs():
            yield kit
            nursery.cancel_scope.cancel()
    assert kit.topic.writers == 0


class Handed:
    """A lease that tests hand over."""

    def __init__(self) -> None:
        self.fence = 0
        self.losses = 0
        self.changed = trio.Event()

    async def wait(self, name: str) -> int:
        assert name == LEASE
        while not self.fence:
            await self.changed.wait()
        return self.fence

    def lost(self, name: str) -> None:
        self.losses += 1
        self.fence = 0

    async def take(self, store: GatedStore, owner: bytes) -> None:
        """Has the database say so too, where it goes from one owner to the next at once."""
        found = await store.write(take_leases, [LEASE], owner, 0)
        self.fence = found[LEASE].fence
        changed, self.changed = self.changed, trio.Event()
        changed.set()


@pytest.mark.parametrize("portion", [1, 3, 1000])
async def test_what_is_there_and_what_comes_is_copied(
    monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    monkeypatch.setattr(module, "PORTION", portion)
    async with copying() as kit:
        await kit.put(10)
        relay, _ = kit.start()
        await trio.sleep(1)
        await kit.check()
        for count in (1, 7):
            await kit.put(count)
            await trio.sleep(SLOW * 1.1)
            await kit.check()
        assert (relay.copied, relay.position, relay.lag) == (18, 18, 0)


async def test_at_a_commit_of_its_own_node_it_does_not_wait() -> None:
    async with copying() as kit:
        relay, _ = kit.start()
        await trio.sleep(1)
        await kit.put(1)
        relay.notice()
        await trio.sleep(0.001)
        await kit.check()


async def test_it_notes_how_far_it_has_come_for_who_removes_old_entries() -> None:
    async with copying() as kit:
        kit.start()
        await kit.put(5)
        await trio.sleep(SLOW)
        await kit.put(2)
        await trio.sleep(NOTE * 2)
        assert await kit.store.read(offset, NAME) == 7
        notes = [1 for name, _ in kit.store.calls if name == "_note"]
        await trio.sleep(NOTE * 10)
        assert [1 for name, _ in kit.store.calls if name == "_note"] == notes  # nothing is new
        assert len(notes) <= 3


async def test_another_one_goes_on_behind_what_is_in_the_copy() -> None:
    async with copying() as kit:
        await kit.put(5)
        _, scope = kit.start()
        await trio.sleep(1)
        scope.cancel()
        await kit.put(5)
        relay, _ = kit.start()
        await trio.sleep(1)
        await kit.check()
        assert relay.copied == 5


async def test_behind_what_was_removed_from_the_copy_it_goes_on_by_its_note() -> None:
    async with copying() as kit:
        await kit.put(5)
        _, scope = kit.start()
        await trio.sleep(NOTE * 2)
        scope.cancel()
        kit.topic.records.clear()
        kit.topic.emptied = True
        await kit.put(2)
        kit.start()
        await trio.sleep(1)
        assert [one.position for one in kit.topic.records] == [6, 7]


@pytest.mark.parametrize("what", ["failing", "losing"])
async def test_after_an_answer_that_did_not_come_the_copy_is_asked(what: str) -> None:
    async with copying() as kit:
        await kit.put(5)
        setattr(kit.topic, what, 2)
        kit.start()
        await trio.sleep(RETRY * 4)
        await kit.check()
        await kit.put(5)
        await trio.sleep(RETRY)
        await kit.check()


async def test_it_waits_for_a_broker_and_for_the_store() -> None:
    async with copying() as kit:
        await kit.put(5)
        kit.topic.away = True
        kit.start()
        await trio.sleep(RETRY * 3)
        kit.topic.away = False
        await trio.sleep(RETRY)
        await kit.check()
        kit.store.fail_when(module._next, "read", Unavailable("away"), Unavailable("away"))
        await kit.put(5)
        await trio.sleep(RETRY * 3)
        await kit.check()


async def test_who_stood_still_adds_nothing_when_he_comes_back() -> None:
    async with copying() as kit:
        first, second = Handed(), Handed()
        await first.take(kit.store, b"first")
        slow, _ = kit.start(first)
        await kit.put(5)
        await trio.sleep(1)
        kit.store.hold_when(module._next, "seen")  # he has read, and stands still
        await kit.store.wait_held("seen")
        await kit.put(5)
        stopped = kit.store.overtake("seen")
        await second.take(kit.store, b"second")
        quick, _ = kit.start(second)
        await trio.sleep(1)
        await kit.put(5)
        await trio.sleep(1)
        stopped.set()
        await kit.put(1)
        await trio.sleep(5)
        await kit.check()
        assert (first.losses, second.losses) == (1, 0)
        assert (slow.copied, quick.copied) == (5, 11)


async def test_who_has_lost_the_lease_does_not_shut_out_its_owner() -> None:
    async with copying() as kit:
        first, second = Handed(), Handed()
        await first.take(kit.store, b"first")
        stale = first.fence
        await second.take(kit.store, b"second")
        kit.start(second)
        await kit.put(5)
        await trio.sleep(1)
        writer = kit.topic.writer
        first.fence = stale  # he does not know yet
        kit.start(first)
        await trio.sleep(5)
        assert kit.topic.writer is writer
        assert (first.losses, second.losses) == (1, 0)


async def _set_floor(tx: Transaction, floor: int) -> None:
    await tx.run("DELETE FROM log WHERE position <= ?", (floor,))
    await tx.run("UPDATE log_head SET floor = ?", (floor,))


@pytest.mark.parametrize("copied", [0, 3])
async def test_what_is_gone_from_the_table_cannot_be_copied(copied: int) -> None:
    async with copying() as kit:
        await kit.put(10)
        kit.topic.records = (await log_of(kit.store))[:copied]
        await kit.store.write(_set_floor, 6)
        with structlog.testing.capture_logs() as logs:
            kit.start()
            await trio.sleep(1)
        positions = [one.position for one in kit.topic.records]
        assert positions == [*range(1, copied + 1), 7, 8, 9, 10]
        errors = [line["event"] for line in logs if line["log_level"] == "error"]
        assert errors == ["the copy has a gap"] * (copied > 0)


async def _move_head(tx: Transaction, position: int) -> None:
    await tx.run("UPDATE log_head SET position = ?", (position,))


async def test_when_the_log_turns_out_shorter_than_its_copy_nothing_is_added() -> None:
    async with copying() as kit:
        kit.start()
        await kit.put(5)
        await trio.sleep(RETRY)
        with structlog.testing.capture_logs() as logs:
            await kit.store.write(_move_head, 3)  # the database is another one now
            await trio.sleep(RETRY)
        assert [line["event"] for line in logs] == ["the log is not copied"]
        assert len(kit.topic.records) == 5


@pytest.mark.parametrize("position", [3, 9])
async def test_to_the_copy_of_another_log_nothing_is_added(position: int) -> None:
    async with copying() as kit:
        await kit.put(5)
        other = entry(position, Kind.RECEIPT)
        kit.topic.records = [other]
        with structlog.testing.capture_logs() as logs:
            kit.start()
            await trio.sleep(RETRY * 1.5)
        assert kit.topic.records == [other]
        assert {(line["event"], line["log_level"]) for line in logs} == {
            ("the log is not copied", "error")
        }
