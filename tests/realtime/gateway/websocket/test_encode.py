"""What the server sends is read by clients that we did not write."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage
from wsproto.events import Ping as PingEvent
from wsproto.events import Pong as PongEvent

from realtime.gateway.websocket import close_frame, encode_header, frame, ping, pong
from realtime.gateway.websocket.encode import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    text_frame,
)

exact = settings(max_examples=100, deadline=None, derandomize=True)


def read(stream: bytes) -> list[Frame]:
    """The frames that a client of `websockets` reads."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)
    client.receive_data(stream)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 200_000])
def test_a_binary_message_of_any_size_is_one_frame(size: int) -> None:
    payload = bytes(at * 11 & 0xFF for at in range(size))
    whole = frame(payload)
    assert whole == encode_header(size) + payload
    assert read(whole) == [Frame(Opcode.BINARY, payload)]
    assert whole == Frame(Opcode.BINARY, payload).serialize(mask=False)
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(whole)
    parts = [event for event in client.events() if isinstance(event, BytesMessage)]
    assert b"".join(part.data for part in parts) == payload
    assert parts[-1].message_finished


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_header_carries_any_opcode(size: int) -> None:
    for opcode in (TEXT, BINARY, CONTINUATION):
        expected = Frame(Opcode(opcode), b"x" * size).serialize(mask=False)
        assert encode_header(size, opcode) + b"x" * size == expected
    for opcode in (CLOSE, PING, PONG):
        header = encode_header(min(size, 125), opcode)
        assert header == bytes((0x80 | opcode, min(size, 125)))


def test_the_length_takes_as_few_bytes_as_it_can() -> None:
    sizes = (0, 125, 126, 65535, 65536, 1 << 40)
    assert [len(encode_header(size)) for size in sizes] == [2, 2, 4, 4, 10, 10]
    assert encode_header(1 << 40) == b"\x82\x7f" + (1 << 40).to_bytes(8, "big")


@exact
@given(st.binary(max_size=125), st.binary(max_size=125), st.text(max_size=200))
def test_pings_pongs_and_texts_are_read(asked: bytes, answered: bytes, text: str) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(ping(asked) + pong(answered) + text_frame(text))
    expected: list[Event] = [PingEvent(asked), PongEvent(answered), TextMessage(text)]
    assert list(client.events()) == expected


def test_control_frames_do_not_grow_too_large() -> None:
    with pytest.raises(ValueError, match="at most 125"):
        ping(b"x" * 126)
    with pytest.raises(ValueError, match="at most 125"):
        pong(b"x" * 126)


@exact
@given(st.sampled_from((1000, 1001, 1002, 1009, 1011, 1013, 3000, 4400, 4999)), st.text())
@example(1000, "é" * 70)
@example(1000, "x" * 122 + "é")
@example(1000, "🎈" * 31)
def test_a_close_keeps_what_fits_of_its_reason(code: int, reason: str) -> None:
    stream = close_frame(code, reason)
    assert len(stream) <= 2 + 125
    [got] = read(stream)
    close = Close.parse(bytes(got.data))
    assert close.code == code
    assert reason.startswith(close.reason)
    kept = len(close.reason)
    assert kept == len(reason) or len(reason[: kept + 1].encode()) > 123


def test_a_close_without_a_code_is_empty() -> None:
    assert close_frame(1005) == b"\x88\x00"
    assert close_frame(1005, "ignored") == b"\x88\x00"
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(close_frame(1005))
    assert list(client.events()) == [CloseConnection(code=1005, reason="")]


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 70_000, -1])
def test_a_code_that_clients_refuse_is_not_sent(code: int) -> None:
    with pytest.raises(ValueError, match="may not be sent"):
        close_frame(code)
