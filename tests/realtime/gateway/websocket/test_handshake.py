"""The opening handshake: right ones open, wrong ones get an answer that HTTP clients read."""

from __future__ import annotations

import random

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.typing import Subprotocol
from websockets.uri import parse_uri
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection
from wsproto.events import Request as WsprotoRequest

from realtime.gateway.websocket import BadHandshake, Handshake, Request, frame
from realtime.gateway.websocket.handshake import MAX_HEAD, accept_token
from tests.realtime.gateway.websocket.frames import client_frame, one_by_one

exact = settings(max_examples=200, deadline=None, derandomize=True)

FIELDS = {
    "Host": "server.example",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "sunwire.1, other",
}


def head(first: str = "GET /socket?x=1 HTTP/1.1", extra: str = "", **changes: str | None) -> bytes:
    """A request; `changes` replace fields, named with _ for -, or leave them out (None)."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    fields = {**FIELDS, **changed}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([first, *lines, f"{extra}\r\n\r\n" if extra else "\r\n"]).encode("latin-1")


def refused(data: bytes, *, method: str = "GET") -> tuple[int, h11.Response, bytes]:
    """Status, response and body, as a client of HTTP reads them; the connection must close."""
    with pytest.raises(BadHandshake) as caught:
        Handshake().feed(data)
    return (caught.value.status, *answered(caught.value.response, method=method))


def answered(data: bytes, *, method: str = "GET") -> tuple[h11.Response, bytes]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert client.their_state is h11.MUST_CLOSE
    return response, body


def accepted(data: bytes) -> Request:
    request = Handshake().feed(data)
    assert request is not None
    return request


def test_a_request_tells_what_the_client_wants() -> None:
    request = accepted(head(extra="Origin: https://a.example\r\nCookie: a=1\r\nCookie: b=2"))
    assert request.target == "/socket?x=1"
    assert request.subprotocols == ("sunwire.1", "other")
    assert request.headers[b"origin"] == b"https://a.example"
    assert request.headers[b"cookie"] == b"a=1, b=2"
    assert request.headers[b"host"] == b"server.example"


def test_the_answer_is_that_of_the_rfc() -> None:
    handshake = Handshake()
    handshake.feed(head())
    lines = handshake.accept("sunwire.1").split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 101 Switching Protocols"
    assert sorted(lines[1:-2]) == [
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        b"Sec-WebSocket-Protocol: sunwire.1",
        b"Upgrade: websocket",
    ]
    assert lines[-2:] == [b"", b""]
    assert accept_token(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_no_extension_is_agreed_to() -> None:
    handshake = Handshake()
    handshake.feed(head(extra="Sec-WebSocket-Extensions: permessage-deflate"))
    assert b"xtension" not in handshake.accept()


def test_a_subprotocol_that_was_not_offered_is_not_chosen() -> None:
    handshake = Handshake()
    handshake.feed(head())
    with pytest.raises(ValueError, match="did not offer"):
        handshake.accept("sunwire.2")
    assert b"Sec-WebSocket-Protocol" not in handshake.accept()


def test_a_client_of_websockets_opens() -> None:
    client = ClientProtocol(
        parse_uri("ws://localhost/x"), subprotocols=[Subprotocol("a"), Subprotocol("b")]
    )
    client.send_request(client.connect())
    handshake = Handshake()
    request = handshake.feed(b"".join(client.data_to_send()))
    assert request is not None
    assert request.subprotocols == ("a", "b")
    client.receive_data(handshake.accept("b") + frame(b"welcome"))
    assert client.state is OPEN
    assert client.subprotocol == "b"
    response, message = client.events_received()
    assert isinstance(response, Response)
    assert isinstance(message, Frame)
    assert message.data == b"welcome"


def test_a_client_of_wsproto_opens() -> None:
    client = WSConnection(ConnectionType.CLIENT)
    handshake = Handshake()
    handshake.feed(client.send(WsprotoRequest("localhost", "/", subprotocols=["a"])))
    client.receive_data(handshake.accept("a"))
    assert [*client.events()] == [AcceptConnection(subprotocol="a")]


@pytest.mark.parametrize("trailing", [b"", b"x", client_frame(b"early"), b"y" * 20_000])
def test_what_came_after_the_head_is_kept_for_the_decoder(trailing: bytes) -> None:
    handshake = Handshake()
    assert handshake.feed(head() + trailing) is not None
    assert handshake.trailing == trailing
    handshake.accept()
    assert handshake.trailing == trailing


def test_a_head_may_come_in_any_pieces() -> None:
    whole = head()
    expected = accepted(whole)
    for cut in range(1, len(whole)):
        handshake = Handshake()
        assert handshake.feed(whole[:cut]) is None
        assert handshake.feed(whole[cut:] + b"rest") == expected
        assert handshake.trailing == b"rest"
    handshake = Handshake()
    answers = [handshake.feed(byte) for byte in one_by_one(whole)]
    assert answers == [None] * (len(whole) - 1) + [expected]


@pytest.mark.parametrize(
    "data",
    [
        head(Connection="keep-alive, Upgrade"),
        head(Connection="UPGRADE", Upgrade="WebSocket"),
        head(Connection=None, extra="Connection: keep-alive\r\nConnection: upgrade"),
        head(Upgrade="websocket, something"),
        head(Sec_WebSocket_Protocol=None),
        head().replace(b"Sec-WebSocket-Key", b"sec-websocket-KEY"),
    ],
)
def test_forms_that_the_rfc_allows_open(data: bytes) -> None:
    assert accepted(data).target == "/socket?x=1"


def test_a_client_may_offer_no_subprotocol() -> None:
    assert accepted(head(Sec_WebSocket_Protocol=None)).subprotocols == ()
    assert accepted(head(Sec_WebSocket_Protocol=" , a ,,b, ")).subprotocols == ("a", "b")


WRONG: dict[str, tuple[bytes, int]] = {
    "no request at all": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    "a websocket frame": (client_frame(b"hello") + b"\r\n\r\n", 400),
    "a broken request line": (head("GET /"), 400),
    "a target that is not ASCII": (head("GET /\xe9 HTTP/1.1"), 400),
    "a header without a name": (head(extra=": x"), 400),
    "a space in a header's name": (head(extra="a b: x"), 400),
    "a control character in a header": (head(extra="a: \x00"), 400),
    "no host": (head(Host=None), 400),
    "two hosts": (head(extra="Host: other"), 400),
    "HTTP/1.0": (head("GET / HTTP/1.0"), 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405),
    "no key": (head(Sec_WebSocket_Key=None), 400),
    "a short key": (head(Sec_WebSocket_Key="c2hvcnQ="), 400),
    "a long key": (head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZSE+Pw=="), 400),
    "a key that is not base64": (head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZ?=="), 400),
    "two keys": (head(extra="Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400),
    "a subprotocol that is no token": (head(Sec_WebSocket_Protocol="a/b"), 400),
    "a subprotocol that is not ASCII": (head(Sec_WebSocket_Protocol="\xe9"), 400),
    "a body": (head(extra="Content-Length: 3") + b"abc", 400),
    "a body to come": (head(extra="Content-Length: 3"), 400),
    "a chunked body": (head(extra="Transfer-Encoding: chunked"), 400),
    "an unknown coding": (head(extra="Transfer-Encoding: gzip"), 400),
    "POST": (head("POST / HTTP/1.1"), 405),
    "POST with a body": (head("POST / HTTP/1.1", extra="Content-Length: 3") + b"abc", 405),
    "no upgrade": (head(Upgrade=None), 426),
    "an ordinary GET": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426),
    "an upgrade to something else": (head(Upgrade="h2c"), 426),
    "no Connection": (head(Connection=None), 426),
    "another Connection": (head(Connection="keep-alive"), 426),
    "no version": (head(Sec_WebSocket_Version=None), 426),
    "version 8": (head(Sec_WebSocket_Version="8"), 426),
    "two versions": (head(extra="Sec-WebSocket-Version: 8"), 426),
    "a large header": (head(extra="X: " + "x" * MAX_HEAD), 431),
    "a large header without end": (head(extra="X: " + "x" * MAX_HEAD)[:-4], 431),
    "many headers": (head(extra="\r\n".join(f"X{n}: {n}" for n in range(1000))), 431),
    "a long target": (head("GET /" + "x" * MAX_HEAD + " HTTP/1.1"), 431),
    "an endless first line": (b"x" * (MAX_HEAD + 1), 431),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_request_is_told_what_is_wrong(fault: str) -> None:
    data, expected = WRONG[fault]
    status, response, body = refused(data)
    assert status == response.status_code == expected
    assert body.endswith(b"\n")
    assert len(body) < 60  # never what the client sent
    headers = dict(response.headers)
    assert headers[b"content-length"] == str(len(body)).encode()
    if expected == 405:
        assert headers[b"allow"] == b"GET"
    if expected == 426:
        assert headers[b"upgrade"] == b"websocket"
        tokens = [value for name, value in response.headers if name == b"connection"]
        assert sorted(b", ".join(tokens).lower().split(b", ")) == [b"close", b"upgrade"]
    asks_version = "version" in fault
    assert headers.get(b"sec-websocket-version") == (b"13" if asks_version else None)


def test_a_client_that_leaves_is_not_answered() -> None:
    for before in (b"", head()[:30]):
        handshake = Handshake()
        if before:
            handshake.feed(before)
        with pytest.raises(BadHandshake) as caught:
            handshake.feed(b"")
        assert caught.value.response == b""


def test_a_head_request_gets_no_body() -> None:
    status, response, body = refused(head("HEAD / HTTP/1.1"), method="HEAD")
    assert (status, response.status_code, body) == (405, 405, b"")


def test_a_head_of_the_largest_size_opens() -> None:
    base = len(head(extra="X: "))
    assert Handshake().feed(head(extra="X: " + "x" * (MAX_HEAD - base)) + b"y" * 9999) is not None
    status, _, _ = refused(head(extra="X: " + "x" * (MAX_HEAD - base + 1)))
    assert status == 431


def test_a_head_without_end_is_refused_as_soon_as_it_is_too_large() -> None:
    handshake = Handshake()
    handshake.feed(b"GET / HTTP/1.1\r\n")
    line = b"X: " + b"x" * 100 + b"\r\n"
    for _ in range((MAX_HEAD - 16) // len(line)):
        assert handshake.feed(line) is None
    with pytest.raises(BadHandshake, match="431"):
        handshake.feed(line)


@pytest.mark.parametrize(
    ("status", "body"), [(400, b"speak sunwire.1\n"), (403, b""), (503, b"later\n")]
)
def test_a_request_can_be_rejected(status: int, body: bytes) -> None:
    handshake = Handshake()
    handshake.feed(head() + client_frame(b"early"))
    response, got = answered(handshake.reject(status, body))
    assert response.status_code == status
    assert got == body


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=4)), max_size=4
)


@exact
@given(MUTATIONS, st.binary(max_size=30), st.randoms(use_true_random=False))
def test_damage_opens_waits_or_is_answered(
    mutations: list[tuple[int, int, bytes]], tail: bytes, random_source: random.Random
) -> None:
    """Nothing else is raised, and the answer is HTTP."""
    data = bytearray(head())
    for at, length, replacement in mutations:
        data[at : at + length] = replacement
    data += tail
    handshake = Handshake()
    while data:
        size = random_source.choice((1, 20, 200, 1000))
        piece = bytes(data[:size])
        del data[:size]
        try:
            request = handshake.feed(piece)
        except BadHandshake as error:
            statuses = [b"HTTP/1.1 %d " % status for status in (400, 405, 426)]
            answers = [error.response.startswith(status) for status in statuses]
            assert answers.count(True) == 1
            return
        if request is not None:
            assert handshake.accept().startswith(b"HTTP/1.1 101 ")
            return
