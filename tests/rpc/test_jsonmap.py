"""Calls as JSON."""

from __future__ import annotations

import base64
import json

import pytest

from rpc.errors import CallError, Code, Committed
from rpc.jsonmap import JsonError, error_to_json, find_method, request_of, to_json
from rpc.proto import chat_pb2, media_pb2, models_pb2
from rpc.registry import methods


@pytest.mark.parametrize("name", sorted(methods()))
def test_every_method_is_found_and_takes_an_empty_request(name: str) -> None:
    method = find_method(name)
    assert request_of(method, "{}") == method.request()
    assert request_of(method, "") == method.request()
    json.dumps(to_json(method.answer()))


@pytest.mark.parametrize("name", sorted(methods()))
def test_what_is_printed_can_be_read_again(name: str) -> None:
    method = find_method(name)
    request = method.request()
    for field in request.DESCRIPTOR.fields:
        if field.message_type is None and not field.is_repeated:
            value = {
                field.CPPTYPE_STRING: b"\x00\xff" if field.type == field.TYPE_BYTES else "text",
                field.CPPTYPE_BOOL: True,
                field.CPPTYPE_ENUM: 1,
            }.get(field.cpp_type, 1)
            setattr(request, field.name, value)
    assert request_of(method, json.dumps(to_json(request))) == request


def test_names_numbers_bytes_and_enums() -> None:
    send = find_method("Chat.SendMessage")
    client_id = base64.b64encode(b"12345678").decode()
    expected = chat_pb2.SendMessageRequest(room_id=1 << 60, client_id=b"12345678", text="hi")
    for room in (f'"{1 << 60}"', str(1 << 60)):
        text = f'{{"room_id": {room}, "client_id": "{client_id}", "text": "hi"}}'
        assert request_of(send, text) == expected
    assert request_of(send, text.replace("room_id", "roomId")) == expected
    assert to_json(expected)["room_id"] == str(1 << 60)
    upload = request_of(find_method("media.createupload"), '{"purpose": "PURPOSE_CHAT"}')
    assert upload == media_pb2.CreateUploadRequest(purpose=models_pb2.PURPOSE_CHAT)


def test_an_answer_prints_defaults_but_no_absent_messages() -> None:
    shown = to_json(models_pb2.RoomSummary())
    assert shown["unread"] == "0"
    assert shown["members"] == []
    assert "last_message" not in shown


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Chat.SendMesage", "Chat.SendMessage"),
        ("Chat.Frobnicate", "Chat."),
        ("Nonsense", "Auth."),
    ],
)
def test_an_unknown_method_is_answered_with_what_is_known(name: str, hint: str) -> None:
    with pytest.raises(JsonError, match=hint):
        find_method(name)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"room": 1}', "room_id, client_id, text"),
        ('{"room_id": "one"}', "room_id"),
        ('{"text": 5}', "text"),
        ("[1]", "JSON object"),
        ("{", "not JSON"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(text: str, hint: str) -> None:
    with pytest.raises(JsonError, match=hint):
        request_of(find_method("Chat.SendMessage"), text)


def test_an_error_says_what_a_script_needs() -> None:
    error = CallError(
        Code.RATE_LIMITED,
        "too many calls",
        retry_after_ms=500,
        committed=Committed.COMMITTED_UNKNOWN,
        details={"a": "b"},
    )
    assert error_to_json(error) == {
        "code": "RATE_LIMITED",
        "message": "too many calls",
        "retryable": True,
        "retry_after_ms": 500,
        "committed": "unknown",
        "details": {"a": "b"},
    }
