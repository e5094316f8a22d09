"""What the writer tells to all: entries, positions, hints, signals, presence."""

from __future__ import annotations

import pytest
import structlog
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from realtime.link import channel, switchboard
from realtime.link.framing import FrameDecoder, frame
from realtime.link.link import GREETING, Link
from realtime.link.messages import CODEC, VERSION, Hello, Refused, Welcome
from realtime.rooms.presence import GRACE
from rpc.proto.frames_pb2 import Signal, Typing
from rpc.wire import decode_server
from store.projections.base import CountsHint, HomeHint
from tests.realtime.link.linking import Heard, Office, an_office
from tests.store.notes import Note, log_of


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_who_comes_back_knows_how_far_the_log_reaches(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        heard, other = Heard(), Heard()
        link = await office.link("1", heard)
        await office.link("2", other)
        assert heard.positions == [0]
        await link.submit(Note(subject=1)).wait()
        await settled()
        assert (heard.told_positions(), heard.positions) == ([1], [0, 1])
        office.close()
        await settled()
        await office.store.inner.commit([Note(subject=2)], 0)  # told to nobody
        await office.open()
        await trio.sleep(1)
        for one in (heard, other):
            assert (one.told_positions(), one.positions[-1]) == ([1], 2)
        await link.submit(Note(subject=3)).wait()
        await settled()
        assert other.told_positions() == [1, 3]


async def test_a_commit_whose_answer_was_lost_is_still_reached(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its entries are in no batch, and the next ones do not follow behind those before."""
    async with an_office() as office:
        heard = Heard()
        link = await office.link("1", heard)
        await office.store.inner.commit([Note(subject=1)], 0)
        office.switchboard.committed(await office.store.inner.commit([], 0))
        await settled()
        assert heard.positions[-1] == 1
        await link.submit(Note(subject=2)).wait()
        assert heard.told_positions() == [2]


async def test_many_entries_come_in_several_messages(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "SLICE", 3)
    async with an_office() as office:
        heard = Heard()
        link = await office.link("1", heard)
        office.store.hold("commit")
        waiting = [link.submit(Note(subject=number, user_id=number)) for number in range(11)]
        await settled()
        office.store.release("commit")
        for one in waiting:
            await one.wait()
        assert heard.facts == await log_of(office.store)


async def test_who_does_not_read_is_spared_the_entries_but_told_of_them(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "BEHIND", 100)
    async with an_office() as office:
        heard, slow = Heard(), Heard()
        link = await office.link("1", heard)
        await office.link("2", slow)
        stalled = office.streams[-1]
        stalled.stall()
        for number in range(2000):
            await link.submit(Note(subject=number)).wait()
        await settled()
        assert heard.told_positions() == list(range(1, 2001))
        stalled.resume()
        await settled()
        assert len(slow.facts) < 2000
        assert slow.told_positions() == sorted(slow.told_positions())
        assert slow.positions[-1] == 2000
        await link.submit(Note(subject=0)).wait()
        await settled()
        assert slow.told_positions()[-1] == 2001


async def test_who_never_reads_is_dropped_and_may_come_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        heard = Heard()
        await office.link("1", heard)
        writer = await office.link("2")
        office.streams[0].stall()
        with structlog.testing.capture_logs() as logs:
            for number in range(3000):
                await writer.submit(Note(subject=number)).wait()
            await trio.sleep(channel.STALL + 1)
        assert {"event": "link broken", "why": "the other end does not read"} in [
            {"event": one["event"], "why": one.get("why")} for one in logs
        ]
        office.streams[0].resume()
        await trio.sleep(1)
        assert heard.positions[-1] == 3000
        assert office.switchboard.links == 2


async def test_no_more_than_so_much_waits_for_who_does_not_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        await office.link("1", Heard())
        (peer,) = office.switchboard._peers
        office.streams[0].stall()
        peer.channel._most = peer.channel.waiting + 50
        assert peer.channel.post(b"x" * 50)
        assert not peer.channel.post(b"x")
        assert not peer.channel.post(b"x")
        office.streams[0].resume()
        await trio.sleep(1)
        assert office.switchboard.links == 1  # another connection


async def test_hints_go_to_all_who_follow(autojump_clock: trio.testing.MockClock) -> None:
    async with an_office() as office:
        one, two = Heard(), Heard()
        await office.link("1", one)
        await office.link("2", two)
        media = await office.link("media")
        counts = CountsHint(post_id=1, author_id=2, likes=3, comments=4)
        office.switchboard.hint([counts, HomeHint(author_id=1, post_id=2)])
        await settled()
        for heard in (one, two):
            assert heard.hints == [HomeHint(author_id=1, post_id=2), counts]
        assert media.connected


async def test_signals_reach_all_others_once(autojump_clock: trio.testing.MockClock) -> None:
    async with an_office() as office:
        heard = [Heard(), Heard(), Heard()]
        links = [await office.link(str(at), one) for at, one in enumerate(heard)]
        media = await office.link("media")
        links[0].relay(7, (), 3, ("typing", 7, 3), b"data")
        media.relay(0, [5, 6], 0, (), b"progress")
        await settled()
        assert [one.rooms for one in heard] == [[]] + [[(7, ("typing", 7, 3), b"data", 3)]] * 2
        assert [one.users for one in heard] == [[([5, 6], (), b"progress")]] * 3


async def test_signals_are_dropped_where_there_is_no_link(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        one, two = Heard(), Heard()
        link = await office.link("1", one)
        await office.link("2", two)
        office.close()
        await settled()
        link.relay(7, (), 3, (), b"lost")
        await office.open()
        await trio.sleep(1)
        link.relay(7, (), 3, (), b"comes")
        await settled()
        assert [data for _, _, data, _ in two.rooms] == [b"comes"]


async def test_the_writers_own_signals_reach_users_everywhere(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        one, two = Heard(), Heard()
        await office.link("1", one)
        await office.link("2", two)
        signal = Signal(typing=Typing(room_id=1, user_id=2))
        office.switchboard.to_users([4, 5], signal)
        office.switchboard.to_users([], signal)
        await settled()
        for heard in (one, two):
            ((users, key, data),) = heard.users
            assert (users, key) == ([4, 5], ("typing", 1, 2))
            assert decode_server(data)[0].signal == signal


async def come(link: Link, heard: Heard, user_id: int, online: bool = True) -> None:
    """As `PresenceReporter` does."""
    (heard.online.add if online else heard.online.discard)(user_id)
    link.present(user_id, online)
    await settled()


async def test_a_user_is_online_while_any_process_has_him(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        heard = Heard(), Heard()
        links = [await office.link(str(at), one) for at, one in enumerate(heard)]
        await come(links[0], heard[0], 9)
        await come(links[1], heard[1], 9)
        assert [link.is_online(9) for link in links] == [True, True]
        await come(links[0], heard[0], 9, online=False)
        await trio.sleep(2 * GRACE)
        assert [link.is_online(9) for link in links] == [True, True]
        await come(links[1], heard[1], 9, online=False)
        await trio.sleep(GRACE / 2)
        assert [link.is_online(9) for link in links] == [True, True], "he may come back"
        await trio.sleep(GRACE)
        assert [link.is_online(9) for link in links] == [False, False]


async def test_a_process_that_dies_takes_its_users_along(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        stays, dies = Heard(), Heard()
        link = await office.link("1", stays)
        async with trio.open_nursery() as nursery:
            mortal = Link("2", office.dial, CollectorRegistry(), dies)
            await nursery.start(mortal.run)
            await come(mortal, dies, 9)
            await come(mortal, dies, 8)
            await come(link, stays, 8)
            assert link.is_online(9)
            nursery.cancel_scope.cancel()
        await trio.sleep(GRACE + 1)
        assert (link.is_online(9), link.is_online(8)) == (False, True)
        late = await office.link("3", Heard())
        assert (late.is_online(9), late.is_online(8)) == (False, True)


async def test_presence_outlives_the_writer(autojump_clock: trio.testing.MockClock) -> None:
    """Who stays is told no second time; who leaves meanwhile is told to have left."""
    async with an_office() as office:
        heard = Heard(), Heard()
        links = [await office.link(str(at), one) for at, one in enumerate(heard)]
        for user_id in (7, 8):
            await come(links[0], heard[0], user_id)
        told: list[tuple[int, bool]] = []
        office.close()
        await settled()
        await come(links[0], heard[0], 8, online=False)
        await come(links[1], heard[1], 6)
        await office.open()
        keeper = office.switchboard.presence
        inner = keeper._on_told

        def tell(user_id: int, online: bool) -> None:
            told.append((user_id, online))
            inner(user_id, online)

        keeper._on_told = tell
        await trio.sleep(1)
        assert told == [(6, True)]
        assert [link.is_online(user) for link in links for user in (6, 7, 8)] == [True] * 6
        await trio.sleep(GRACE)
        assert told == [(6, True), (8, False)]
        assert [link.is_online(8) for link in links] == [False, False]


# Those who break the rules.


async def raw(office: Office, *data: bytes) -> list[object]:
    """What is answered to these bytes, up to the end of the connection."""
    stream = await office.dial()
    for piece in data:
        await stream.send_all(piece)
    decoder, found = FrameDecoder(), []
    with trio.fail_after(GREETING + 1):
        try:
            while received := await stream.receive_some():
                found += decoder.feed(received)
        except trio.BrokenResourceError:
            pass
    return [CODEC.decode(*one) for one in found]


HELLO = CODEC.encode(Hello(VERSION, "raw", True, [], []))


@pytest.mark.parametrize(
    "broken",
    [
        [b"GET / HTTP/1.1\r\n\r\n"],
        [frame(200, b"")],
        [frame(1, b"\xc0")],
        [CODEC.encode(Welcome(0, 0, [], []))],
        [HELLO, HELLO],
        [HELLO, CODEC.encode(Welcome(0, 0, [], []))],
        [HELLO, frame(2, b"\xc0")],
        [],
        [HELLO[:3]],
    ],
    ids=["http", "kind", "hello", "first", "twice", "welcome", "submit", "silent", "half"],
)
async def test_who_breaks_the_rules_loses_his_link_alone(
    autojump_clock: trio.testing.MockClock, broken: list[bytes]
) -> None:
    async with an_office() as office:
        link = await office.link("1", Heard())
        with structlog.testing.capture_logs() as logs:
            answers = await raw(office, *broken)
        assert all(isinstance(one, Welcome) for one in answers)
        assert [one["log_level"] for one in logs if one["log_level"] != "info"] == ["warning"]
        assert await link.submit(Note(subject=1)).wait() == 1
        assert office.switchboard.links == 1


async def test_another_version_is_refused_with_the_reason(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with an_office() as office:
        hello = CODEC.encode(Hello(VERSION + 1, "newer", True, [], []))
        (answer,) = await raw(office, hello)
        assert isinstance(answer, Refused)
        assert f"version {VERSION + 1}" in answer.reason
