"""Changes and procedures go to the writer, and each has one outcome."""

from __future__ import annotations

from typing import ClassVar

import pytest
import structlog
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from realtime.events.batcher import State
from realtime.link import requests
from realtime.link.link import PATIENCE, Link
from rpc.errors import Committed
from store.changes.base import Op, SingleChange
from store.errors import Conflict, Overloaded, StoreError, TooMany, Unavailable
from store.log import WriteTransaction
from store.procedures import procedure
from store.queries import guesses
from store.transaction import Transaction
from tests.realtime.link.linking import Heard, an_office
from tests.store.notes import Note, log_of, subjects


def op(number: int) -> Op:
    return Op(scope="u1", key=number.to_bytes(16, "big"), digest=b"d" * 16)


@procedure
async def broken(tx: Transaction, how: str) -> int:
    raise ZeroDivisionError(how)


async def unmarked(tx: Transaction) -> int:
    return 1


class Local(SingleChange[int], frozen=True, kw_only=True):
    """Answers with what cannot be handed back."""

    RESULT: ClassVar[type[int]] = int

    async def apply_one(self, tx: WriteTransaction) -> int:
        answer: int = object()  # type: ignore[assignment]
        return answer


async def test_a_change_is_committed_and_its_result_comes_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        link = await office.link()
        pending = link.submit(Note(subject=5))
        assert await pending.wait() == 1
        assert pending.committed == Committed.COMMITTED_YES
        assert await subjects(office.store) == [5]


