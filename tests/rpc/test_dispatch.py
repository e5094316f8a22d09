"""What may be called, by whom, how often, and with what."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from rpc.context import CallContext
from rpc.dispatch import CallLimits
from rpc.errors import TABLE, CallError, Code
from rpc.rates import Rate
from tests.rpc.dispatching import Someone, dispatching
from tests.rpc.probe import POLICIES, Ask, Inner, Told

STRANGER = Someone(user_id=0)


async def never(_: CallContext, __: Ask) -> Told:
    raise AssertionError("the handler was called")


async def test_a_call_reaches_its_handler_with_its_caller_and_the_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    seen: list[CallContext] = []

    async def look(ctx: CallContext, request: Ask) -> Told:
        seen.append(ctx)
        return Told(number=request.count + 1)

    async with dispatching() as kit:
        kit.probe.behave = look
        await trio.sleep(5)
        assert await kit.result("Read", Ask(count=4)) == 5
        (ctx,) = seen
        assert (ctx.user_id, ctx.identity, ctx.op) == (1, kit.me, None)
        assert ctx.now_ms == 1_700_000_005_000
        assert kit.counted("Probe.Read", "OK") == 1


async def test_an_unknown_method_is_named_in_short_and_counted_under_one_label() -> None:
    async with dispatching() as kit:
        for name in ("Nothing", "read", "Read ", "", "x" * 5000):
            failure = await kit.failure(name)
            assert failure.code == Code.UNKNOWN_METHOD
            assert len(failure.message) < 200
        assert kit.counted("unknown", "UNKNOWN_METHOD") == 5
        assert kit.counted("Probe.Nothing", "UNKNOWN_METHOD") == 0


@pytest.mark.parametrize("name", POLICIES)
async def test_strangers_call_what_is_open_and_nothing_else(name: str) -> None:
    async with dispatching() as kit:
        assert await kit.result(name, Ask(count=3)) == 3
        if POLICIES[name].access:
            assert await kit.result(name, Ask(count=3), who=STRANGER) == 3
            return
        kit.probe.behave = never
        failure = await kit.failure(name, who=STRANGER)
        assert failure.code == Code.UNAUTHENTICATED
        assert not failure.retryable


async def test_the_largest_payload_is_taken_and_one_more_byte_refused() -> None:
    async with dispatching(CallLimits(max_payload=100)) as kit:
        largest = Ask(filler=b"f" * 98)
        assert largest.ByteSize() == 100
        assert await kit.result("Read", largest) == 0
        kit.probe.behave = never
        failure = await kit.failure("Read", Ask(filler=b"f" * 99))
        assert failure.code == Code.TOO_LARGE
        assert failure.details == {"max_bytes": "100"}


async def test_bytes_that_are_not_the_request_are_refused() -> None:
    async with dispatching() as kit:
        kit.probe.behave = never
        failure = await kit.failure("Read", payload=b"\xff\xff")
        assert (failure.code, failure.message) == (Code.INVALID_ARGUMENT, "not a Ask")
        assert await kit.failure("Peek", payload=b"\x0a") == failure


@pytest.mark.parametrize(
    ("request_", "field", "why"),
    [
        (Ask(text="x"), "text", "shorter than 2"),
        (Ask(text="xxxxxx"), "text", "longer than 5"),
        (Ask(key=b"kkkkk"), "key", "longer than 4"),
        (Ask(ids=[1, 2, 3, 4]), "ids", "more than 3 items"),
        (Ask(ids=[1, 10]), "ids", "not within 1 and 9"),
        (Ask(ids=[0]), "ids", "not within 1 and 9"),
        (Ask(names=["abc", "abcd"]), "names", "longer than 3"),
        (Ask(count=-6), "count", "not within -5 and 5"),
        (Ask(count=6), "count", "not within -5 and 5"),
        (Ask(inner=Inner()), "must", "required"),
        (Ask(inners=[Inner(must=1), Inner()]), "must", "required"),
    ],
)
async def test_a_field_beyond_its_limits_is_refused_by_name(
    request_: Ask, field: str, why: str
) -> None:
    async with dispatching() as kit:
        kit.probe.behave = never
        failure = await kit.failure("Read", request_)
        assert failure.code == Code.INVALID_ARGUMENT
        assert failure.details == {"field": field}
        assert failure.message.startswith(field)
        assert why in failure.message


@pytest.mark.parametrize(
    "request_",
    [
        Ask(),
        Ask(text="xx", key=b"kkkk", ids=[1, 5, 9], names=["", "abc"], count=-5),
        Ask(text="äöüßé", count=5, inner=Inner(must=-1), inners=[Inner(must=1)] * 9),
    ],
    ids=["empty", "at the limits", "characters, not bytes"],
)
async def test_a_request_within_its_limits_is_taken(request_: Ask) -> None:
    async with dispatching() as kit:
        assert await kit.result("Read", request_) == request_.count


async def test_a_user_pays_what_a_method_costs_and_each_has_a_bucket_of_his_own(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with dispatching(CallLimits(user_rate=Rate(per_second=2, burst=25))) as kit:
        for _ in range(2):
            await kit.result("Costly")  # 10 each
        for _ in range(5):
            await kit.result("Read")  # 1 each
        failure = await kit.failure("Read")
        assert failure.code == Code.RATE_LIMITED
        assert failure.retryable
        assert failure.retry_after_ms == 501
        assert (await kit.failure("Costly")).retry_after_ms == 5001
        assert await kit.result("Read", who=Someone(user_id=2)) == 0
        assert await kit.result("Open", who=STRANGER) == 0
        await trio.sleep(0.499)
        assert (await kit.failure("Read")).retry_after_ms == 2
        await trio.sleep(0.002)
        await kit.result("Read")
        await kit.failure("Read")
        assert kit.counted("Probe.Read", "RATE_LIMITED") == 3


async def test_strangers_pay_by_address(autojump_clock: trio.testing.MockClock) -> None:
    limits = CallLimits(
        address_rate=Rate(per_second=1, burst=2), user_rate=Rate(per_second=1, burst=3)
    )
    async with dispatching(limits) as kit:
        for device in (b"one", b"two"):  # a new device is no new bucket
            await kit.result("Open", who=Someone(user_id=0, device_id=device * 5))
        assert (await kit.failure("Open", who=STRANGER)).code == Code.RATE_LIMITED
        assert await kit.result("Open", who=Someone(user_id=0, address="192.0.2.2")) == 0
        for _ in range(3):  # who is signed in pays for himself, at that address too
            assert await kit.result("Open") == 0
        assert (await kit.failure("Open")).code == Code.RATE_LIMITED


async def test_guessing_is_limited_by_address_whoever_guesses(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with dispatching(CallLimits(sensitive_rate=Rate(per_second=0.5, burst=6))) as kit:
        await kit.result("Guess", who=STRANGER)
        await kit.result("Guess", who=Someone(user_id=5))
        for user in (0, 1, 5):
            failure = await kit.failure("Guess", who=Someone(user_id=user))
            assert failure.code == Code.RATE_LIMITED
            assert failure.retry_after_ms == 6001
        assert await kit.result("Guess", who=Someone(user_id=1, address="192.0.2.2")) == 0
        assert await kit.result("Read") == 0
        await trio.sleep(6.001)
        await kit.result("Guess", who=STRANGER)


async def test_a_refused_request_has_been_paid_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Garbage is no cheaper than a good call."""
    async with dispatching(CallLimits(user_rate=Rate(per_second=1, burst=2))) as kit:
        await kit.failure("Read", payload=b"\xff")
        await kit.failure("Read", Ask(text="x"))
        assert (await kit.failure("Read")).code == Code.RATE_LIMITED


