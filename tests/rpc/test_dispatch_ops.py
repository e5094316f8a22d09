"""A mutating call repeated with its op_key is made once."""

from __future__ import annotations

import pytest

from rpc.context import CallContext
from rpc.errors import Code, Committed
from tests.rpc.dispatching import Someone, dispatching
from tests.rpc.probe import Ask, Told
from tests.store.notes import Note, subjects

KEY = b"k" * 16
OTHER = b"o" * 16


async def note(ctx: CallContext, request: Ask) -> Told:
    change = Note(op=ctx.op, user_id=ctx.user_id or 99, subject=request.count)
    return Told(number=await ctx.commit(change))


async def refuse(ctx: CallContext, request: Ask) -> Told:
    change = Note(op=ctx.op, user_id=ctx.user_id, subject=request.count, refuse=True)
    return Told(number=await ctx.commit(change))


@pytest.mark.parametrize("op_key", [b"", b"k" * 15, b"k" * 17])
async def test_a_mutating_call_needs_a_key_of_its_length(op_key: bytes) -> None:
    async with dispatching() as kit:
        kit.probe.behave = note
        for name in ("Write", "Join"):
            failure = await kit.failure(name, op_key=op_key)
            assert failure.code == Code.INVALID_ARGUMENT
            assert failure.details == {"field": "op_key"}
            assert "16 bytes" in failure.message
        assert await subjects(kit.store) == []


@pytest.mark.parametrize("op_key", [b"", b"short", KEY])
async def test_a_call_that_changes_nothing_needs_none_and_has_none(op_key: bytes) -> None:
    ops: list[object] = []

    async def look(ctx: CallContext, _: Ask) -> Told:
        ops.append(ctx.op)
        return Told()

    async with dispatching() as kit:
        kit.probe.behave = look
        await kit.result("Read", op_key=op_key)
        await kit.result("Peek", op_key=op_key)
        assert ops == [None]


async def test_a_repeat_is_answered_with_the_first_result() -> None:
    async with dispatching() as kit:
        kit.probe.behave = note
        first = await kit.result("Write", Ask(count=1), op_key=KEY)
        await kit.result("Write", Ask(count=2), op_key=OTHER)
        assert await kit.result("Write", Ask(count=1), op_key=KEY) == first
        assert await subjects(kit.store) == [1, 2]


async def test_a_key_is_not_for_another_request() -> None:
    async with dispatching() as kit:
        kit.probe.behave = note
        first = await kit.result("Write", Ask(count=1), op_key=KEY)
        failure = await kit.failure("Write", Ask(count=2), op_key=KEY)
        assert (failure.code, failure.committed) == (Code.OP_KEY_REUSED, Committed.COMMITTED_NO)
        assert not failure.retryable
        assert await kit.result("Write", Ask(count=1), op_key=KEY) == first
        assert await subjects(kit.store) == [1]


async def test_a_key_is_not_for_another_method() -> None:
    async with dispatching() as kit:
        kit.probe.behave = note
        await kit.result("Write", Ask(count=1), op_key=KEY)
        failure = await kit.failure("Rewrite", Ask(count=1), op_key=KEY)
        assert failure.code == Code.OP_KEY_REUSED
        assert await subjects(kit.store) == [1]


async def test_users_do_not_meet_in_their_keys() -> None:
    async with dispatching() as kit:
        kit.probe.behave = note
        one = await kit.result("Write", Ask(count=1), op_key=KEY, who=Someone(user_id=1))
        two = await kit.result("Write", Ask(count=1), op_key=KEY, who=Someone(user_id=11))
        assert one != two
        assert await subjects(kit.store) == [1, 1]


async def test_a_users_key_is_his_on_every_device() -> None:
    async with dispatching() as kit:
        kit.probe.behave = note
        phone = Someone(device_id=b"p" * 16, session_id=1, address="192.0.2.1")
        laptop = Someone(device_id=b"l" * 16, session_id=2, address="192.0.2.2")
        first = await kit.result("Write", Ask(count=1), op_key=KEY, who=phone)
        assert await kit.result("Write", Ask(count=1), op_key=KEY, who=laptop) == first


async def test_before_sign_in_a_key_is_the_devices() -> None:
    async with dispatching() as kit:
        kit.probe.behave = note
        device = Someone(user_id=0, device_id=b"\x01" * 16)
        first = await kit.result("Join", Ask(count=1), op_key=KEY, who=device)
        assert await kit.result("Join", Ask(count=1), op_key=KEY, who=device) == first
        other = Someone(user_id=0, device_id=b"\x02" * 16)
        assert await kit.result("Join", Ask(count=1), op_key=KEY, who=other) != first
        user = Someone(user_id=1, device_id=b"\x01" * 16)
        assert await kit.result("Join", Ask(count=1), op_key=KEY, who=user) != first
        assert await subjects(kit.store) == [1, 1, 1]


async def test_a_refusal_does_not_use_a_key_up() -> None:
    async with dispatching() as kit:
        kit.probe.behave = refuse
        assert (await kit.failure("Write", Ask(count=1), op_key=KEY)).code == Code.CONFLICT
        kit.probe.behave = note
        assert await kit.result("Write", Ask(count=1), op_key=KEY)
        kit.probe.behave = refuse  # not asked again: the first result stands
        assert await kit.result("Write", Ask(count=1), op_key=KEY)
        assert await subjects(kit.store) == [1]
