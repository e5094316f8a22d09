"""Every rule of RFC 6455 that a client's frames can break, each with the code that it costs."""

from __future__ import annotations

import pytest

from realtime.gateway.websocket import CloseFrame, Decoder, Message, Ping, Pong, Text, Violation
from tests.realtime.gateway.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_payload,
    fed,
    one_by_one,
)

MAX = 70_000
NAMES = {
    CONTINUATION: "continuation",
    TEXT: "text",
    BINARY: "binary",
    CLOSE: "close",
    PING: "ping",
    PONG: "pong",
}
CONTROL = (CLOSE, PING, PONG)

NOT_UTF8 = {
    "a lone continuation byte": b"\x80",
    "a byte that never occurs": b"ok\xff",
    "an overlong slash": b"\xc0\xaf",
    "an overlong two-byte form": b"\xc1\xbf",
    "an overlong three-byte form": b"\xe0\x80\xaf",
    "an overlong four-byte form": b"\xf0\x80\x80\xaf",
    "a high surrogate": b"\xed\xa0\x80",
    "a low surrogate": b"\xed\xbf\xbf",
    "beyond the last code point": b"\xf4\x90\x80\x80",
    "a five-byte form": b"\xf8\x88\x80\x80\x80",
    "a start where a continuation is due": b"\xe2\x28\xa1",
    "an end inside a character": b"caf\xc3",
    "an end inside an emoji": b"\xf0\x9f\x8e",
}

BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65535)
GOOD_CODES = (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4400, 4999)


def _rules() -> dict[str, tuple[bytes, int]]:
    """Name of the rule, a stream that breaks it, close code."""
    rules: dict[str, tuple[bytes, int]] = {}
    for opcode in NAMES:
        prefix = client_frame(b"a", final=False) if opcode == CONTINUATION else b""
        for bit in (1, 2, 4):
            bad = client_frame(b"x", opcode, reserved=bit)
            rules[f"reserved bit {bit} on {NAMES[opcode]}"] = (prefix + bad, 1002)
        rules[f"no mask on {NAMES[opcode]}"] = (prefix + client_frame(b"", opcode, mask=None), 1002)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        rules[f"opcode {opcode}"] = (client_frame(b"x", opcode), 1002)
        inside = client_frame(b"a", final=False) + client_frame(b"", opcode)
        rules[f"opcode {opcode} inside a message"] = (inside, 1002)
    for size in (5, 200, 66_000):
        rules[f"no mask on {size} bytes"] = (client_frame(b"x" * size, mask=None), 1002)
    for opcode in CONTROL:
        name = NAMES[opcode]
        rules[f"{name} in fragments"] = (client_frame(b"", opcode, final=False), 1002)
        rules[f"{name} of 126 bytes"] = (client_frame(b"\x03\xe8" + b"x" * 124, opcode), 1002)
        rules[f"{name} of 65536 bytes"] = (client_frame(b"x" * 65536, opcode), 1002)
        rules[f"{name} with a long length of 5"] = (client_frame(b"x" * 5, opcode, width=2), 1002)
    first = client_frame(b"a", final=False)
    rules["a continuation of nothing"] = (client_frame(b"x", CONTINUATION), 1002)
    rules["an open continuation of nothing"] = (
        client_frame(b"x", CONTINUATION, final=False),
        1002,
    )
    rules["a continuation after the end"] = (
        first + client_frame(b"b", CONTINUATION) + client_frame(b"c", CONTINUATION),
        1002,
    )
    for opcode in (TEXT, BINARY):
        for final in (True, False):
            inner = client_frame(b"x", opcode, final=final)
            rules[f"{NAMES[opcode]} ({final}) inside a message"] = (first + inner, 1002)
    for size, width in ((0, 2), (125, 2), (0, 8), (126, 8), (65535, 8)):
        bad = client_frame(b"x" * size, width=width)
        rules[f"length {size} in {width} bytes"] = (bad, 1002)
        bad = client_frame(b"x" * size, CONTINUATION, width=width)
        rules[f"length {size} in {width} bytes, continued"] = (first + bad, 1002)
    rules["a length of 64 bits"] = (client_frame(b"", length=1 << 63, width=8), 1002)
    rules["a close of one byte"] = (client_frame(b"\x03", CLOSE), 1002)
    for code in BAD_CODES:
        rules[f"close code {code}"] = (client_frame(close_payload(code), CLOSE), 1002)
        bad = client_frame(close_payload(code, b"why"), CLOSE)
        rules[f"close code {code} with a reason"] = (bad, 1002)
    for name, text in NOT_UTF8.items():
        rules[f"text: {name}"] = (client_frame(text, TEXT), 1007)
        rules[f"close reason: {name}"] = (client_frame(close_payload(1000, text), CLOSE), 1007)
        pieces = [
            client_frame(b"abc", TEXT, final=False),
            *(client_frame(byte, CONTINUATION, final=False) for byte in one_by_one(text)),
            client_frame(b"", CONTINUATION),
        ]
        rules[f"text in fragments: {name}"] = (b"".join(pieces), 1007)
    rules["a character cut by a message's end"] = (
        client_frame(b"\xe2\x82", TEXT) + client_frame(b"\xac", TEXT),
        1007,
    )
    for opcode in (TEXT, BINARY):
        bad = client_frame(b"x" * (MAX + 1), opcode)
        rules[f"{NAMES[opcode]} of one byte too many"] = (bad, 1009)
        begun = client_frame(b"x" * MAX, opcode, final=False)
        bad = begun + client_frame(b"x", CONTINUATION)
        rules[f"{NAMES[opcode]} of one byte too many in two"] = (bad, 1009)
    rules["the greatest length"] = (client_frame(b"", length=(1 << 63) - 1, width=8), 1009)
    rules["empty fragments without end"] = (
        first + client_frame(b"", CONTINUATION, final=False) * 128,
        1008,
    )
    rules["tiny fragments without end"] = (
        client_frame(b"x", TEXT, final=False)
        + client_frame(b"x" * 15, CONTINUATION, final=False) * 3000,
        1008,
    )
    return rules


