"""Hypothesis strategies for protobuf messages, from their descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

M = TypeVar("M", bound=Message)
Values = dict[str, Any]

TEXT = st.text(max_size=8)  # any code point but the surrogates, which UTF-8 does not have
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, (1 << 64) - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 200),  # unknown ones come through as they are
}


def messages(kind: type[M], depth: int = 2) -> st.SearchStrategy[M]:
    """Messages of a kind with any of their fields set and one of each oneof, nested at most
    `depth` deep."""
    # The stubs know two classes of descriptors, one for each implementation.
    fields = cast("Sequence[FieldDescriptor]", kind.DESCRIPTOR.fields)
    groups: dict[str, list[st.SearchStrategy[Values]]] = {}
    loose: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields:
        values = _values(field, depth)
        if field.containing_oneof is None:
            loose[field.name] = values
        else:
            named = st.fixed_dictionaries({field.name: values})
            groups.setdefault(field.containing_oneof.name, []).append(named)
    parts = [st.fixed_dictionaries({}, optional=loose), *map(st.one_of, groups.values())]
    return st.tuples(*parts).map(lambda found: kind(**{k: v for d in found for k, v in d.items()}))


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return st.dictionaries(TEXT, TEXT, max_size=3)  # the only maps that there are
    one = _value(field, depth)
    return st.lists(one, max_size=2) if field.is_repeated else one


def _value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        kind = GetMessageClass(field.message_type)
        return messages(kind, depth - 1) if depth else st.just(kind())
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=40)
    return TEXT if field.type == FieldDescriptor.TYPE_STRING else SCALARS[field.cpp_type]
