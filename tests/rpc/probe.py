"""A service made for the tests: one method for each policy, and handlers that do as they are
told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from rpc.context import CallContext
from rpc.proto import options_pb2
from rpc.proto.options_pb2 import ACCESS_OPEN, Limit, Policy

POLICIES: dict[str, Policy] = {
    "Read": Policy(),
    "Open": Policy(access=ACCESS_OPEN),
    "Costly": Policy(cost=10),
    "Guess": Policy(access=ACCESS_OPEN, sensitive=3),
    "Write": Policy(mutating=True),
    "Rewrite": Policy(mutating=True),
    "Join": Policy(access=ACCESS_OPEN, mutating=True),
    "Peek": Policy(inline=True),
}

_STRING, _BYTES, _INT = (
    FieldDescriptor.TYPE_STRING,
    FieldDescriptor.TYPE_BYTES,
    FieldDescriptor.TYPE_INT64,
)
_FIELDS: dict[str, tuple[int, bool, Limit]] = {
    "text": (_STRING, False, Limit(min_len=2, max_len=5)),
    "key": (_BYTES, False, Limit(max_len=4)),
    "ids": (_INT, True, Limit(max_items=3, has_range=True, min=1, max=9)),
    "names": (_STRING, True, Limit(max_len=3)),
    "count": (_INT, False, Limit(has_range=True, min=-5, max=5)),
    "filler": (_BYTES, False, Limit()),
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/rpc/probe.proto",
        package="sunwire.tests",
        syntax="proto3",
        dependency=["rpc/proto/options.proto"],
    )
    limits: Any = options_pb2.limits
    policy: Any = options_pb2.policy
    inner = file.message_type.add(name="Inner")
    field = inner.field.add(name="must", number=1, type=_INT, label=1)
    field.options.Extensions[limits].CopyFrom(Limit(required=True))
    ask = file.message_type.add(name="Ask")
    for number, (name, (kind, repeated, limit)) in enumerate(_FIELDS.items(), 1):
        field = ask.field.add(name=name, number=number, label=3 if repeated else 1)
        field.type = kind  # type: ignore[assignment]
        if limit.ByteSize():
            field.options.Extensions[limits].CopyFrom(limit)
    for name, label in (("inner", 1), ("inners", 3)):
        field = ask.field.add(name=name, number=len(ask.field) + 1, type_name="Inner")
        field.type, field.label = FieldDescriptor.TYPE_MESSAGE, label  # type: ignore[assignment]
    told = file.message_type.add(name="Told")
    told.field.add(name="number", number=1, type=_INT, label=1)
    service = file.service.add(name="Probe")
    for name, wanted in POLICIES.items():
        method = service.method.add(name=name, input_type="Ask", output_type="Told")
        method.options.Extensions[policy].CopyFrom(wanted)
    return file


_added: Any = descriptor_pool.Default().AddSerializedFile(_file().SerializeToString())
PROBE: ServiceDescriptor = descriptor_pool.Default().FindServiceByName("sunwire.tests.Probe")

if TYPE_CHECKING:

    class Inner(Message):
        def __init__(self, *, must: int = 0) -> None: ...

    class Ask(Message):
        text: str
        count: int

        def __init__(self, **fields: object) -> None: ...

    class Told(Message):
        number: int

        def __init__(self, *, number: int = 0) -> None: ...

else:
    Inner, Ask, Told = (
        GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(f"sunwire.tests.{name}"))
        for name in ("Inner", "Ask", "Told")
    )

Behaviour = Callable[[CallContext, Ask], Awaitable[Told]]


async def _echo(_: CallContext, request: Ask) -> Told:
    return Told(number=request.count)


class Probe:
    """Serves every method of the probe by `behave`, the inline one by `peeked`."""

    DESCRIPTOR = PROBE

    def __init__(self) -> None:
        self.behave: Behaviour = _echo
        self.peeked: Callable[[CallContext, Ask], Told] = lambda _, ask: Told(number=ask.count)

    async def read(self, ctx: CallContext, request: Ask) -> Told:
        return await self.behave(ctx, request)

    async def open(self, ctx: CallContext, request: Ask) -> Told:
        return await self.behave(ctx, request)

    async def costly(self, ctx: CallContext, request: Ask) -> Told:
        return await self.behave(ctx, request)

    async def guess(self, ctx: CallContext, request: Ask) -> Told:
        return await self.behave(ctx, request)

    async def write(self, ctx: CallContext, request: Ask) -> Told:
        return await self.behave(ctx, request)

    async def rewrite(self, ctx: CallContext, request: Ask) -> Told:
        return await self.behave(ctx, request)

    async def join(self, ctx: CallContext, request: Ask) -> Told:
        return await self.behave(ctx, request)

    def peek(self, ctx: CallContext, request: Ask) -> Told:
        return self.peeked(ctx, request)