RULES = _rules()


@pytest.mark.parametrize("rule", RULES)
def test_a_breach_ends_the_stream_with_its_code(rule: str) -> None:
    """What was complete before it has been delivered, nothing after it is, in this feed or later,
    and no way of cutting the stream changes that."""
    bad, code = RULES[rule]
    good = client_frame(b"good")
    decoder = Decoder(MAX)
    *before, violation = decoder.feed(good + client_frame(b"hello", TEXT) + bad + good)
    assert before[:2] == [b"good", Text("hello")]
    assert isinstance(violation, Violation)
    assert violation.code == code
    assert violation.reason.isascii()
    assert len(violation.reason) <= 60
    assert decoder.feed(good) == []
    assert decoder.buffered == 0
    head = len(good) + 20
    stream = good + client_frame(b"hello", TEXT) + bad + good
    pieces = [*one_by_one(stream[:head]), stream[head:-10], *one_by_one(stream[-10:])]
    assert fed(pieces, MAX) == [*before, violation]


def first_refused(stream: bytes, max_message: int = MAX) -> int:
    """How many bytes were read when the violation was found."""
    decoder = Decoder(max_message)
    for at, byte in enumerate(one_by_one(stream)):
        if any(type(message) is Violation for message in decoder.feed(byte)):
            return at + 1
    raise AssertionError("no violation")


@pytest.mark.parametrize(
    ("stream", "read"),
    [
        (client_frame(b"", reserved=1), 1),
        (client_frame(b"", 3), 1),
        (client_frame(b"", CONTINUATION), 1),
        (client_frame(b"", PING, final=False), 1),
        (client_frame(b"abc", mask=None), 2),
        (client_frame(b"x" * 126, PING), 2),
        (client_frame(b"", length=1 << 63, width=8), 3),
        (client_frame(b"", width=2), 4),
        (client_frame(b"", width=8), 10),
        (client_frame(b"", length=MAX + 1), 10),
    ],
)
def test_a_bad_header_is_refused_at_its_first_wrong_byte(stream: bytes, read: int) -> None:
    assert first_refused(stream + b"\0" * 10) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (b"\x80abc", 1),
        (b"ab\xffcdef", 3),
        (b"\xc0\xaf..", 1),
        (b"\xe0\x80\xaf.", 2),
        (b"\xed\xa0\x80.", 2),
        (b"\xf4\x90\x80\x80", 2),
        (b"\xf0\x9f\x8e.", 4),
        ("κόσμε".encode() + b"\xf4\x90\x80\x80edited", 12),
    ],
)
def test_text_is_refused_at_the_first_byte_that_cannot_be_mended(text: bytes, read: int) -> None:
    header = 6
    assert first_refused(client_frame(text, TEXT)) == header + read
    fragments = [
        client_frame(byte, CONTINUATION if at else TEXT, final=False)
        for at, byte in enumerate(one_by_one(text))
    ]
    assert first_refused(b"".join(fragments)) == read * (header + 1)


def test_two_bytes_are_refused_exactly_if_no_character_begins_so() -> None:
    characters = [chr(code) for code in range(0x800)]
    characters += [chr(code) for code in range(0x800, 0x110000, 64) if not 0xD800 <= code < 0xE000]
    starts = {char.encode()[:2] for char in characters}
    starts |= {(a + b).encode() for a in characters[:128] for b in characters[:128]}
    starts |= {a.encode() + b.encode()[:1] for a in characters[:128] for b in characters}
    for first in range(256):
        for second in (0, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF):
            start = bytes((first, second))
            refused = bool(Decoder(9).feed(client_frame(start, TEXT, final=False, mask=b"\0" * 4)))
            assert refused == (start not in starts), start