async def test_a_stranger_who_may_not_call_takes_nothing_from_his_address(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with dispatching(CallLimits(address_rate=Rate(per_second=1, burst=1))) as kit:
        for _ in range(5):
            assert (await kit.failure("Read", who=STRANGER)).code == Code.UNAUTHENTICATED
        assert await kit.result("Open", who=STRANGER) == 0


@pytest.mark.parametrize(
    ("asked_ms", "seconds"), [(0, 10.0), (1, 0.001), (2500, 2.5), (60_000, 60.0), (2**32 - 1, 60.0)]
)
async def test_a_call_has_the_time_it_asks_for_within_the_limit(
    autojump_clock: trio.testing.MockClock, asked_ms: int, seconds: float
) -> None:
    ended: list[float] = []

    async def forever(_: CallContext, __: Ask) -> Told:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    async with dispatching() as kit:
        kit.probe.behave = forever
        start = trio.current_time()
        failure = await kit.failure("Read", timeout_ms=asked_ms)
        assert failure.code == Code.DEADLINE_EXCEEDED
        assert failure.retryable
        assert ended == [pytest.approx(start + seconds)]  # its work was stopped
        assert kit.counted("Probe.Read", "DEADLINE_EXCEEDED") == 1


async def test_the_time_of_a_call_is_measured_from_its_frame(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def slow(_: CallContext, __: Ask) -> Told:
        await trio.sleep(2)
        return Told()

    async with dispatching() as kit:
        kit.probe.behave = slow
        await kit.result("Read")
        labels = {"method": "Probe.Read"}
        assert kit.metrics.get_sample_value("sunwire_call_seconds_sum", labels) == pytest.approx(2)


def test_every_code_has_its_meaning() -> None:
    assert set(TABLE) == {code for code in Code.values() if code}
    for code, meaning in TABLE.items():
        assert meaning.action
        assert CallError(code, "m").retryable is meaning.retryable
