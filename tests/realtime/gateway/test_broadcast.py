"""Signals without a key: a service's own news to a room."""

from __future__ import annotations

from realtime.gateway.limits import GatewayLimits
from realtime.gateway.outbox import Mode, Outbox
from realtime.rooms.signals import key_of
from rpc.proto.frames_pb2 import Broadcast, Signal


def test_a_broadcast_replaces_none_of_its_kind_and_keeps_its_order() -> None:
    outbox = Outbox(GatewayLimits(), lambda: None)
    outbox.mode = Mode.LIVE
    key = key_of(Signal(broadcast=Broadcast(room_id=1)))
    for data in (b"a", b"b", b"b"):
        outbox.signal(key, data)
    assert b"".join(outbox.take()) == b"abb"


def test_a_broadcast_is_dropped_past_the_high_mark_and_never_makes_a_client_lag() -> None:
    outbox = Outbox(GatewayLimits(outbox_high=4), lambda: None)
    outbox.mode = Mode.LIVE
    for data in (b"abc", b"de", b"f"):
        outbox.signal((), data)
    assert b"".join(outbox.take()) == b"abcf"
    assert outbox.mode is Mode.LIVE
