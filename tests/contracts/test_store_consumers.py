"""Consumers: each entry takes effect once, with the offset behind it, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from store.changes.likes import SetLike
from store.errors import DomainError
from store.interface import Store
from store.log import Entry, Kind, Stream, WriteTransaction, read_entries
from store.projections.aside import State
from store.projections.base import CountsHint, Hint, Projection, VisibleProjection
from store.projections.consuming import Consume, Consumed, consume, set_aside, upcoming
from store.projections.offsets import offset
from store.queries.consumers import letters
from store.sources import Stretch
from store.transaction import Transaction
from tests.contracts.places import NewDatabase, connected
from tests.contracts.statements import Failure, Put, get_numbers, log_of, run, set_number
from tests.store.social import ANN, BEN, Social

NOW = 1_700_000_000_000


class Keeping(Projection):
    """Keeps 1000 + position under each position that it is given, and fails at `bad`."""

    name = "keeping"
    kinds = frozenset({Kind.PROFILE_CHANGED})

    def __init__(self, bad: int = 0) -> None:
        self.bad = bad

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        for entry in entries:
            assert entry.kind in self.kinds
            await tx.run(
                "INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)",  # twice is a failure
                (1000 + entry.position, entry.subject_id),
            )
            if entry.position == self.bad:
                raise Failure("cannot read this one")
        return [CountsHint(post_id=len(entries), author_id=0, likes=0, comments=0)]


class Echoing(VisibleProjection):
    """Tells user 500 of each entry, with an entry of its own."""

    name = "echoing"
    kinds = frozenset({Kind.PROFILE_CHANGED})

    async def project(self, tx: WriteTransaction, entries: Sequence[Entry]) -> list[Hint]:
        for entry in entries:
            await tx.append(
                Kind.NOTIFIED,
                Stream.user(500),
                actor_id=entry.actor_id,
                subject_id=entry.position,
            )
            if entry.subject_id == 13:
                raise Failure("unlucky")
        return []


async def kept(store: Store) -> list[int]:
    """The positions that `Keeping` has seen."""
    return [name - 1000 for name in sorted(await store.read(get_numbers)) if name > 1000]


async def put(store: Store, count: int, first: int = 1) -> None:
    """So many changes, of users `first`, `first + 1`…"""
    for name in range(first, first + count):
        await store.commit([Put(name=name, value=name)], NOW)


async def step(store: Store, projection: Projection, limit: int = 100) -> Consumed:
    return await store.write(consume, projection, limit, NOW)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_each_entry_takes_effect_once_whatever_the_portions(store: Store, limit: int) -> None:
    await put(store, 5)
    taken = []
    while (done := await step(store, Keeping(), limit)).read:
        taken.append(done.read)
        assert await store.read(offset, "keeping") == done.position
        assert done.hints == (CountsHint(post_id=done.read, author_id=0, likes=0, comments=0),)
    assert sum(taken) == 5
    assert max(taken) <= limit
    assert await kept(store) == [1, 2, 3, 4, 5]
    assert (await step(store, Keeping(), limit)).read == 0
    await put(store, 1, first=6)
    assert await step(store, Keeping(), limit) == Consumed(
        position=6, read=1, hints=(CountsHint(post_id=1, author_id=0, likes=0, comments=0),)
    )


async def test_a_step_that_fails_moves_nothing(store: Store) -> None:
    await put(store, 4)
    await step(store, Keeping(), 1)
    for _ in range(2):
        with pytest.raises(Failure):
            await step(store, Keeping(bad=3))
        assert await store.read(offset, "keeping") == 1
        assert await kept(store) == [1]
    await step(store, Keeping())
    assert await kept(store) == [1, 2, 3, 4]


async def test_what_is_of_no_interest_is_passed_over(store: Store) -> None:
    await put(store, 6)
    await store.write(
        run, "UPDATE log SET kind = ? WHERE position IN (1, 3, 6)", str(Kind.FOLLOWED)
    )
    assert (await step(store, Keeping(), 2)).position == 4
    done = await step(store, Keeping(), 2)
    assert (done.position, done.read) == (6, 1)  # the head: there is nothing else up to it
    assert await kept(store) == [2, 4, 5]
    await put(store, 1, first=7)
    await store.write(run, "UPDATE log SET kind = ? WHERE position = 7", str(Kind.FOLLOWED))
    assert await step(store, Keeping()) == Consumed(position=7, read=0)
    assert await store.read(offset, "keeping") == 7


async def test_an_entry_is_set_aside_and_the_others_go_on(store: Store) -> None:
    await put(store, 4)
    await step(store, Keeping(), 1)
    projection = Keeping(bad=2)

    async def aside(position: int) -> bool:
        return await store.write(set_aside, projection, position, "why \U0001f41f", NOW)

    assert not await aside(1)  # the consumer is not there any more
    assert not await aside(3)  # nor there yet
    assert await store.read(upcoming, projection) == 2
    assert await aside(2)
    assert not await aside(2)  # asked again because the answer was lost
    await step(store, projection)
    assert await kept(store) == [1, 3, 4]
    assert await store.read(upcoming, projection) == 0
    assert not await aside(5)
    assert await store.read(offset, "keeping") == 4
    (letter,) = await store.read(letters, "", 0, 10, parked=True)
    assert letter == ("keeping", 0, 2, "u2", State.FAILED, "why \U0001f41f", NOW)


async def test_consumers_go_their_own_ways(store: Store) -> None:
    await put(store, 3)
    await step(store, Keeping(), 2)
    assert await store.read(offset, "keeping") == 2
    assert await store.read(offset, "Keeping") == await store.read(offset, "other") == 0
    batch = await store.commit([Consume(projection=Echoing(), limit=1)], NOW)
    assert batch.outcomes == [Consumed(position=1, read=1)]
    assert await store.read(offset, "echoing") == 1
    assert await store.read(offset, "keeping") == 2


async def test_a_visible_step_is_a_change_with_its_offset(store: Store) -> None:
    await put(store, 3)
    batch = await store.commit(
        [
            Put(name=4, value=4),  # of this batch: for the next step
            Consume(projection=Echoing(), limit=100),
        ],
        NOW,
    )
    assert batch.outcomes == [4, Consumed(position=3, read=3)]
    told = [entry for entry in await log_of(store) if entry.kind is Kind.NOTIFIED]
    assert [(e.position, e.sequence, e.subject_id) for e in told] == [
        (5, 1, 1),
        (6, 2, 2),
        (7, 3, 3),
    ]
    batch = await store.commit([Consume(projection=Echoing(), limit=100)], NOW)
    assert [entry.subject_id for entry in batch.entries] == [4]
    assert batch.outcomes == [Consumed(position=7, read=1)]
    # Its own entries are none of its interest: it passes over them, and comes to rest.
    done = await store.commit([Consume(projection=Echoing(), limit=100)], NOW)
    assert (done.outcomes, done.entries) == ([Consumed(position=8, read=0)], [])


async def test_a_visible_step_that_fails_leaves_neither_entries_nor_offset(store: Store) -> None:
    await store.commit([Put(name=1, value=12), Put(name=2, value=13)], NOW)
    before = await log_of(store)
    with pytest.raises(Failure):
        await store.commit([Put(name=3), Consume(projection=Echoing(), limit=100)], NOW)
    assert await log_of(store) == before
    assert await store.read(offset, "echoing") == 0
    batch = await store.commit([Consume(projection=Echoing(), limit=1)], NOW)
    assert [entry.subject_id for entry in batch.entries] == [1]


async def test_steps_beside_commits_miss_nothing(store: Store) -> None:
    done = False

    async def follow() -> None:
        while not done or (await step(store, Keeping(), 3)).read:
            await step(store, Keeping(), 3)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        async with trio.open_nursery() as writers:
            for first in (1, 11, 21):
                writers.start_soon(put, store, 10, first)
        done = True
    assert await kept(store) == list(range(1, 31))


async def test_a_consumer_goes_on_where_it_was_after_a_restart(
    new_lasting_database: NewDatabase,
) -> None:
    async with new_lasting_database() as connect:
        async with connected(connect) as store:
            await store.migrate()
            await put(store, 3)
            await step(store, Keeping(), 2)
        async with connected(connect) as store:
            assert await store.read(offset, "keeping") == 2
            assert (await step(store, Keeping())).read == 1
            assert await kept(store) == [1, 2, 3]


async def test_the_same_step_twice_in_a_batch_takes_effect_once(world: Social) -> None:
    post = await world.post(ANN)
    await world.commit(SetLike(user_id=BEN, post_id=post.id, liked=True))
    steps = [Consume(projection=world.notifications, limit=10) for _ in range(2)]
    batch = await world.commit(*steps)
    assert not any(isinstance(outcome, DomainError) for outcome in batch.outcomes)
    assert [outcome.read for outcome in batch.outcomes] == [2, 0]
    assert len(await world.told(ANN)) == 1


async def test_numbers_of_a_projection_are_its_own_to_overwrite(store: Store) -> None:
    """A step reads what the step before has written."""

    class Summing(Keeping):
        name = "summing"

        async def project(
            self, tx: Transaction, entries: Sequence[Entry], generation: int
        ) -> list[Hint]:
            found = await tx.rows("SELECT at_ms FROM last_seen WHERE user_id = 2000")
            total = found[0][0] if found else 0
            await set_number(tx, 2000, total + sum(entry.subject_id for entry in entries))
            return []

    await put(store, 5)
    while (await step(store, Summing(), 2)).read:
        pass
    assert (await store.read(get_numbers))[2000] == 1 + 2 + 3 + 4 + 5


@pytest.mark.parametrize("visible", [False, True])
async def test_what_was_read_elsewhere_is_taken_where_it_fits(store: Store, visible: bool) -> None:
    await put(store, 5)

    async def give(after: int, reached: int) -> Consumed:
        entries = await store.read(read_entries, after, reached, 10)
        given = Stretch(after, reached, entries)
        if not visible:
            return await store.write(consume, Keeping(), 2, NOW, 0, given)
        change = Consume(projection=Echoing(), limit=2, given=given)
        done: Consumed = (await store.commit([change], NOW)).outcomes[0]
        return done

    assert (await give(0, 3)).position == 3
    assert (await give(3, 3)).read == 0  # the source has no more, though the table has
    # It comes late, or too early: what follows the offset is read from the table instead.
    assert (await give(0, 3)).position == 5
    assert (await give(4, 5)).read == 0
    if visible:
        told = [entry for entry in await log_of(store) if entry.kind is Kind.NOTIFIED]
        assert [entry.subject_id for entry in told] == [1, 2, 3, 4, 5]
    else:
        assert await kept(store) == [1, 2, 3, 4, 5]
