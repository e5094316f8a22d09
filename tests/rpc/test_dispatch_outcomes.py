"""Every outcome of a call is one answer, which says whose fault it was and what was kept."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio
import trio.testing

from rpc.context import CallContext
from rpc.errors import TABLE, CallError, Code, Committed
from store import errors
from tests.rpc.dispatching import Dispatching, dispatching
from tests.rpc.probe import Ask, Told
from tests.store.notes import Note, log_of, subjects

SECRET = "the password is swordfish"


class Taken(errors.Conflict):
    """A refusal of a service that is not Sunwire's own."""


def failing(error: Exception) -> Any:
    async def behave(_: CallContext, __: Ask) -> Told:
        raise error

    return behave


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFound("m"), Code.NOT_FOUND),
        (errors.Forbidden("m"), Code.PERMISSION_DENIED),
        (errors.Conflict("m"), Code.CONFLICT),
        (errors.Invalid("m"), Code.INVALID_ARGUMENT),
        (errors.Unauthenticated("m"), Code.UNAUTHENTICATED),
        (errors.OpKeyReused("m"), Code.OP_KEY_REUSED),
        (errors.TooMany("m", 1500), Code.RATE_LIMITED),
        (Taken("m"), Code.CONFLICT),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_refusal_of_the_store_has_its_code_and_keeps_its_words(
    error: errors.DomainError, code: Code
) -> None:
    error.details = {"field": "name"}
    with structlog.testing.capture_logs() as logs:
        async with dispatching() as kit:
            kit.probe.behave = failing(error)
            failure = await kit.failure("Read")
            assert (failure.code, failure.message) == (code, "m")
            assert failure.details == {"field": "name"}
            assert failure.retryable is TABLE[code].retryable
            assert failure.retry_after_ms == getattr(error, "retry_after_ms", 0)
            assert failure.committed == Committed.COMMITTED_NO
            assert kit.counted("Probe.Read", Code.Name(code)) == 1
    assert not logs  # the caller's affair


