"""Entries that are set aside: none of their key overtakes them, and none is lost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from store.errors import Conflict, NotFound
from store.interface import Store
from store.log import Entry, Kind
from store.projections import aside, operating
from store.projections.aside import State
from store.projections.base import Hint, Projection
from store.projections.consuming import Consumed, consume, set_aside, upcoming
from store.queries.consumers import letters
from store.retention import holders
from store.transaction import Transaction
from tests.contracts.statements import Failure, Put, get_numbers, run, set_number

NOW = 1_700_000_000_000
ANY = 100


class Writing(Projection):
    """Appends the number of each entry to that of its user (1 and then 2 make 12), in two
    statements, and fails at what is `bad`."""

    name = "writing"
    kinds = frozenset({Kind.PROFILE_CHANGED})
    replayable = True

    def __init__(self) -> None:
        self.bad: set[int] = set()

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        for entry in entries:
            found = await tx.rows(
                "SELECT at_ms FROM last_seen WHERE user_id = ?", (1000 + entry.actor_id,)
            )
            before = found[0][0] if found else 0
            await set_number(tx, 1000 + entry.actor_id, before * 10 + entry.subject_id)
            if entry.subject_id in self.bad:
                raise Failure(f"cannot take in {entry.subject_id}")
        return []


async def put(store: Store, *said: tuple[int, int]) -> list[int]:
    """An entry for each (user, number); returns their positions."""
    positions: list[int] = []
    for user, number in said:
        positions += (await store.commit([Put(name=user, value=number)], NOW)).outcomes
    return positions


async def written(store: Store) -> dict[int, int]:
    """What `Writing` has made, by user."""
    found = await store.read(get_numbers)
    return {user - 1000: number for user, number in found.items() if user > 1000}


async def step(store: Store, projection: Projection, limit: int = ANY) -> Consumed:
    return await store.write(consume, projection, limit, NOW)


async def catch_up(store: Store, projection: Projection) -> None:
    """As a consumer does it: what fails is taken alone, and set aside."""
    limit = ANY
    while True:
        try:
            if not (await step(store, projection, limit)).read:
                return
        except Failure as error:
            if limit == 1:
                position, why = await store.read(upcoming, projection), str(error)
                await store.write(set_aside, projection, position, why, NOW)
            limit = 1


async def states(store: Store) -> dict[int, State]:
    found = await store.read(letters, "writing", 0, ANY, parked=True)
    return {one.position: one.state for one in found}


async def test_later_entries_of_its_key_wait_and_others_go_on(store: Store) -> None:
    projection = Writing()
    projection.bad = {2}
    at = await put(store, (1, 1), (1, 2), (2, 7), (1, 3), (2, 8))
    await catch_up(store, projection)
    at += await put(store, (1, 4), (2, 9))
    await catch_up(store, projection)
    assert await written(store) == {1: 1, 2: 789}
    assert await states(store) == {
        at[1]: State.FAILED,
        at[3]: State.PARKED,
        at[5]: State.PARKED,
    }
    (failed,) = await store.read(letters, "", 0, ANY, parked=False)
    assert (failed.position, failed.error, failed.key) == (at[1], "cannot take in 2", "u1")
    assert (await store.write(holders))[0].position == at[1] - 1


@pytest.mark.parametrize("limit", [1, 2, ANY])
async def test_what_was_repaired_is_retried_and_all_of_its_key_follow_in_order(
    store: Store, limit: int
) -> None:
    projection = Writing()
    projection.bad = {2}
    at = await put(store, (1, 1), (1, 2), (1, 3), (2, 7), (1, 4))
    await catch_up(store, projection)
    projection.bad.clear()
    await step(store, projection)
    assert await written(store) == {1: 1, 2: 7}  # nobody has said so yet
    await store.write(operating.retry, "writing", at[1])
    await put(store, (1, 5))
    while (await step(store, projection, limit)).read:
        pass
    assert await written(store) == {1: 12345, 2: 7}
    assert await states(store) == {}


async def test_one_that_fails_again_stays_with_those_behind_it(store: Store) -> None:
    projection = Writing()
    projection.bad = {2, 4}
    at = await put(store, (1, 1), (1, 2), (1, 3), (1, 4), (1, 5))
    await catch_up(store, projection)
    await store.write(operating.retry, "writing", at[1])
    await catch_up(store, projection)
    assert await written(store) == {1: 1}
    assert (await states(store))[at[1]] is State.FAILED
    projection.bad = {4}
    assert await store.write(operating.retry_all, "writing") == 1
    await catch_up(store, projection)
    assert await written(store) == {1: 123}
    assert await states(store) == {at[3]: State.FAILED, at[4]: State.PARKED}
    (failed,) = await store.read(letters, "", 0, ANY, parked=False)
    assert failed.error == "cannot take in 4"


async def test_what_is_discarded_lets_those_behind_it_through(store: Store) -> None:
    projection = Writing()
    projection.bad = {2}
    at = await put(store, (1, 1), (1, 2), (1, 3), (1, 4))
    await catch_up(store, projection)
    await store.write(operating.discard, "writing", at[1])
    await catch_up(store, projection)
    assert await written(store) == {1: 134}
    assert await states(store) == {}
    # The last of its key leaves nothing behind.
    projection.bad = {5}
    at += await put(store, (1, 5))
    await catch_up(store, projection)
    await store.write(operating.discard, "writing", at[4])
    await put(store, (1, 6))
    await catch_up(store, projection)
    assert await written(store) == {1: 1346}


async def test_only_what_failed_is_retried_or_discarded(store: Store) -> None:
    projection = Writing()
    projection.bad = {2}
    at = await put(store, (1, 2), (1, 3))
    await catch_up(store, projection)
    for what in (operating.retry, operating.discard):
        with pytest.raises(Conflict):
            await store.write(what, "writing", at[1])
        with pytest.raises(NotFound):
            await store.write(what, "writing", 99)
        with pytest.raises(NotFound):
            await store.write(what, "reading", at[0])
    assert await states(store) == {at[0]: State.FAILED, at[1]: State.PARKED}


async def test_no_more_are_set_aside_than_may_be(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "BOUND", 3)
    projection = Writing()
    projection.bad = {2}
    await put(store, (1, 2), (1, 3))
    await catch_up(store, projection)
    at = await put(store, (2, 7), (1, 4), (2, 8), (1, 5), (2, 9))
    await catch_up(store, projection)
    # It comes up to the one that would be too many, and no further.
    assert await written(store) == {2: 78}
    done = await step(store, projection)
    assert (done.halted, done.position) == ("full", at[2])
    assert len(await states(store)) == 3
    projection.bad.clear()
    await store.write(operating.retry_all, "writing")
    await catch_up(store, projection)
    assert await written(store) == {1: 2345, 2: 789}


async def test_an_entry_that_the_log_has_not_got_any_more_can_be_discarded(store: Store) -> None:
    projection = Writing()
    projection.bad = {2}
    at = await put(store, (1, 2), (1, 3))
    await catch_up(store, projection)
    await store.write(run, "DELETE FROM log WHERE position = ?", at[0])
    await store.write(operating.retry_all, "writing")
    with pytest.raises(LookupError):
        await step(store, projection)
    assert await store.write(set_aside, projection, at[0], "gone", NOW)
    assert not await store.write(set_aside, projection, at[0], "gone", NOW)  # its answer was lost
    await store.write(operating.discard, "writing", at[0])
    await catch_up(store, projection)
    assert await written(store) == {1: 3}


async def test_a_replay_keeps_the_order_of_what_is_set_aside(store: Store) -> None:
    projection = Writing()
    projection.bad = {3}
    at = await put(store, (1, 1), (1, 2), (1, 3), (1, 4), (2, 7))
    await catch_up(store, projection)
    assert await store.write(operating.replay, projection, at[1], NOW) == at[4]
    await catch_up(store, projection)
    assert await written(store) == {1: 1 * 10 + 2, 2: 77}  # 2 waits now, 7 was taken once more
    assert await states(store) == {
        at[1]: State.PARKED,
        at[2]: State.FAILED,
        at[3]: State.PARKED,
    }
    projection.bad.clear()
    await store.write(operating.retry_all, "writing")
    await catch_up(store, projection)
    assert await written(store) == {1: 12234, 2: 77}