async def test_a_refusal_comes_back_with_what_it_says(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        link = await office.link()
        pending = link.submit(Note(refuse=True))
        with pytest.raises(Conflict) as refused:
            await pending.wait()
        assert refused.value.details == {"field": "note"}
        assert pending.committed == Committed.COMMITTED_NO


async def test_a_repeat_is_answered_with_the_first_result_by_whichever_link(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        links = [await office.link("1"), await office.link("2")]
        results = [await link.submit(Note(subject=1, op=op(1))).wait() for link in links * 2]
        assert results == [1, 1, 1, 1]
        assert await subjects(office.store) == [1]


async def test_one_commit_has_the_changes_of_all_links(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        links = [await office.link(str(number)) for number in range(3)]
        office.store.hold("commit")
        first = links[0].submit(Note(subject=0))
        await office.store.wait_held("commit")
        rest = [
            link.submit(Note(subject=10 * number + at, user_id=number))
            for at in range(4)
            for number, link in enumerate(links)
        ]
        await trio.testing.wait_all_tasks_blocked()
        office.store.release("commit")
        assert [await one.wait() for one in [first, *rest]]
        assert [len(batch) for batch in office.store.batches] == [1, 12]
        logged = await log_of(office.store)
        for number in range(3):
            own = [entry.subject_id for entry in logged if entry.stream.id == number]
            assert own == sorted(own), "the order of a link is kept"


async def test_everyone_is_told_of_a_commit_before_its_caller_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        heard = [Heard(), Heard()]
        link, _ = [await office.link(str(at), one) for at, one in enumerate(heard)]
        for subject in (7, 8):
            position = await link.submit(Note(subject=subject)).wait()
            assert heard[0].told_positions()[-1] == position
            await trio.testing.wait_all_tasks_blocked()
        assert [entry.subject_id for entry in heard[1].facts] == [7, 8]
        assert heard[1].facts == await log_of(office.store)


async def test_what_a_caller_has_left_is_withdrawn_while_it_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        link = await office.link()
        office.store.hold("commit")
        link.submit(Note(subject=0))
        await office.store.wait_held("commit")
        left, stays = link.submit(Note(subject=1)), link.submit(Note(subject=2))
        with trio.move_on_after(1):
            await left.wait()
        assert left.committed == Committed.COMMITTED_UNKNOWN
        await trio.testing.wait_all_tasks_blocked()
        office.store.release("commit")
        await stays.wait()
        assert await subjects(office.store) == [0, 2]


async def test_what_is_committed_already_cannot_be_withdrawn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        link = await office.link()
        office.store.hold("committed")
        left = link.submit(Note(subject=1))
        await office.store.wait_held("committed")
        with trio.move_on_after(1):
            await left.wait()
        office.store.release("committed")
        await link.submit(Note(subject=2)).wait()
        assert left.committed == Committed.COMMITTED_UNKNOWN
        assert await subjects(office.store) == [1, 2]


async def test_a_full_queue_at_the_writer_is_said_to_the_caller(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office(max_waiting=2) as office:
        link = await office.link()
        office.store.hold("commit")
        taken = [link.submit(Note(subject=0))]
        await office.store.wait_held("commit")
        taken += [link.submit(Note(subject=number)) for number in (1, 2)]
        with pytest.raises(Overloaded):
            await link.submit(Note(subject=3)).wait()
        office.store.release("commit")
        for one in taken:
            await one.wait()


async def test_a_process_hands_over_no_more_than_its_limit(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with an_office() as office:
        link = await office.link()
        office.store.hold("commit")
        size = len(link.submit(Note(subject=0)).data)
        monkeypatch.setattr(requests, "MAX_WAITING", 3)
        taken = [link.submit(Note(subject=number)) for number in (1, 2)]
        with pytest.raises(Overloaded):
            link.submit(Note(subject=3))
        monkeypatch.setattr(requests, "MAX_WAITING", 100)
        monkeypatch.setattr(requests, "MAX_BYTES", 3 * size)
        with pytest.raises(Overloaded):
            link.submit(Note(subject=3))
        office.store.release("commit")
        for one in taken:
            await one.wait()
        await link.submit(Note(subject=3)).wait()  # there is room again
        assert await subjects(office.store) == [0, 1, 2, 3]


async def test_a_bug_in_one_change_is_its_own_callers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        link = await office.link()
        with structlog.testing.capture_logs() as logs:
            for wrong in (Note(broken=True), Local()):
                with pytest.raises(Exception) as failed:  # noqa: PT011
                    await link.submit(wrong).wait()
                assert not isinstance(failed.value, StoreError)
        assert [entry["log_level"] for entry in logs] == ["error", "error"]
        assert await link.submit(Note(subject=1)).wait()
        assert link.connected


async def test_procedures_run_at_the_writer(autojump_clock: trio.testing.MockClock) -> None:
    async with an_office() as office:
        link = await office.link()
        for _ in range(guesses.MAX_IN_WINDOW):
            await link.write(guesses.take, b"key", 1000)
        with pytest.raises(TooMany) as refused:
            await link.write(guesses.take, b"key", now_ms=2000)
        assert refused.value.retry_after_ms == guesses.WINDOW_MS - 1000
        await link.write(guesses.give_back, b"key")
        await link.write(guesses.take, b"key", 1000)
        office.store.fail("write", Unavailable("for a moment"))
        with pytest.raises(Unavailable):
            await link.write(guesses.take, b"other", 1000)


async def test_nothing_runs_there_but_procedures(autojump_clock: trio.testing.MockClock) -> None:
    async with an_office() as office:
        link = await office.link()
        with pytest.raises(TypeError):
            await link.write(unmarked)
        with structlog.testing.capture_logs() as logs, pytest.raises(Exception, match="how"):
            await link.write(broken, "how")
        assert [entry["event"] for entry in logs] == ["procedure failed"]
        assert link.connected


async def test_what_is_with_a_writer_that_dies_is_lost_not_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """One was committed, one was not; nobody here can know which."""
    async with an_office() as office:
        link = await office.link()
        office.store.hold("committed")
        made = link.submit(Note(subject=1, op=op(1)))
        await office.store.wait_held("committed")
        waits = link.submit(Note(subject=2, op=op(2)))
        office.store.hold("write")
        async with trio.open_nursery() as nursery:

            async def guess() -> None:
                with pytest.raises(Unavailable):
                    await link.write(guesses.take, b"key", 1)

            nursery.start_soon(guess)
            await office.store.wait_held("write")
            office.close()
            office.store.release_all()
            for lost in (made, waits):
                with pytest.raises(Unavailable):
                    await lost.wait()
                assert lost.state is State.LOST
                assert lost.committed == Committed.COMMITTED_UNKNOWN
        await office.open()
        for subject in (1, 2):
            assert await link.submit(Note(subject=subject, op=op(subject))).wait()
        assert await subjects(office.store) == [1, 2]


async def test_what_is_asked_while_the_writer_is_away_waits_for_it_in_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        link = await office.link()
        office.close()
        await trio.testing.wait_all_tasks_blocked()
        assert not link.connected
        waiting = [link.submit(Note(subject=number)) for number in range(4)]
        assert waiting[0].committed == Committed.COMMITTED_NO
        with trio.move_on_after(1):
            await waiting[1].wait()
        assert waiting[1].committed == Committed.COMMITTED_NO
        await office.open()
        for number in (0, 2, 3):
            await waiting[number].wait()
        assert await subjects(office.store) == [0, 2, 3]


async def test_it_waits_only_for_so_long(autojump_clock: trio.testing.MockClock) -> None:
    async with an_office() as office:
        link = await office.link()
        office.close()
        await trio.testing.wait_all_tasks_blocked()
        begun = trio.current_time()
        waits = link.submit(Note(subject=1))
        with pytest.raises(Unavailable):
            await waits.wait()
        assert trio.current_time() - begun <= PATIENCE
        assert waits.committed == Committed.COMMITTED_NO
        with pytest.raises(Unavailable):  # and then it is said at once
            link.submit(Note(subject=2))
        await office.open()
        await trio.sleep(1)
        await link.submit(Note(subject=3)).wait()
        assert await subjects(office.store) == [3]
        office.close()
        await trio.testing.wait_all_tasks_blocked()
        patient = link.submit(Note(subject=4))
        await office.open()
        await patient.wait()


async def do_twice(link: Link, number: int) -> None:
    """Two changes, each asked again until it is answered."""
    for at in (2 * number, 2 * number + 1):
        with trio.fail_after(30):
            while True:
                try:
                    await link.submit(Note(subject=at, op=op(at))).wait()
                    break
                except Unavailable:
                    await trio.lowlevel.checkpoint()


MUCH = 1_000_000


@pytest.mark.parametrize("way", ["cut_after", "cut_after_received"])
async def test_a_link_that_is_cut_at_any_byte_does_everything_once(
    autojump_clock: trio.testing.MockClock, way: str
) -> None:
    """What is lost is asked again with its op_key, on the link that follows by itself."""
    async with an_office() as office:
        cuts: list[int] = [MUCH]  # at first not at all, to see how long it is
        number = 0
        while number < len(cuts):
            setattr(office, way, cuts[number])
            first = len(office.streams)
            async with trio.open_nursery() as nursery:
                link = Link("1", office.dial, CollectorRegistry(), Heard())
                nursery.start_soon(link.run)
                await do_twice(link, number)
                nursery.cancel_scope.cancel()
            if number == 0:
                cuts += range(MUCH - getattr(office.streams[0], way))
            elif cuts[number] < len(cuts) - 40:  # later numbers may be longer
                assert len(office.streams) > first + 1, "it was cut"
            number += 1
        logged = await subjects(office.store)
        assert sorted(logged) == list(range(2 * number))
        assert number > 100
