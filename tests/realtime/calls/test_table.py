"""For every call: who may make it, what a stranger gets, and that a repeat changes nothing."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import trio
import trio.testing
from google.protobuf.message import Message

from realtime.testing import Closed, TestClient, new_key
from rpc.errors import CallError, Close, Code
from rpc.proto import options_pb2
from rpc.proto.frames_pb2 import Committed
from rpc.registry import methods
from tests.realtime.calls.scene import Scene, open_scene
from tests.realtime.calls.table import ROWS, STRANGERS, Case, Fields, Outcome

METHODS = methods()
MUTATING = sorted(name for name, method in METHODS.items() if method.policy.mutating)
NAMES = ("_id", "_ids", "reply_to")
"""How fields end that name something."""


async def request_of(scene: Scene, name: str) -> Message:
    made: Any = ROWS[name].make(scene)
    return METHODS[name].request(**(await made if inspect.isawaitable(made) else made))


async def refusal(client: TestClient, name: str, request: Message, **options: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        await client.call(name, request, **options)
    assert caught.value.committed == Committed.COMMITTED_NO, name
    return caught.value


def test_every_call_has_a_row() -> None:
    assert sorted(ROWS) == sorted(METHODS)


def test_every_field_that_names_something_has_its_cases() -> None:
    fields = [
        (name, field.name)
        for name, method in METHODS.items()
        for field in method.request.DESCRIPTOR.fields
        if field.name.endswith(NAMES)
    ]
    assert sorted(STRANGERS) == sorted(fields)


async def test_every_call_is_open_to_those_it_should_be(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_scene() as scene:
        for name, row in ROWS.items():
            policy = METHODS[name].policy
            assert row.open == (policy.access == options_pb2.ACCESS_OPEN), name
            if not row.open:
                request = await request_of(scene, name)
                before = await scene.database()
                error = await refusal(scene.nobody, name, request)
                assert error.code == Code.UNAUTHENTICATED, name
                assert await scene.database() == before, name
            else:
                # It gets as far as its own checks.
                error = await refusal(scene.nobody, name, METHODS[name].request())
                assert error.code == Code.INVALID_ARGUMENT, name
                assert error.details["field"], name


async def test_every_reading_call_goes_through_and_changes_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_scene() as scene:
        for name in sorted(set(METHODS) - set(MUTATING) - {"Auth.RequestCode"}):
            request = await request_of(scene, name)
            before = await scene.database()
            await getattr(scene, ROWS[name].by).call(name, request)
            assert await scene.database() == before, name


async def test_a_stranger_gets_what_the_table_says(autojump_clock: trio.testing.MockClock) -> None:
    async with open_scene() as scene:
        before, heard = await scene.database(), scene.heard()
        for (name, field), cases in STRANGERS.items():
            for case in cases:
                if case.outcome in (Outcome.PUBLIC, Outcome.OWN):
                    continue
                await _try(scene, name, field, case)
                after = await scene.database()
                if case.outcome is Outcome.LEFT_OUT:  # it was made, to no effect
                    before["ops"] = after["ops"]
                assert after == before, f"{name} by {case.by}"
        assert scene.heard() == heard


async def _try(scene: Scene, name: str, field: str, case: Case) -> None:
    client = getattr(scene, case.by)
    request = METHODS[name].request(**case.make(scene))
    unknown = METHODS[name].request(**_with_unknown(scene, case.make(scene), field))
    if case.outcome is Outcome.LEFT_OUT:
        answer = await client.call(name, request)
        assert not answer.ByteSize(), (name, answer)
        assert answer == await client.call(name, unknown), name
        return
    error = await refusal(client, name, request)
    assert error.code == case.outcome, (name, case.by, error)
    if case.outcome == Code.NOT_FOUND:
        other = await refusal(client, name, unknown)
        assert (error.message, error.details) == (other.message, other.details), name


def _with_unknown(scene: Scene, fields: Fields, field: str) -> Fields:
    """The request with an id in that field that nothing has."""
    value = fields[field]
    one = value[0] if isinstance(value, list) else value
    nothing = scene.unknown if isinstance(one, int) else "0" * 32
    return {**fields, field: [nothing] if isinstance(value, list) else nothing}


@pytest.mark.parametrize("name", MUTATING)
async def test_a_repeat_is_answered_alike_and_changes_nothing(
    name: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_scene() as scene:
        client: TestClient = getattr(scene, ROWS[name].by)
        request, key = await request_of(scene, name), new_key()
        start = await scene.database()
        for bad in (b"short", b"k" * 17):
            error = await refusal(client, name, request, op_key=bad)
            assert (error.code, error.details) == (Code.INVALID_ARGUMENT, {"field": "op_key"})
        assert await scene.database() == start
        first = _comparable(await client.call(name, request, op_key=key))
        before, heard = await scene.database(), scene.heard()
        assert before != start, "it did nothing"
        if name == "Auth.SignOut":
            await _is_signed_out(client)
        else:
            for _ in range(2):
                assert _comparable(await client.call(name, request, op_key=key)) == first
            error = await refusal(client, name, _another(request), op_key=key)
            assert error.code == Code.OP_KEY_REUSED
        assert await scene.database() == before
        assert scene.heard() == heard


@pytest.mark.parametrize("name", sorted({*MUTATING} - {"Auth.SignOut"}))
async def test_two_calls_at_once_with_one_op_key_are_one(
    name: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_scene() as scene:
        client: TestClient = getattr(scene, ROWS[name].by)
        request, key = await request_of(scene, name), new_key()
        answers: list[Message] = []

        async def call() -> None:
            answers.append(_comparable(await client.call(name, request, op_key=key)))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(call)
        before = await scene.database()
        answers.append(_comparable(await client.call(name, request, op_key=key)))
        assert all(one == answers[0] for one in answers)
        assert await scene.database() == before
        keys = [row for row in before["ops"] if key in row]
        assert len(keys) == 1


def _comparable(answer: Message) -> Message:
    """Without the cursor of a sign-in, which is wherever the log stands."""
    if "cursor" in answer.DESCRIPTOR.fields_by_name:
        answer.ClearField("cursor")
    return answer


def _another(request: Message) -> Message:
    """Another request, which differs in a field that no version has had so far."""
    unknown = b"\xf8\xff\x07\x01"  # field 16383: the number 1
    return type(request).FromString(request.SerializeToString() + unknown)


async def _is_signed_out(client: TestClient) -> None:
    assert (await client.expect_closed()).code == Close.UNAUTHENTICATED
    with pytest.raises(Closed) as caught:
        await client.connect()
    assert caught.value.code == Close.UNAUTHENTICATED