@pytest.mark.parametrize(
    ("error", "code", "retry_after_ms"),
    [
        (errors.Unavailable(SECRET), Code.UNAVAILABLE, 1000),
        (errors.Overloaded(SECRET), Code.OVERLOADED, 500),
        (errors.Corrupt(SECRET), Code.INTERNAL, 0),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_fault_of_the_store_keeps_its_words_to_itself(
    error: Exception, code: Code, retry_after_ms: int
) -> None:
    async with dispatching() as kit:
        kit.probe.behave = failing(error)
        failure = await kit.failure("Read")
        assert (failure.code, failure.retry_after_ms) == (code, retry_after_ms)
        assert failure.retryable
        assert SECRET not in str(failure)


async def test_the_plainest_refusal_is_still_one_answer() -> None:
    async with dispatching() as kit:
        kit.probe.behave = failing(errors.DomainError("m"))
        assert (await kit.failure("Read")).code == Code.INVALID_ARGUMENT


async def test_a_handlers_own_error_goes_out_as_it_is() -> None:
    async with dispatching() as kit:
        kit.probe.behave = failing(
            CallError(Code.NOT_FOUND, "gone", retry_after_ms=3, details={"field": "x"})
        )
        failure = await kit.failure("Read")
        assert (failure.code, failure.message, failure.retry_after_ms) == (
            Code.NOT_FOUND,
            "gone",
            3,
        )
        assert failure.details == {"field": "x"}
        assert not failure.retryable


@pytest.mark.parametrize("name", ["Read", "Write", "Peek"])
@pytest.mark.parametrize(
    "error",
    [RuntimeError(SECRET), KeyError(SECRET), ExceptionGroup(SECRET, [ValueError(SECRET)])],
    ids=lambda value: type(value).__name__,
)
async def test_a_crash_says_nothing_of_itself_but_once_in_the_log(
    name: str, error: Exception
) -> None:
    def peeked(_: CallContext, __: Ask) -> Told:
        raise error

    with structlog.testing.capture_logs() as logs:
        async with dispatching() as kit:
            kit.probe.behave, kit.probe.peeked = failing(error), peeked
            failure = await kit.failure(name)
            assert (failure.code, failure.message) == (Code.INTERNAL, "internal error")
            assert failure.retryable
            assert not failure.details
            assert SECRET not in str(failure)
            assert kit.counted(f"Probe.{name}", "INTERNAL") == 1
    (entry,) = logs
    assert entry["log_level"] == "error"
    assert entry["method"] == f"Probe.{name}"
    assert entry["exc_info"] is error


@pytest.mark.parametrize("name", ["Read", "Peek"])
@pytest.mark.parametrize("answer", [None, Ask(), 7], ids=["none", "another message", "number"])
async def test_an_answer_of_another_type_is_a_crash(name: str, answer: Any) -> None:
    async def behave(_: CallContext, __: Ask) -> Told:
        return answer  # type: ignore[no-any-return]

    with structlog.testing.capture_logs() as logs:
        async with dispatching() as kit:
            kit.probe.behave, kit.probe.peeked = behave, lambda _, __: answer
            assert (await kit.failure(name)).code == Code.INTERNAL
            assert kit.counted(f"Probe.{name}", "OK") == 0
    assert [entry["log_level"] for entry in logs] == ["error"]


async def cancelled(kit: Dispatching, name: str, after: float, op_key: bytes) -> Any:
    """The failure of a call that its caller cancels after so many seconds."""
    scope = trio.CancelScope()

    async def cancel() -> None:
        await trio.sleep(after)
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel)
        return await kit.failure(name, scope=scope, op_key=op_key)


async def test_a_cancelled_call_stops_at_once_and_says_so(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def forever(_: CallContext, __: Ask) -> Told:
        await trio.sleep_forever()
        raise AssertionError

    async with dispatching() as kit:
        kit.probe.behave = forever
        start = trio.current_time()
        failure = await cancelled(kit, "Read", 3, b"")
        assert trio.current_time() == start + 3
        assert failure.code == Code.CANCELLED
        assert failure.committed == Committed.COMMITTED_NO
        assert kit.counted("Probe.Read", "CANCELLED") == 1


async def test_a_call_cancelled_before_it_began_does_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with dispatching() as kit:
        kit.probe.behave = noting(1)
        scope = trio.CancelScope()
        scope.cancel()
        failure = await kit.failure("Write", scope=scope)
        assert failure.code == Code.CANCELLED
        assert failure.committed == Committed.COMMITTED_NO
        await trio.testing.wait_all_tasks_blocked()
        assert await log_of(kit.store) == []


async def test_a_handler_that_is_done_all_the_same_is_answered(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def stubborn(_: CallContext, __: Ask) -> Told:
        with trio.CancelScope(shield=True):
            await trio.sleep(30)
        return Told(number=8)

    async with dispatching() as kit:
        kit.probe.behave = stubborn
        assert await kit.result("Read", timeout_ms=100) == 8


async def test_the_end_of_the_connection_is_no_cancelled_call(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What is cancelled from outside has nobody left to answer."""

    async def forever(_: CallContext, __: Ask) -> Told:
        await trio.sleep_forever()
        raise AssertionError

    async with dispatching() as kit:
        kit.probe.behave = forever
        with trio.move_on_after(1) as outer:
            await kit.answer("Read")
        assert outer.cancelled_caught
        assert kit.counted("Probe.Read", "CANCELLED") == 0


def noting(subject: int, *, then_read: bool = False, **options: Any) -> Any:
    async def behave(ctx: CallContext, _: Ask) -> Told:
        position = await ctx.commit(
            Note(op=ctx.op, user_id=ctx.user_id, subject=subject, **options)
        )
        if then_read:
            await trio.sleep(60)
        return Told(number=position)

    return behave


KEY = b"k" * 16


async def test_a_call_cancelled_while_its_change_waits_leaves_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with dispatching() as kit:
        kit.store.hold("commit")
        kit.batcher.submit(Note(user_id=9, subject=1))
        await kit.store.wait_held("commit")
        kit.probe.behave = noting(2)
        failure = await cancelled(kit, "Write", 1, KEY)
        assert (failure.code, failure.committed) == (Code.CANCELLED, Committed.COMMITTED_NO)
        kit.store.release("commit")
        await trio.testing.wait_all_tasks_blocked()
        assert await subjects(kit.store) == [1]
        assert await kit.result("Write", op_key=KEY)  # the key was not used up
        assert await subjects(kit.store) == [1, 2]


@pytest.mark.parametrize("gate", ["commit", "committed"])
async def test_a_call_cancelled_during_the_commit_does_not_know_and_may_ask_again(
    autojump_clock: trio.testing.MockClock, gate: Any
) -> None:
    async with dispatching() as kit:
        kit.store.hold(gate)
        kit.probe.behave = noting(2)
        failure = await cancelled(kit, "Write", 1, KEY)
        assert (failure.code, failure.committed) == (Code.CANCELLED, Committed.COMMITTED_UNKNOWN)
        kit.store.release(gate)
        position = await kit.result("Write", op_key=KEY)
        entries = await log_of(kit.store)
        assert [entry.position for entry in entries] == [position]


async def test_a_deadline_during_the_commit_says_the_same(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with dispatching() as kit:
        kit.store.hold("commit")
        kit.probe.behave = noting(2)
        failure = await kit.failure("Write", timeout_ms=500)
        assert failure.code == Code.DEADLINE_EXCEEDED
        assert failure.committed == Committed.COMMITTED_UNKNOWN
        kit.store.release("commit")


@pytest.mark.parametrize("timeout_ms", [0, 2000], ids=["cancelled", "expired"])
async def test_a_call_that_ends_after_its_commit_says_that_it_was_made(
    autojump_clock: trio.testing.MockClock, timeout_ms: int
) -> None:
    async with dispatching() as kit:
        kit.probe.behave = noting(2, then_read=True)
        if timeout_ms:
            failure = await kit.failure("Write", timeout_ms=timeout_ms)
            assert failure.code == Code.DEADLINE_EXCEEDED
        else:
            failure = await cancelled(kit, "Write", 1, KEY)
            assert failure.code == Code.CANCELLED
        assert failure.committed == Committed.COMMITTED_YES
        assert await subjects(kit.store) == [2]


async def test_a_call_cancelled_in_the_instant_of_its_commit_says_that_it_was_made(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scope = trio.CancelScope()
    async with dispatching() as kit:
        kit.on_commit.append(scope.cancel)
        kit.probe.behave = noting(2)
        failure = await kit.failure("Write", scope=scope)
        assert (failure.code, failure.committed) == (Code.CANCELLED, Committed.COMMITTED_YES)
        assert await subjects(kit.store) == [2]


async def test_a_crash_after_the_commit_says_that_it_was_made() -> None:
    async def crash(ctx: CallContext, _: Ask) -> Told:
        await ctx.commit(Note(op=ctx.op, subject=2))
        raise RuntimeError(SECRET)

    with structlog.testing.capture_logs():
        async with dispatching() as kit:
            kit.probe.behave = crash
            failure = await kit.failure("Write")
    assert (failure.code, failure.committed) == (Code.INTERNAL, Committed.COMMITTED_YES)


@pytest.mark.parametrize(
    ("options", "code"),
    [({"refuse": True}, Code.CONFLICT), ({"broken": True}, Code.INTERNAL)],
)
async def test_a_change_that_is_refused_or_fails_was_not_made(
    options: dict[str, bool], code: Code
) -> None:
    with structlog.testing.capture_logs():
        async with dispatching() as kit:
            kit.probe.behave = noting(2, **options)
            failure = await kit.failure("Write")
            assert (failure.code, failure.committed) == (code, Committed.COMMITTED_NO)
            assert await log_of(kit.store) == []
