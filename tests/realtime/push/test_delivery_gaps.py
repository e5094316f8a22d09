"""Every entry of the log once, in order, however it comes to the node's knowledge."""

from __future__ import annotations

import pytest
import structlog
import trio
import trio.testing

from realtime.push.cursors import Cursor, decode_cursor
from realtime.push.delivery import BACKLOG, GAP
from realtime.testing import open_test_server
from rpc.wire import decode_server
from store.errors import Unavailable
from store.retention import raise_floor, remove_below
from store.sources import Stretch, read_stretch
from tests.realtime.push.delivering import Delivering, delivering
from tests.realtime.rooms.town import ANN, BEN, START
from tests.store.gated import open_gated


def numbers(first: int, count: int) -> list[int]:
    return list(range(START + first, START + first + count))


async def test_what_is_offered_in_order_is_delivered_without_reading(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        ben = await kit.come(BEN)
        before = len(kit.town.store.calls)
        for _ in range(3):
            kit.offer(await kit.note(ANN, 1, 2))  # nobody here has to do with it
        await kit.settle()
        assert len(kit.town.store.calls) == before
        assert kit.delivery.position == START + 6
        assert ben.pushed == []


async def test_entries_of_another_node_are_read_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        ben = await kit.come(BEN)
        await kit.note(BEN, BEN, BEN)  # not offered here
        kit.offer(await kit.note(BEN, BEN))
        await kit.settle()
        assert kit.positions(ben) == numbers(1, 3)
        assert kit.delivery.position == START + 3


async def test_the_gap_before_each_offer_is_read_before_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        ben = await kit.come(BEN)
        kit.town.store.hold("read")
        for _ in range(4):
            await kit.note(BEN, BEN)
            kit.offer(await kit.note(BEN, BEN))
        await kit.town.store.wait_held("read")
        kit.town.store.release("read")
        await kit.settle()
        assert kit.positions(ben) == numbers(1, 8)


async def test_a_large_gap_is_read_in_pieces(autojump_clock: trio.testing.MockClock) -> None:
    async with delivering() as kit:
        ben = await kit.come(BEN)
        await kit.note(BEN, *[BEN] * (2 * GAP + 5))
        kit.offer(await kit.note(BEN, BEN))
        await kit.settle()
        assert kit.positions(ben) == numbers(1, 2 * GAP + 6)
        reads = [args for name, args in kit.town.store.calls if name == "read_stretch"]
        assert [args[0] for args in reads] == [START, START + GAP, START + 2 * GAP]
        assert [args[1] for args in reads] == [GAP, GAP, 5]


async def test_what_comes_twice_is_delivered_once(autojump_clock: trio.testing.MockClock) -> None:
    async with delivering() as kit:
        ben = await kit.come(BEN)
        first, second = await kit.note(BEN, BEN, BEN), await kit.note(BEN, BEN)
        kit.offer(first, first, second)
        await kit.settle()
        kit.offer(first, second)
        kit.delivery.offer([*first.entries[1:], *second.entries])
        third = await kit.note(BEN, BEN)
        kit.delivery.offer([*second.entries, *third.entries])  # half of it is known
        await kit.settle()
        assert kit.positions(ben) == numbers(1, 4)


async def test_a_backlog_that_overflows_is_read_from_the_table(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        ben = await kit.come(BEN)
        kit.town.store.hold("read")
        count = BACKLOG + 20
        for _ in range(count):
            kit.offer(await kit.note(BEN, BEN))
        assert len(kit.delivery._offered) <= BACKLOG
        kit.town.store.release("read")
        await kit.settle()
        assert kit.positions(ben) == numbers(1, count)


async def test_a_wakeup_that_was_lost_is_made_good_by_who_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A session has seen in the database what was never offered: it must not wait for more."""
    async with delivering() as kit:
        ann = await kit.come(ANN)
        await kit.note(ANN, ANN)
        await kit.come(BEN)  # waits until the delivery has come to what it has seen
        assert kit.positions(ann) == numbers(1, 1)


async def test_a_head_that_is_known_is_reached_without_an_offer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        ann = await kit.come(ANN)
        batch = await kit.note(ANN, ANN)
        kit.delivery.expect(batch.head.position)
        await kit.settle()
        assert kit.positions(ann) == numbers(1, 1)


def reads(kit: Delivering) -> int:
    return len([1 for name, _ in kit.town.store.calls if name == "read_stretch"])


async def test_a_log_shorter_than_expected_is_waited_for_without_haste(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The reader may be behind the writer: what is missing will come, and is not skipped."""
    with structlog.testing.capture_logs() as logs:
        async with delivering() as kit:
            ben = await kit.come(BEN)
            kit.delivery.expect(START + 2)
            await trio.sleep(60)
            assert kit.delivery.position == START
            assert 60 <= reads(kit) <= 600
            await kit.note(BEN, BEN)
            await trio.sleep(1)
            assert kit.positions(ben) == numbers(1, 1)
            kit.offer(await kit.note(BEN, BEN, BEN))
            await kit.settle()
            assert kit.positions(ben) == numbers(1, 3)
            count = reads(kit)
            await trio.sleep(60)
            assert reads(kit) == count
    assert {entry["event"] for entry in logs} == {"the log is shorter than expected"}
    assert len(logs) <= 2  # not one for every look


async def test_a_reader_that_is_behind_is_asked_until_it_has_the_gap(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs():
        async with delivering() as kit:
            ben = await kit.come(BEN)
            await kit.note(BEN, BEN)
            offered = await kit.note(BEN, BEN)
            kit.town.store.answer_instead(read_stretch, *[Stretch(START, START, [])] * 3)
            kit.offer(offered)
            await trio.sleep(0.1)
            assert kit.positions(ben) == []  # the later one may not come first
            await kit.settle()
            assert kit.positions(ben) == numbers(1, 2)


@pytest.mark.parametrize("failures", [1, 5])
async def test_a_store_that_is_away_during_a_gap_loses_nothing(
    autojump_clock: trio.testing.MockClock, failures: int
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with delivering() as kit:
            ben = await kit.come(BEN)
            await kit.note(BEN, BEN)
            kit.town.store.fail_when(read_stretch, "read", *[Unavailable("away")] * failures)
            kit.offer(await kit.note(BEN, BEN))
            await kit.settle()
            assert kit.positions(ben) == numbers(1, 2)
    assert [entry["event"] for entry in logs] == ["delivery waits for the store"] * failures


async def test_a_store_that_is_away_while_records_are_loaded_loses_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The batch has been taken from the backlog already: it comes again from the table."""
    with structlog.testing.capture_logs():
        async with delivering() as kit:
            ben = await kit.come(BEN)
            first, second = await kit.note(BEN, BEN, BEN), await kit.note(BEN, BEN)
            kit.town.store.fail("read", Unavailable("away"))
            kit.offer(first, second)
            await kit.settle()
            assert kit.positions(ben) == numbers(1, 3)


async def test_who_waits_is_woken_when_it_is_there_and_not_before(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        await kit.come(BEN)
        await kit.delivery.wait_for(START)
        arrived: list[int] = []

        async def wait(position: int) -> None:
            await kit.delivery.wait_for(position)
            assert kit.delivery.position >= position
            arrived.append(position)

        async with trio.open_nursery() as nursery:
            kit.town.store.hold("read")
            batches = [await kit.note(BEN, BEN) for _ in range(3)]
            kit.offer(*batches)
            for position in numbers(1, 3):
                nursery.start_soon(wait, position)
            await trio.testing.wait_all_tasks_blocked()
            assert arrived == []
            kit.town.store.release("read")
        assert sorted(arrived) == numbers(1, 3)


async def test_the_checkpoint_is_where_the_delivery_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        here = kit.delivery
        assert decode_cursor(here.cursor()) == Cursor(here.epoch, START)
        first = here.checkpoint()
        assert here.checkpoint() is first  # the same bytes for every session
        kit.offer(await kit.note(ANN, 1))
        await kit.settle()
        (frame,) = decode_server(here.checkpoint())
        assert frame.checkpoint.cursor == here.cursor()
        assert decode_cursor(here.cursor()) == Cursor(here.epoch, START + 1)


async def test_an_empty_offer_is_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with delivering() as kit:
        kit.delivery.offer([])
        await trio.sleep(60)
        assert kit.delivery.position == kit.delivery.wanted == START


async def test_a_commit_whose_answer_was_lost_is_delivered_all_the_same(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = await open_gated()
    with structlog.testing.capture_logs():
        async with open_test_server(store=store) as server:
            ann, ben = await server.sign_up("ann"), await server.sign_up("ben")
            room = (await ann.call("Chat.OpenDirect", user_id=ben.user_id)).room.id
            await ben.expect("room_joined")
            store.fail("committed", Unavailable("the answer is lost"))
            sent = await ann.call(
                "Chat.SendMessage", room_id=room, client_id=b"c" * 16, text="hello"
            )
            assert (await ben.expect_update("message", within=1)).message.id == sent.id


@pytest.mark.parametrize("left", [0, 3])
async def test_a_node_that_the_retention_overtook_sends_its_sessions_away(
    autojump_clock: trio.testing.MockClock, left: int
) -> None:
    """What it has not delivered is gone: its sessions come again, and begin afresh."""
    async with delivering() as kit:
        ben = await kit.come(BEN)
        kit.offer(await kit.note(BEN, BEN))
        await kit.settle()
        for _ in range(5 + left):
            await kit.note(BEN, BEN)  # not offered here
        await kit.town.store.inner.write(raise_floor, START + 6, 0)
        await kit.town.store.inner.write(remove_below, 1000)
        with structlog.testing.capture_logs() as logs:
            kit.offer(await kit.note(BEN, BEN))
            await kit.settle()
        (line,) = logs
        assert line["event"] == "overtaken by the log's retention"
        assert (line["position"], line["floor"]) == (START + 1, START + 6)
        assert ben.dismissed == ["the log has moved on"]
        # It is the session that leaves; the delivery goes on with what there is.
        assert kit.positions(ben) == [START + 1, *numbers(7, left + 1)]
        assert kit.delivery.position == START + 7 + left