@pytest.mark.parametrize(("size", "max_message"), [(11, 10), (126, 125), (301, 300), (70_001, MAX)])
def test_a_message_too_large_is_refused_before_its_payload(size: int, max_message: int) -> None:
    header = client_frame(b"", length=size)[:-4]  # even the mask has not come yet
    assert first_refused(header, max_message) == len(header)
    assert fed([client_frame(b"x" * (size - 1))], max_message) == [b"x" * (size - 1)]
    start = client_frame(b"abc", final=False)
    header = client_frame(b"", CONTINUATION, length=size - 3, final=False)[:-4]
    assert first_refused(start + header, max_message) == len(start + header)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_may_have_many_fragments_of_some_size(opcode: int) -> None:
    parts = [b"x" * 16] * 4000
    frames = [client_frame(parts[0], opcode, final=False)]
    frames += [client_frame(part, CONTINUATION, final=False) for part in parts[1:]]
    whole = b"".join(parts)
    expected: Message = whole if opcode == BINARY else Text(whole.decode())
    frames.append(client_frame(b"", CONTINUATION))
    assert fed(frames, MAX) == [expected]
    assert fed(frames * 2, MAX) == [expected, expected]  # the count begins anew


@pytest.mark.parametrize(("sizes", "allowed"), [([0], 128), ([8, 7], 128), ([16], 129)])
def test_a_message_may_have_just_so_many_small_fragments(sizes: list[int], allowed: int) -> None:
    """128, and one for each 16 bytes."""
    parts = [b"x" * size for size in sizes] + [b""] * (allowed - len(sizes))
    frames = [client_frame(parts[0], final=False)]
    frames += [client_frame(part, CONTINUATION, final=False) for part in parts[1:-1]]
    assert fed([*frames, client_frame(parts[-1], CONTINUATION)]) == [b"".join(parts)]
    more = client_frame(parts[-1], CONTINUATION, final=False) * 2
    assert [type(message) for message in fed([*frames, more])] == [Violation]


@pytest.mark.parametrize("code", GOOD_CODES)
def test_every_code_of_the_registry_may_close(code: int) -> None:
    assert fed([client_frame(close_payload(code), CLOSE)]) == [CloseFrame(code, "")]
    reason = "Lebewohl, 再见 🎈"
    close = client_frame(close_payload(code, reason.encode()), CLOSE)
    assert fed([close]) == [CloseFrame(code, reason)]


def test_a_close_may_say_nothing_or_fill_its_frame() -> None:
    assert fed([client_frame(b"", CLOSE)]) == [CloseFrame(1005, "")]
    full = client_frame(close_payload(1000, b"x" * 123), CLOSE)
    assert fed([full]) == [CloseFrame(1000, "x" * 123)]


def test_nothing_is_read_after_a_close() -> None:
    close = client_frame(close_payload(1001), CLOSE)
    garbage = b"\xff" * 20
    decoder = Decoder(MAX)
    assert decoder.feed(close + client_frame(b"late") + garbage) == [CloseFrame(1001, "")]
    assert decoder.feed(client_frame(b"later")) == []
    assert decoder.feed(garbage) == []
    assert decoder.buffered == 0
    begun = client_frame(b"a", final=False)
    assert fed([begun + close + client_frame(b"b", CONTINUATION)]) == [CloseFrame(1001, "")]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 125, 126, 127, 128, 65535, 65536, 70_000])
def test_every_form_of_length_carries_a_message(size: int) -> None:
    payload = bytes(at * 7 & 0xFF for at in range(size))
    frame = client_frame(payload)
    assert fed([frame, frame], MAX) == [payload, payload]
    assert fed([frame * 2], MAX) == [payload, payload]
    cut = len(frame) // 2
    assert fed([frame[:cut], frame[cut:]], MAX) == [payload]
    text = client_frame(b"t" * size, TEXT)
    assert fed([text], MAX) == [Text("t" * size)]


def test_control_frames_are_read_between_fragments_and_between_messages() -> None:
    stream = b"".join(
        [
            client_frame(b"one", final=False),
            client_frame(b"beat", PING),
            client_frame(b"", CONTINUATION, final=False),
            client_frame(b"", PONG),
            client_frame(b" two", CONTINUATION, final=False),
            client_frame(b"p" * 125, PING),
            client_frame(b" three", CONTINUATION),
            client_frame(b"q" * 125, PONG),
            client_frame(b"four"),
            client_frame("fünf".encode()[:2], TEXT, final=False),
            client_frame(b"beat", PING),
            client_frame("fünf".encode()[2:], CONTINUATION),
        ]
    )
    expected = [
        Ping(b"beat"),
        Pong(b""),
        Ping(b"p" * 125),
        b"one two three",
        Pong(b"q" * 125),
        b"four",
        Ping(b"beat"),
        Text("fünf"),
    ]
    assert fed([stream]) == expected
    assert fed(one_by_one(stream)) == expected


def test_each_frame_has_a_mask_of_its_own() -> None:
    masks = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04", b"\xf0\x0d\xca\xfe"]
    stream = b"".join(client_frame(b"same", mask=mask) for mask in masks)
    assert fed([stream]) == [b"same"] * 4
    parts = [client_frame(b"part", CONTINUATION, mask=mask, final=False) for mask in masks]
    message = client_frame(b"", final=False) + b"".join(parts) + client_frame(b"", CONTINUATION)
    assert fed([message]) == [b"part" * 4]
    assert fed(one_by_one(message)) == [b"part" * 4]
