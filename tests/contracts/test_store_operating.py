"""What an operator asks of a consumer holds from its next step on, whoever makes that."""

from __future__ import annotations

import pytest

from store.errors import Conflict, NotFound
from store.interface import Store
from store.log import Kind
from store.projections import operating
from store.projections.consuming import Consume, consume
from store.projections.offsets import Role, offset
from store.queries.consumers import statuses
from store.retention import holders
from tests.contracts.statements import run
from tests.contracts.test_store_aside import NOW, Writing, catch_up, put, step, written
from tests.contracts.test_store_consumers import Echoing


async def test_a_paused_consumer_takes_nothing_until_it_is_resumed(store: Store) -> None:
    projection = Writing()
    await put(store, (1, 1))
    await catch_up(store, projection)
    await store.write(operating.pause, "writing", NOW)
    await store.write(operating.pause, "writing", NOW + 1)
    await put(store, (1, 2))
    done = await step(store, projection)
    assert (done.read, done.halted) == (0, "paused")
    await store.write(operating.resume, "writing")
    await store.write(operating.resume, "writing")
    await catch_up(store, projection)
    assert await written(store) == {1: 12}


async def test_a_consumer_can_be_paused_before_it_begins(store: Store) -> None:
    await put(store, (1, 1))
    for name in ("writing", "echoing"):
        await store.write(operating.pause, name, NOW)
    assert (await store.write(consume, Writing(), 10, NOW)).halted == "paused"
    batch = await store.commit([Consume(projection=Echoing(), limit=10)], NOW)
    assert batch.outcomes[0].halted == "paused"
    assert batch.entries == []


async def test_a_replay_is_for_what_may_be_repeated(store: Store) -> None:
    projection = Writing()
    at = await put(store, (1, 1), (1, 2), (1, 3))
    await catch_up(store, projection)
    assert await store.write(operating.replay, projection, at[1], NOW) == at[2]
    await catch_up(store, projection)
    assert await written(store) == {1: 12323}
    with pytest.raises(Conflict, match="nothing to repeat"):
        await store.write(operating.replay, projection, at[2] + 1, NOW)
    with pytest.raises(Conflict, match="begins at 1"):
        await store.write(operating.replay, projection, 0, NOW)
    await store.write(run, "UPDATE log_head SET floor = 1")
    with pytest.raises(Conflict, match="begins at 2"):
        await store.write(operating.replay, projection, 1, NOW)
    assert await store.read(offset, "writing") == at[2]
    with pytest.raises(Conflict, match="twice"):
        await store.write(operating.replay, Echoing(), at[1], NOW)


async def test_how_consumers_stand(store: Store) -> None:
    projection = Writing()
    at = await put(store, (1, 1), (1, 2))
    await store.write(consume, projection, 1, NOW)
    known = {"writing": projection.kinds, "new": frozenset({Kind.POST_LIKED})}
    await store.write(run, "INSERT INTO offsets VALUES ('old', 0, 0, ?, 0, 5, 0)", at[0])
    found = {one.name: one for one in await store.read(statuses, known)}
    assert set(found) == {"new", "old", "writing"}
    writing, new, old = found["writing"], found["new"], found["old"]
    assert (writing.position, writing.head, writing.entries_behind) == (at[0], at[1], 1)
    assert writing.role is Role.LIVE
    assert writing.seconds_behind > 1_000_000  # these entries are of 2023
    assert (new.position, new.entries_behind, new.seconds_behind) == (0, 0, 0)
    assert (old.paused, writing.paused) == (True, False)
    assert old.entries_behind == 1  # what it wanted to see nobody knows
    assert (await store.write(holders))[0].position == at[0]


async def test_a_consumer_that_there_is_no_more_is_forgotten(store: Store) -> None:
    projection = Writing()
    projection.bad = {1}
    at = await put(store, (1, 1), (1, 2))
    await catch_up(store, projection)
    assert (await store.write(holders))[0] == ("the consumer writing", at[0] - 1)
    await store.write(operating.forget, "writing")
    assert await store.read(statuses, {}) == []
    assert await store.write(holders) == []
    with pytest.raises(NotFound):
        await store.write(operating.forget, "writing")
