"""Group commit over each backend: a change that fails harms no neighbour, wherever it stands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import structlog.testing
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.events.batcher import Batcher
from store.changes.base import Op
from store.changes.likes import SetLike
from store.changes.messages import MovePointer, SendMessage
from store.changes.posts import CreatePost
from store.changes.rooms import CreateGroup
from store.errors import Conflict, DomainError
from store.interface import Store
from store.log import Batch
from tests.contracts.backends import OpenStore
from tests.contracts.statements import Failure, Put, get_numbers, log_of
from tests.store.social import ANN, BEN, NOBODY, Social

NOW = 1_700_000_000_000


class FixedClock:
    def now_ms(self) -> int:
        return NOW


@asynccontextmanager
async def batching(store: Store) -> AsyncIterator[tuple[Batcher, list[Batch]]]:
    """A batcher that runs, and the commits it has made."""
    batches: list[Batch] = []
    batcher = Batcher(store, FixedClock(), batches.append)
    # Failures are logged, and expected here.
    with structlog.testing.capture_logs():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(batcher.run)
            yield batcher, batches
            batcher.close()


async def commit_together(batcher: Batcher, changes: Sequence[Put]) -> list[Any]:
    """The outcomes of changes that are submitted before the batcher takes any."""
    pending = [batcher.submit(change) for change in changes]
    outcomes: list[Any] = []
    for one in pending:
        try:
            outcomes.append(await one.wait())
        except Exception as error:
            outcomes.append(error)
    return outcomes


async def check(store: Store, batches: list[Batch], changes: Sequence[Put], got: Any) -> None:
    """Each good change was made once, in order; nothing is left of the others."""
    good = [change for change in changes if not (change.fail or change.refuse or change.clash)]
    entries = await log_of(store)
    assert [(entry.stream.id, entry.subject_id) for entry in entries] == [
        (change.name, change.value) for change in good
    ]
    assert [entry.position for entry in entries] == list(range(1, len(good) + 1))
    assert await store.read(get_numbers) == {change.name: change.value for change in good}
    # What the fan-out was told is what the log says, in its order.
    assert [entry for batch in batches for entry in batch.entries] == entries
    positions = iter(entries)
    for change, outcome in zip(changes, got, strict=True):
        if change.fail:
            assert isinstance(outcome, Failure)
        elif change.refuse:
            assert isinstance(outcome, Conflict)
        elif change.clash:
            assert isinstance(outcome, Exception)
            assert not isinstance(outcome, DomainError)
        else:
            assert outcome == next(positions).position


@pytest.mark.parametrize("kind", [("fail",), ("clash",), ("clash", "late"), ("refuse",)])
@pytest.mark.parametrize("size", [1, 2, 5])
async def test_a_bad_apple_stands_alone(
    open_store: OpenStore, kind: Sequence[str], size: int
) -> None:
    for place in range(size):
        async with open_store() as store, batching(store) as (batcher, batches):
            changes = [Put(name=n, value=10 + n) for n in range(size)]
            changes[place] = msgspec.structs.replace(changes[place], **dict.fromkeys(kind, True))
            outcomes = await commit_together(batcher, changes)
            await check(store, batches, changes, outcomes)


APPLES = st.sampled_from(["good", "good", "good", "fail", "clash", "late", "refuse"])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 3), APPLES), max_size=12))
def test_any_mixture_of_good_and_bad_on_shared_rows(
    open_store: OpenStore, mixture: list[tuple[int, str]]
) -> None:
    """Changes of one row stay in their order though a bad one stands between them."""

    async def main() -> None:
        async with open_store() as store, batching(store) as (batcher, batches):
            changes = [
                Put(
                    name=name,
                    value=number,
                    fail=apple == "fail",
                    clash=apple in ("clash", "late"),
                    late=apple == "late",
                    refuse=apple == "refuse",
                )
                for number, (name, apple) in enumerate(mixture)
            ]
            outcomes = await commit_together(batcher, changes)
            entries = await log_of(store)
            for name in (1, 2, 3):
                mine = [one for one in changes if one.name == name]
                good = [one.value for one in mine if not (one.fail or one.clash or one.refuse)]
                assert [e.subject_id for e in entries if e.stream.id == name] == good
                assert [e.sequence for e in entries if e.stream.id == name] == list(
                    range(1, len(good) + 1)
                )
                assert (await store.read(get_numbers)).get(name) == (good[-1] if good else None)
            assert [entry for batch in batches for entry in batch.entries] == entries
            for change, outcome in zip(changes, outcomes, strict=True):
                bad = change.fail or change.clash or change.refuse
                assert isinstance(outcome, Exception) == bad

    trio.run(main)


async def test_the_neighbours_of_a_bad_apple_keep_their_keys(store: Store) -> None:
    """Sent again, with the bad one mended, they are answered as before."""

    def op(number: int) -> Op:
        return Op(scope="u:1", key=bytes([number]) * 16, digest=b"d" * 16)

    async with batching(store) as (batcher, batches):
        changes = [Put(op=op(n), name=n, value=n, fail=n == 2) for n in range(5)]
        first = await commit_together(batcher, changes)
        assert isinstance(first[2], Failure)
        await check(store, batches, changes, first)
        mended = [Put(op=op(n), name=n, value=n) for n in range(5)]
        again = await commit_together(batcher, mended)
        assert again[:2] + again[3:] == first[:2] + first[3:]
        assert again[2] == 5
        assert len(await log_of(store)) == 5


async def test_a_bad_apple_among_changes_of_every_sort(world: Social) -> None:
    """One that a table refuses, as a fault in a change's own checks would have it."""
    group = await world.do(CreateGroup(user_id=ANN, title="boats", user_ids=(BEN,)))
    post = await world.post(ANN)
    before = await world.head()
    async with batching(world.store) as (batcher, _):
        pending = [
            batcher.submit(change)
            for change in (
                SendMessage(sender_id=ANN, room_id=group, client_id=b"1" * 16, text="one"),
                SetLike(user_id=BEN, post_id=post.id, liked=True),
                Put(name=1, clash=True),
                SendMessage(sender_id=BEN, room_id=group, client_id=b"2" * 16, text="two"),
                SendMessage(sender_id=NOBODY, room_id=group, client_id=b"3" * 16, text="three"),
                CreatePost(author_id=BEN, text="hill"),
                MovePointer(user_id=ANN, room_id=group, number=2, seen=True),
            )
        ]
        outcomes = []
        for one in pending:
            try:
                outcomes.append(await one.wait())
            except Exception as error:
                outcomes.append(error)
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [
        *(False, False, True, False, True, False, False)
    ]
    assert [outcomes[0].number, outcomes[3].number] == [1, 2]
    assert outcomes[6].read_number == 2
    entries = await world.entries(before)
    assert len(entries) == 5
    assert [entry.position for entry in entries] == list(range(before + 1, before + 6))
    assert await world.rows("SELECT number, text FROM messages ORDER BY number") == [
        (1, "one"),
        (2, "two"),
    ]
