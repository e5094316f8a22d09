"""Checks a request against the limits written in its .proto file (pure).

The checks of a message type are compiled from its descriptor once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from rpc.errors import CallError, Code
from rpc.policy import limits_of

Check = Callable[[Message], None]


def check(request: Message) -> None:
    """Raises `CallError(INVALID_ARGUMENT)` naming the first field that breaks its limits."""
    for one in checks_of(request.DESCRIPTOR):
        one(request)


@lru_cache(512)
def checks_of(descriptor: Descriptor) -> tuple[Check, ...]:
    """The checks of a message type; each raises as `check` does."""
    return tuple(check for field in descriptor.fields for check in _field_checks(field))


def _refuse(field: FieldDescriptor, problem: str) -> CallError:
    return CallError(
        Code.INVALID_ARGUMENT, f"{field.name} {problem}", details={"field": field.name}
    )


def _field_checks(field: FieldDescriptor) -> list[Check]:
    limits = limits_of(field)
    checks: list[Check] = []
    name = field.name
    if limits.required:

        def required(request: Message) -> None:
            if not getattr(request, name):
                raise _refuse(field, "is required")

        checks.append(required)
    if limits.max_items:

        def items(request: Message) -> None:
            if len(getattr(request, name)) > limits.max_items:
                raise _refuse(field, f"has more than {limits.max_items} items")

        checks.append(items)
    if limits.max_len or limits.min_len:
        longest = limits.max_len or 1 << 31

        def length(request: Message) -> None:
            value = getattr(request, name)
            for one in value if field.is_repeated else (value,):
                if len(one) > longest:
                    raise _refuse(field, f"is longer than {longest}")
                if one and len(one) < limits.min_len:
                    raise _refuse(field, f"is shorter than {limits.min_len}")

        checks.append(length)
    if limits.has_range:

        def within(request: Message) -> None:
            value = getattr(request, name)
            for one in value if field.is_repeated else (value,):
                if not limits.min <= one <= limits.max:
                    raise _refuse(field, f"is not within {limits.min} and {limits.max}")

        checks.append(within)
    if field.message_type is not None and not field.message_type.GetOptions().map_entry:

        def nested(request: Message) -> None:
            if field.is_repeated:
                for one in getattr(request, name):
                    check(one)
            elif request.HasField(name):
                check(getattr(request, name))

        if _has_limits(field.message_type):
            checks.append(nested)
    return checks


def _has_limits(descriptor: Descriptor, seen: frozenset[Any] = frozenset()) -> bool:
    if descriptor.full_name in seen:
        return False
    return any(
        bool(limits_of(field).ByteSize())
        or (
            field.message_type is not None
            and _has_limits(field.message_type, seen | {descriptor.full_name})
        )
        for field in descriptor.fields
    )
