"""The frame codec: whatever is cut, joined, reordered or damaged, it gives the frames that were
sent or the one defined error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from google.protobuf.message import Message
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rpc.errors import Close, ProtocolError
from rpc.proto.frames_pb2 import Call, ClientFrame, Code, Failure, Hello, Ping, Result, ServerFrame
from rpc.wire import (
    MAX_FRAMES,
    decode_client,
    decode_server,
    encode_client,
    encode_failure,
    encode_result,
    encode_server,
)
from tests.rpc.protos import messages

M = TypeVar("M", bound=Message)

exact = settings(max_examples=60)

CLIENT = messages(ClientFrame)
SERVER = messages(ServerFrame)
CLIENTS = st.lists(CLIENT, min_size=1, max_size=6)
SERVERS = st.lists(SERVER, max_size=6)

EMPTY_FRAME = b"\x0a\x00"  # field 1, no bytes
FUTURE_FRAME = b"\x0a\x04\xfa\x07\x01x"  # a frame whose only field is number 127
UNKNOWN_FIELD = b"\xfa\x07\x01x"  # the same field, beside the frames


def frames_of(data: bytes) -> list[ClientFrame]:
    """The frames of a client's message, whose kinds are as they say."""
    pairs = decode_client(data)
    assert all(kind == frame.WhichOneof("frame") for kind, frame in pairs)
    return [frame for _, frame in pairs]


def refused(data: bytes) -> str:
    """The reason for which a client's message is refused."""
    with pytest.raises(ProtocolError) as caught:
        decode_client(data)
    assert caught.value.close is Close.BAD_FRAME
    return str(caught.value)


def outcome(decode: Callable[[bytes], list[M]], data: bytes) -> list[M] | Close:
    """The frames, or the code with which the connection is closed; nothing else is raised."""
    try:
        return decode(data)
    except ProtocolError as error:
        return error.close


def ping(nonce: int = 1) -> ClientFrame:
    return ClientFrame(ping=Ping(nonce=nonce))


@exact
@given(CLIENTS)
def test_a_clients_frames_come_back(frames: list[ClientFrame]) -> None:
    assert frames_of(encode_client(frames)) == frames


@exact
@given(SERVERS)
def test_a_servers_frames_come_back_from_what_was_encoded_one_by_one(
    frames: list[ServerFrame],
) -> None:
    assert decode_server(b"".join(encode_server(frame) for frame in frames)) == frames


@exact
@given(CLIENTS, st.data())
def test_batches_joined_in_any_order_are_one_batch_in_that_order(
    frames: list[ClientFrame], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(frames))
    batches: list[list[ClientFrame]] = [[]]
    for frame in order:
        if data.draw(st.booleans()):
            batches.append([])
        batches[-1].append(frame)
    assert frames_of(b"".join(map(encode_client, batches))) == order


@exact
@given(st.permutations([encode_server(ServerFrame()), b"", EMPTY_FRAME]), SERVERS)
def test_empty_batches_add_nothing_and_empty_frames_one_each(
    parts: list[bytes], frames: list[ServerFrame]
) -> None:
    data = b"".join([*parts, *(encode_server(frame) for frame in frames)])
    assert decode_server(data) == [ServerFrame(), ServerFrame(), *frames]


@exact
@given(CLIENTS)
def test_cut_anywhere_a_message_is_the_frames_before_the_cut_or_refused(
    frames: list[ClientFrame],
) -> None:
    data, ends = b"", {}
    for number, frame in enumerate(frames, 1):
        data += encode_client([frame])
        ends[len(data)] = number
    for cut in range(len(data) + 1):
        if cut in ends:
            assert frames_of(data[:cut]) == frames[: ends[cut]]
        else:
            assert refused(data[:cut]) == ("not a batch of frames" if cut else "an empty batch")


