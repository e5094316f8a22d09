"""From a Call frame to its answer: access, rate, limits, idempotency, deadline, errors.

What a method demands is read from its policy in the .proto file; handlers never check it.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import structlog
import trio
from google.protobuf.message import DecodeError, Message

from rpc.context import CallContext, Committer, Identity, Reads
from rpc.errors import TABLE, CallError, Code, from_store
from rpc.metrics import CallMetrics
from rpc.proto.frames_pb2 import Call, Failure
from rpc.rates import Rate, RateLimiter
from rpc.registry import Method, Registry
from rpc.wire import encode_failure, encode_result
from store.changes.base import Op
from store.errors import DomainError, StoreError

log = structlog.get_logger("rpc")

OP_KEY_BYTES = 16


@dataclass(frozen=True)
class CallLimits:
    """What a caller may ask for."""

    default_timeout: float = 10.0  # seconds
    max_timeout: float = 60.0
    max_payload: int = 64 * 1024  # bytes
    user_rate: Rate = Rate(per_second=100, burst=400)  # tokens; see `cost` in the policies
    address_rate: Rate = Rate(per_second=20, burst=200)  # before sign-in
    sensitive_rate: Rate = Rate(per_second=0.5, burst=60)  # codes and passwords, by address


class PreparedCall:
    """A call that may be run: decoded, allowed, within its limits."""

    __slots__ = ("ctx", "deadline", "id", "method", "request", "started")

    def __init__(
        self,
        call_id: int,
        method: Method,
        request: Message,
        ctx: CallContext,
        started: float,
        deadline: float,
    ) -> None:
        self.id = call_id
        self.method = method
        self.request = request
        self.ctx = ctx
        self.started = started  # of Trio's clock, as is the deadline
        self.deadline = deadline


class Dispatcher:
    """Runs calls. Every outcome, a handler's crash included, is an encoded Result or Failure
    for that call alone."""

    def __init__(
        self,
        registry: Registry,
        reads: Reads,
        committer: Committer,
        metrics: CallMetrics,
        call_limits: CallLimits | None = None,
    ) -> None:
        self._registry = registry
        self._reads = reads
        self._committer = committer
        self._metrics = metrics
        self._limits = call_limits or CallLimits()
        self._users = RateLimiter(self._limits.user_rate)
        self._addresses = RateLimiter(self._limits.address_rate)
        self._sensitive = RateLimiter(self._limits.sensitive_rate)

    def prepare(self, identity: Identity, call: Call, now: float, now_ms: int) -> PreparedCall:
        """Decides whether the call may run. Raises `CallError`; waits for nothing. `now` is of
        Trio's clock, `now_ms` of the wall clock."""
        method = self._registry.get(call.method)
        if method is None:
            raise CallError(Code.UNKNOWN_METHOD, f"no method {call.method[:100]!r}")
        if method.for_users and not identity.user_id:
            raise CallError(Code.UNAUTHENTICATED, "sign in first")
        self._take_tokens(identity, method, now)
        payload = call.payload
        if len(payload) > self._limits.max_payload:
            raise CallError(
                Code.TOO_LARGE,
                "the request is too large",
                details={"max_bytes": str(self._limits.max_payload)},
            )
        try:
            request = method.request.FromString(payload)
        except DecodeError as error:
            raise CallError(
                Code.INVALID_ARGUMENT, f"not a {method.request.DESCRIPTOR.name}"
            ) from error
        for check in method.checks:
            check(request)
        ctx = CallContext(
            identity,
            self._reads,
            self._committer,
            op=self._op(identity, call) if method.mutating else None,
            now_ms=now_ms,
        )
        deadline = math.inf
        if not method.inline:
            wanted = call.timeout_ms / 1000 or self._limits.default_timeout
            deadline = now + min(wanted, self._limits.max_timeout)
        return PreparedCall(call.id, method, request, ctx, now, deadline)

    def _take_tokens(self, identity: Identity, method: Method, now: float) -> None:
        if identity.user_id:
            wait = self._users.take(identity.user_id, method.cost, now)
        else:
            wait = self._addresses.take(identity.address, method.cost, now)
        if method.sensitive and not wait:
            wait = self._sensitive.take(identity.address, method.sensitive, now)
        if wait:
            raise CallError(
                Code.RATE_LIMITED, "too many calls", retry_after_ms=int(wait * 1000) + 1
            )

    @staticmethod
    def _op(identity: Identity, call: Call) -> Op:
        if len(call.op_key) != OP_KEY_BYTES:
            raise CallError(
                Code.INVALID_ARGUMENT,
                f"{call.method} needs an op_key of {OP_KEY_BYTES} bytes",
                details={"field": "op_key"},
            )
        scope = f"u:{identity.user_id}" if identity.user_id else f"d:{identity.device_id.hex()}"
        digest = hashlib.blake2b(call.payload, digest_size=16, person=b"sunwire-op")
        digest.update(call.method.encode())
        return Op(scope=scope, key=call.op_key, digest=digest.digest())

    def run_inline(self, call: PreparedCall) -> bytes:
        """Runs a handler that never awaits."""
        try:
            assert call.method.handler is not None
            answer = call.method.handler(call.ctx, call.request)
        except Exception as error:
            return self._failed(call, error)
        return self._answered(call, answer)

    async def run(self, call: PreparedCall) -> bytes:
        """Runs a handler. The caller cancels it, at its deadline or earlier, and answers then
        with `cut_short`."""
        try:
            assert call.method.handler is not None
            answer = await call.method.handler(call.ctx, call.request)
        except Exception as error:
            return self._failed(call, error)
        return self._answered(call, answer)

    def cut_short(self, call: PreparedCall, *, expired: bool) -> bytes:
        """The answer to a call whose `run` was cancelled: at its deadline, or on demand."""
        if expired:
            return self._failed(call, CallError(Code.DEADLINE_EXCEEDED, "the deadline has passed"))
        return self._failed(call, CallError(Code.CANCELLED, "cancelled"))

    def refuse(self, call_id: int, method: str, error: CallError) -> bytes:
        """The answer to a call that `prepare` refused."""
        self._metrics.refused(method if self._registry.get(method) else "unknown", error.code)
        return encode_failure(failure_of(call_id, error))

    def _answered(self, call: PreparedCall, answer: Any) -> bytes:
        if type(answer) is not call.method.answer:
            return self._failed(
                call, TypeError(f"{call.method.name} answered with {type(answer).__name__}")
            )
        self._metrics.done(call.method.name, trio.current_time() - call.started)
        return encode_result(call.id, answer.SerializeToString())

    def _failed(self, call: PreparedCall, error: Exception) -> bytes:
        if isinstance(error, CallError):
            failure = error
        elif isinstance(error, DomainError | StoreError):
            failure = from_store(error)
        else:
            log.error("handler crashed", method=call.method.name, exc_info=error)
            failure = CallError(Code.INTERNAL, "internal error")
        failure.committed = call.ctx.committed
        self._metrics.failed(call.method.name, failure.code, trio.current_time() - call.started)
        return encode_failure(failure_of(call.id, failure))


def failure_of(call_id: int, error: CallError) -> Failure:
    return Failure(
        id=call_id,
        code=error.code,
        retryable=TABLE[error.code].retryable,
        retry_after_ms=error.retry_after_ms,
        committed=error.committed,
        message=error.message,
        details=error.details,
    )
