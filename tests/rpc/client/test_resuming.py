"""Updates: each once, in order; the cursor follows what the app has handled."""

from __future__ import annotations

import contextlib

import pytest
import trio

from rpc.client import MemoryState
from rpc.client.events import (
    CaughtUp,
    Connected,
    CursorMoved,
    GapFound,
    Lagging,
    Resynced,
    RoomGone,
    RoomJoined,
    SignalReceived,
    Skipped,
    Unreadable,
    UpdateReceived,
)
from rpc.client.state import Save
from rpc.client.updates import Mark, StreamKey
from rpc.proto import frames_pb2, models_pb2, users_pb2
from rpc.proto.frames_pb2 import ServerFrame
from rpc.proto.stubs import UsersClient
from rpc.transport import TransportClosed
from tests.rpc.client.fakes import Inbox, Net, client_of, message_update

ROOM = StreamKey(frames_pb2.STREAM_ROOM, 1)
TYPING = frames_pb2.Signal(typing=frames_pb2.Typing(room_id=1, user_id=2))


async def test_the_cursor_of_the_welcome_is_adopted_after_the_lists_are_loaded(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net, state = Net(), MemoryState()
    async with client_of(net, state=state) as client:
        end = await net.welcome(cursor=b"c0")
        connected = await anext(client.events)
        assert connected == Connected(7, 1, resumed=False)
        # The app loads its lists here; were it to die now, it must begin anew.
        assert (await state.load()).cursor == b""
        assert await anext(client.events) == CursorMoved(b"c0")
        assert (await state.load()).cursor == b"c0"
        assert (await end.expect("ack")).cursor == b"c0"


async def test_only_a_checkpoint_moves_the_cursor_and_only_past_what_is_handled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net, state = Net(), MemoryState()
    async with client_of(net, state=state) as client:
        end = await net.welcome()
        assert isinstance(await anext(client.events), Connected)
        assert isinstance(await anext(client.events), CursorMoved)
        await end.send(update=message_update(1))
        await end.send(update=message_update(2))
        await end.checkpoint(b"c2")
        await end.send(update=message_update(3))
        for number in (1, 2):
            event = await anext(client.events)
            assert isinstance(event, UpdateReceived)
            assert event.update.sequence == number
            await trio.testing.wait_all_tasks_blocked()
            assert client.cursor == b"c0"
        assert await anext(client.events) == CursorMoved(b"c2")
        stored = await state.load()
        assert (stored.cursor, stored.streams) == (b"c2", {ROOM: Mark(2)})
        assert client.cursor == b"c2"


async def test_it_resumes_at_the_stored_cursor_and_drops_what_it_had(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await net.welcome()
        for number in (1, 2):
            await end.send(update=message_update(number))
        await end.checkpoint(b"c2")
        for number in (3, 4):
            await end.send(update=message_update(number))
        await inbox.wait(UpdateReceived, 4)
        end.cut()
        end = await net.accept()
        hello = await end.hello()
        assert hello.cursor == b"c2"
        for number in (3, 4, 5):
            await end.send(update=message_update(number))
        await end.checkpoint(b"c5")
        await end.send(caught_up=frames_pb2.CaughtUp(home_newest_post_id=8))
        assert await inbox.wait(CaughtUp) == CaughtUp(8)
        assert inbox.sequences() == [1, 2, 3, 4, 5]
        assert (await inbox.wait(Connected, 2)).resumed
        assert client.statistics().feed.duplicates == 2
        assert client.cursor == b"c5"
        nursery.cancel_scope.cancel()


async def test_a_new_process_resumes_with_the_numbers_that_the_cursor_covers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net, state = Net(), MemoryState()
    async with client_of(net, state=state) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await net.welcome()
        await end.send(update=message_update(1))
        await end.checkpoint(b"c1")
        await end.send(update=message_update(2))  # seen, but no checkpoint covers it
        await inbox.wait(UpdateReceived, 2)
        device = (await state.load()).device_id
        nursery.cancel_scope.cancel()
    async with client_of(net, state=state) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await net.accept()
        hello = await end.hello()
        assert (hello.cursor, hello.device_id) == (b"c1", device)
        await end.send(update=message_update(2))
        await inbox.wait(UpdateReceived)
        await end.send(update=message_update(4))
        gap = await inbox.wait(GapFound)
        assert gap == GapFound(ROOM, 3, 4)
        nursery.cancel_scope.cancel()


async def test_a_gap_is_reported_and_closed_by_resuming(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await net.welcome()
        await end.send(update=message_update(1))
        await end.checkpoint(b"c1")
        await end.send_frames(
            ServerFrame(update=message_update(3)),
            ServerFrame(update=message_update(4)),
            ServerFrame(checkpoint=frames_pb2.Checkpoint(cursor=b"c4")),  # must not be believed
        )
        assert await inbox.wait(GapFound) == GapFound(ROOM, 2, 3)
        await end.wait_closed()
        end = await net.accept()
        assert (await end.hello()).cursor == b"c1"
        for number in (2, 3, 4):
            await end.send(update=message_update(number))
        await inbox.wait(UpdateReceived, 4)
        assert inbox.sequences() == [1, 2, 3, 4]
        assert client.statistics().feed.gaps == 1
        nursery.cancel_scope.cancel()


async def test_a_gap_that_resuming_does_not_close_begins_anew(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await net.welcome()
        await end.send(update=message_update(1))
        await end.checkpoint(b"c1")
        await end.send(update=message_update(3))
        end = await net.welcome()
        await end.send(update=message_update(3))
        end = await net.accept()
        assert (await end.hello(cursor=b"c9")).cursor == b""
        await end.send(update=message_update(4))
        connected = await inbox.wait(Connected, 3)
        assert not connected.resumed
        await inbox.wait(UpdateReceived, 2)
        assert client.cursor == b"c9"
        nursery.cancel_scope.cancel()


async def test_lag_is_the_server_s_to_repair(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await net.welcome()
        await end.send(update=message_update(1))
        await end.send(lagging=frames_pb2.Lagging())
        await end.send(update=message_update(5))
        for number in (1, 2, 3, 4, 5):
            await end.send(update=message_update(number))
        await end.send(caught_up=frames_pb2.CaughtUp())
        await inbox.wait(CaughtUp)
        assert inbox.sequences() == [1, 2, 3, 4, 5]
        assert await inbox.wait(Lagging) == Lagging()
        assert client.statistics().feed.gaps == 0
        assert len(net.dials) == 1
        nursery.cancel_scope.cancel()


async def test_a_resync_adopts_the_cursor_once_the_app_has_loaded_afresh(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net, state = Net(), MemoryState()
    await state.save(Save([], b"old", {ROOM: Mark(50)}, user_id=7))
    async with client_of(net, state=state) as client:
        end = await net.accept()
        assert (await end.hello()).cursor == b"old"
        await end.send(resync=frames_pb2.Resync(reason=frames_pb2.Resync.OTHER_EPOCH, cursor=b"n0"))
        await end.send(update=message_update(2))
        await end.checkpoint(b"n2")
        assert await anext(client.events) == Connected(7, 1, resumed=True)
        assert await anext(client.events) == Resynced(frames_pb2.Resync.OTHER_EPOCH)
        assert (await state.load()).cursor == b"old"
        assert await anext(client.events) == CursorMoved(b"n0")
        assert (await state.load()).streams == {}
        assert isinstance(await anext(client.events), UpdateReceived)
        assert await anext(client.events) == CursorMoved(b"n2")
        assert (await state.load()).streams == {ROOM: Mark(2)}
        assert client.statistics().feed.resyncs == 1


async def test_rooms_come_and_go(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    summary = models_pb2.RoomSummary(room=models_pb2.Room(id=1), base_sequence=10)
    async with client_of(net) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await net.welcome()
        await end.send(room_joined=frames_pb2.RoomJoined(summary=summary, position=50))
        await end.send(update=message_update(11, position=51))
        skip = frames_pb2.Skip(stream=message_update(1).stream, to=12, position=52)
        setattr(skip, "from", 12)
        await end.send(skip=skip)
        await end.send(update=message_update(13, position=53))
        await end.send(room_gone=frames_pb2.RoomGone(room_id=1, position=60))
        await end.send(room_gone=frames_pb2.RoomGone(room_id=1, position=60))
        await end.send(caught_up=frames_pb2.CaughtUp())
        await inbox.wait(CaughtUp)
        told = [event for event in inbox.events if not isinstance(event, Connected | CursorMoved)]
        assert told == [
            RoomJoined(summary, 50),
            UpdateReceived(message_update(11, position=51)),
            Skipped(skip),
            UpdateReceived(message_update(13, position=53)),
            RoomGone(1, 60),
            CaughtUp(0),
        ]
        nursery.cancel_scope.cancel()


async def test_frames_of_unknown_kinds_are_counted_and_passed_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net, state = Net(), MemoryState()
    async with client_of(net, state=state) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await net.welcome()
        unknown = message_update(1)
        unknown.ClearField("message")
        await end.send_frames(ServerFrame(), ServerFrame(update=unknown))
        await end.checkpoint(b"c1")
        await inbox.wait(CursorMoved, 2)
        feed = client.statistics().feed
        assert (feed.unknown_frames, feed.unknown_updates) == (1, 1)
        nursery.cancel_scope.cancel()
    # The same version does not know more; the next one is told where to look again.
    async with client_of(net, state=state) as client:
        await net.welcome()
        assert isinstance(await anext(client.events), Connected)
    async with client_of(net, state=state, version="sunwire-python/0.2.0") as client:
        await net.welcome()
        assert await anext(client.events) == Unreadable(ROOM)
        assert await anext(client.events) == CursorMoved(b"c1")
        assert isinstance(await anext(client.events), Connected)


async def test_another_user_s_cursor_is_not_used(autojump_clock: trio.testing.MockClock) -> None:
    net, state = Net(), MemoryState()
    await state.save(Save([], b"old", {ROOM: Mark(50)}, user_id=6))
    async with client_of(net, state=state) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        assert (await (await net.accept()).hello()).cursor == b"old"
        assert (await (await net.accept()).hello()).cursor == b""
        assert not (await inbox.wait(Connected)).resumed
        await inbox.wait(CursorMoved)
        stored = await state.load()
        assert (stored.user_id, stored.cursor, stored.streams) == (7, b"c0", {})
        nursery.cancel_scope.cancel()


async def test_a_full_box_stops_the_reading(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net, events=10) as client, trio.open_nursery() as nursery:
        end = await net.welcome(heartbeat_ms=5_000)
        for number in range(1, 101):
            await end.send(update=message_update(number))
        await trio.sleep(60)  # the app is busy: that is no dead connection
        assert client.connected
        assert len(client.events) == 10
        inbox = Inbox(client, nursery)
        await inbox.wait(UpdateReceived, 100)
        assert inbox.sequences() == list(range(1, 101))
        assert client.statistics().feed.overruns == 0
        assert len(net.dials) == 1
        nursery.cancel_scope.cancel()


async def test_handling_an_event_may_make_calls_however_full_the_box(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The answer comes behind updates that have no room: they are dropped and come again."""
    net = Net()
    got: list[int] = []

    async def serve(updates: int) -> None:
        end = await net.welcome()
        for number in range(1, updates + 1):
            await end.send(update=message_update(number))
        while True:
            frame = await end.next_frame()
            if frame.WhichOneof("frame") == "call":
                await end.answer(frame.call, models_pb2.Profile())

    async def serve_all() -> None:
        with contextlib.suppress(TransportClosed):
            await serve(50)
        while True:
            with contextlib.suppress(TransportClosed):
                await serve(60)

    async with client_of(net, events=10) as client, trio.open_nursery() as nursery:
        nursery.start_soon(serve_all)
        async for event in client.events:
            if isinstance(event, UpdateReceived):
                await UsersClient(client).get_me(users_pb2.GetMeRequest(), timeout=5)
                got.append(event.update.sequence)
                if got[-1] == 60:
                    break
        assert got == list(range(1, 61))
        assert client.statistics().feed.overruns >= 1
        assert trio.current_time() < 5
        nursery.cancel_scope.cancel()


async def test_signals_are_dropped_first(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net, events=10) as client:
        end = await net.welcome()
        for _ in range(20):
            await end.send(signal=TYPING)
        await end.send(update=message_update(1))
        await trio.sleep(1)
        seen = []
        with trio.move_on_after(1):
            async for event in client.events:
                seen.append(event)
        assert sum(isinstance(event, SignalReceived) for event in seen) == 3
        assert sum(isinstance(event, UpdateReceived) for event in seen) == 1
        assert client.statistics().feed.signals_dropped == 17


async def test_an_app_without_events_only_calls(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net, events=0) as client, trio.open_nursery() as nursery:
        end = await net.welcome()
        for number in range(1, 1000):
            await end.send(update=message_update(number))
        await end.checkpoint(b"c1000")
        nursery.start_soon(UsersClient(client).get_me, users_pb2.GetMeRequest())
        await end.answer(await end.call(), models_pb2.Profile())
        end.cut()
        assert (await (await net.accept()).hello()).cursor == b""
        with pytest.raises(RuntimeError):
            await anext(client.events)