@exact
@given(st.lists(SERVER, min_size=1, max_size=3))
def test_cut_anywhere_a_servers_message_is_the_frames_before_the_cut_or_refused(
    frames: list[ServerFrame],
) -> None:
    data, ends = b"", {0: 0}
    for number, frame in enumerate(frames, 1):
        data += encode_server(frame)
        ends[len(data)] = number
    for cut in range(len(data) + 1):
        if cut in ends:
            assert decode_server(data[:cut]) == frames[: ends[cut]]
        else:
            with pytest.raises(ProtocolError, match="not a batch of frames"):
                decode_server(data[:cut])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A true message with a few of its bytes changed, dropped or put in."""
    data = bytearray(encode_client(draw(CLIENTS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kept = draw(st.integers(0, 2))
        data[at : at + kept] = draw(st.binary(max_size=3))
    return bytes(data)


@settings(exact, max_examples=250)
@given(st.binary(max_size=60) | damaged())
@example(b"\x0b" * 500)  # groups within groups
@example(b"\x0a\xff\xff\xff\xff\x0f")  # a frame of 4 GiB, says its length
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")  # one of 2^64 - 1 bytes
@example(b"\x80" * 20)  # a number that does not end
@example(b"\x0a\x05\x0a\x03\x0a\x01\xff")  # a token that is not UTF-8
@example(b"\x00")  # field 0
@example(b"\x0c")  # the end of a group that did not begin
def test_any_bytes_are_frames_or_the_one_defined_error(data: bytes) -> None:
    frames = outcome(frames_of, data)
    if not isinstance(frames, Close):
        assert 0 < len(frames) <= MAX_FRAMES
        assert all(frame.WhichOneof("frame") for frame in frames)
        assert frames_of(encode_client(frames)) == frames
    assert frames is Close.BAD_FRAME or isinstance(frames, list)
    answers = outcome(decode_server, data)
    assert answers is Close.BAD_FRAME or isinstance(answers, list)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty batch"),
        (UNKNOWN_FIELD, "an empty batch"),
        (EMPTY_FRAME, "a frame of no known kind"),
        (FUTURE_FRAME, "a frame of no known kind"),
        (encode_client([ping()]) + FUTURE_FRAME, "a frame of no known kind"),
        (EMPTY_FRAME + encode_client([ping()]), "a frame of no known kind"),
        (b"GET / HTTP/1.1\r\n\r\n", "not a batch of frames"),
        (b'{"call": 1}', "not a batch of frames"),
    ],
)
def test_what_is_no_message_of_a_client(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def test_a_batch_has_at_most_so_many_frames() -> None:
    most = [ping(nonce) for nonce in range(MAX_FRAMES)]
    assert frames_of(encode_client(most)) == most
    assert refused(encode_client([*most, ping()])) == f"more than {MAX_FRAMES} frames in a batch"
    # The limit is not passed by joining batches that are within it, nor by frames of no kind.
    assert refused(encode_client(most) * 2).startswith("more than")
    assert refused(EMPTY_FRAME * (MAX_FRAMES + 1)).startswith("more than")


@exact
@given(CLIENTS)
def test_fields_of_a_later_version_are_ignored(frames: list[ClientFrame]) -> None:
    assert [
        frame.WhichOneof("frame")
        for frame in frames_of(UNKNOWN_FIELD + encode_client(frames) + UNKNOWN_FIELD)
    ] == [frame.WhichOneof("frame") for frame in frames]
    later = encode_client([ClientFrame.FromString(UNKNOWN_FIELD + ping().SerializeToString())])
    assert [frame.ping.nonce for frame in frames_of(later)] == [1]


def test_frames_of_a_later_server_are_handed_over_without_a_kind() -> None:
    """The client counts and ignores them: they end no connection."""
    pong = ServerFrame(pong={"nonce": 5})
    frames = decode_server(FUTURE_FRAME + encode_server(pong))
    assert [frame.WhichOneof("frame") for frame in frames] == [None, "pong"]
    assert frames[1] == pong


def test_a_frame_is_of_one_kind_whatever_its_bytes_say() -> None:
    both = ping().SerializeToString() + ClientFrame(hello=Hello(token="t")).SerializeToString()
    (frame,) = frames_of(encode_client([ClientFrame.FromString(both)]))
    assert frame.WhichOneof("frame") == "hello"
    assert not frame.HasField("ping")


@exact
@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=50))
def test_an_answer_says_which_call_it_answers(call_id: int, payload: bytes) -> None:
    (frame,) = decode_server(encode_result(call_id, payload))
    assert frame.WhichOneof("frame") == "result"
    assert (frame.result.id, frame.result.payload) == (call_id, payload)


@exact
@given(messages(Failure))
def test_a_failure_comes_back(failure: Failure) -> None:
    (frame,) = decode_server(encode_failure(failure))
    assert frame.WhichOneof("frame") == "failure"
    assert frame.failure == failure


def test_numbers_and_payloads_at_their_limits_come_back() -> None:
    call = Call(
        id=(1 << 64) - 1,
        method="Chat.SendMessage",
        timeout_ms=(1 << 32) - 1,
        op_key=b"\xff" * 16,
        payload=bytes(range(256)) * 4096,
    )
    (frame,) = frames_of(encode_client([ClientFrame(call=call)]))
    assert frame.call == call
    (answer,) = decode_server(
        encode_failure(Failure(code=Code.INTERNAL, details={"": "\0\U0001f41f"}))
    )
    assert dict(answer.failure.details) == {"": "\0\U0001f41f"}


@given(
    st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1)),
    st.one_of(st.binary(max_size=300), st.integers(0, 40_000).map(bytes)),
)
def test_a_result_encoded_by_hand_is_that_of_the_library(call_id: int, payload: bytes) -> None:
    frame = ServerFrame(result=Result(id=call_id, payload=payload))
    assert encode_result(call_id, payload) == encode_server(frame)
