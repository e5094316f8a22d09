"""The reader of plain requests, held against h11: what it takes, h11 takes for the same."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.serving.plain import Head, Outcome, Plain, Reader

ID = "0123456789abcdef" * 2
TARGET = f"/m/{ID}/small.jpg"


def reader() -> Reader:
    return Reader(max_bytes=1024, max_fields=10)


def request(*fields: str, line: str = f"GET {TARGET} HTTP/1.1") -> bytes:
    return "\r\n".join([line, *(fields or ("Host: x",)), "", ""]).encode("latin-1")


def test_a_plain_request() -> None:
    data = request(
        "Host: media.test",
        "User-Agent: somebody",
        "Accept:  image/webp \t",
        "RANGE: bytes=0-1",
        'If-None-Match: "x", "y"',
        'if-range: "x"',
        "Origin: https://a.test",
        "Connection: Keep-Alive",
    )
    found = reader().read(data + b"GET")
    fields = {
        "Accept": "image/webp",
        "Range": "bytes=0-1",
        "If-None-Match": '"x", "y"',
        "If-Range": '"x"',
        "Origin": "https://a.test",
    }
    assert found == Plain(False, TARGET.encode(), b"", Head(fields, False), len(data))


def test_head_query_and_close() -> None:
    data = request("Connection: close", "Host: x", line=f"HEAD {TARGET}?v=1&e=2&s=a-_ HTTP/1.1")
    assert reader().read(data) == Plain(
        True, TARGET.encode(), b"v=1&e=2&s=a-_", Head({}, True), len(data)
    )


def test_what_is_remembered_is_the_same_again() -> None:
    one = reader()
    first, second = request("Host: x", "Range: bytes=0-1"), request("Host: x")
    for data in (first, second, second, first):
        assert one.read(data) == reader().read(data)


def test_a_request_in_pieces_is_awaited() -> None:
    data = request("Host: x", "Accept: */*")
    for size in range(len(data)):
        assert reader().read(data[:size]) is Outcome.MORE
    assert isinstance(reader().read(data), Plain)


@pytest.mark.parametrize(
    "data",
    [
        request(line=f"GET {TARGET} HTTP/1.0"),
        request(line=f"POST {TARGET} HTTP/1.1"),
        request(line=f"get {TARGET} HTTP/1.1"),
        request(line=f"GET  {TARGET} HTTP/1.1"),
        request(line=f"GET http://x{TARGET} HTTP/1.1"),
        request(line="GET /u/x HTTP/1.1"),
        request(line="GET /m/%41 HTTP/1.1"),
        request(line="GET /m/x#y HTTP/1.1"),
        request(line="GET /m/x?y?z HTTP/1.1"),
        request(line="GET /m/\xe9 HTTP/1.1"),
        request("Accept: */*"),
        request("Host: x", "Host: x"),
        request("Host: x", "Host : y"),
        request("Host: x", " folded"),
        request("Host: x", "Range: bytes=0-1", "range: bytes=0-1"),
        request("Host: x", "Accept: */*", "Accept: image/webp"),
        request("Host: x", "Connection: close, upgrade"),
        request("Host: x", "Connection: close", "Connection: close"),
        request("Host: x", "Content-Length: 0"),
        request("Host: x", "Transfer-Encoding: chunked"),
        request("Host: x", "Expect: 100-continue"),
        request("Host: x", "Upgrade: websocket"),
        request("Host: x", "HTTP2-Settings: AAMA"),
        request("Host: x", "Tus-Resumable: 1.0.0"),
        request("Host: x", "X: \x00"),
        request("Host: x", "X: a\rb"),
        request("Host: x", "X: a\nb: c"),
        request("Host: x", "X: \xe9"),
        request("Host: x", "no colon"),
        request("Host: x", ": no name"),
        request("Host: x", *[f"X-{number}: y" for number in range(10)]),
        request("Host: x", "X: " + "y" * 1024),
        request().replace(b"\r\n", b"\n"),
        b"\r\n" + request(),
        b"\x16\x03\x01",
        b"GET /n",
        b"PUT ",
        b"GET /m/" + b"x" * 1024,
    ],
)
def test_what_is_left_to_others(data: bytes) -> None:
    assert reader().read(data) is Outcome.OTHER


NAMES = ["Host", "Range", "Accept", "If-Range", "Connection", "Upgrade", "Content-Length", "X-Y"]
FIELD = st.tuples(
    st.sampled_from(NAMES) | st.text("aA-_ :\t\x7f", max_size=4),
    st.sampled_from([":", ": ", ":\t", " :", "", "::"]),
    st.sampled_from(["x", "close", "keep-alive", "bytes=0-1", "5", " a\tb ", ""])
    | st.text("a ,\t\x00\x0b\x0c\x1c\x85\xa0\xff\"'", max_size=6),
    st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n "]),
).map("".join)
LINE = st.sampled_from(["GET ", "HEAD ", "GET  ", "PUT "]).flatmap(
    lambda method: st.tuples(
        st.sampled_from(["/m/x", "/m/", "/m/a/b.jpg?v=1&s=_-", "/m/%41", "/u/x", "/m/\xe9", "*"]),
        st.sampled_from([" HTTP/1.1\r\n", " HTTP/1.0\r\n", " HTTP/1.1 \r\n", "\r\n", "\n"]),
    ).map(lambda rest: method + "".join(rest))
)
REQUEST = st.tuples(
    LINE,
    st.lists(FIELD, max_size=4).map("".join),
    st.sampled_from(["Host: a\r\n", "Host: a\r\n", ""]),
    st.sampled_from(["\r\n", "\r\n", "\n", "\r\n\r\n", "\r\nGET /m/x HTTP/1.1\r\nHost: b\r\n\r\n"]),
).map(lambda parts: "".join(parts).encode("latin-1"))


@given(REQUEST)
def test_what_is_taken_is_what_h11_reads(data: bytes) -> None:
    found = Reader(max_bytes=1024, max_fields=100).read(data)
    if not isinstance(found, Plain):
        return
    theirs = h11.Connection(h11.SERVER)
    theirs.receive_data(data[: found.size])
    event = theirs.next_event()
    assert isinstance(event, h11.Request)
    query = b"?" + found.query if found.query else b""
    assert event.method == (b"HEAD" if found.is_head else b"GET")
    assert event.target in (found.path + query, found.path + b"?")
    assert event.http_version == b"1.1"
    read = {bytes(name).title().decode(): value.decode() for name, value in event.headers}
    for name, value in found.head.fields.items():
        assert read[name] == value
    assert isinstance(theirs.next_event(), h11.EndOfMessage)
    assert theirs.trailing_data == (b"", False)
    sent = theirs.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
    assert sent is not None
    assert (b"connection: close" in sent.lower()) == found.head.close


@given(st.binary(max_size=100))
def test_any_bytes_are_read(data: bytes) -> None:
    assert reader().read(data) in (Outcome.MORE, Outcome.OTHER)
