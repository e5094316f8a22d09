"""Queries that one process may ask another to run: known by name, plain values in and out.

On SQLite one process writes. What others want written outside the log they hand to it, as they
hand it their changes; and as with changes nothing can be asked for but what is known there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, TypeVar, get_type_hints

import msgspec

F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])

_known: dict[str, Procedure] = {}


def procedure(query: F) -> F:
    """Marks a query, at its definition, as one that another process may run. Its arguments and
    its result have to be plain values, structs or enums, by their annotations."""
    made = Procedure(query)
    _known[made.name] = made
    return query


def procedure_of(query: Callable[..., Any]) -> Procedure:
    """Raises `TypeError` for a query that is not marked."""
    found = _known.get(name_of(query))
    if found is None or found.query is not query:
        raise TypeError(f"{name_of(query)} is no procedure: mark it with @procedure")
    return found


def procedure_named(name: str) -> Procedure:
    """Raises `LookupError` for a name that nothing here has."""
    return _known[name]


def name_of(query: Callable[..., Any]) -> str:
    return f"{query.__module__}.{query.__qualname__}"


class Procedure:
    """A marked query with the encoding of what goes in and comes out (msgpack, by the
    annotations). Decoding raises `msgspec.ValidationError` for what does not fit them."""

    def __init__(self, query: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        self.query = query
        self.name = name_of(query)

    @cached_property
    def _signature(self) -> inspect.Signature:
        whole = inspect.signature(self.query)
        return whole.replace(parameters=list(whole.parameters.values())[1:])  # without tx

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.query)

    @cached_property
    def _arguments(self) -> msgspec.msgpack.Decoder[Any]:
        types = tuple(self._hints[name] for name in self._signature.parameters)
        kind: Any = tuple[types]  # type: ignore[valid-type]
        return msgspec.msgpack.Decoder(kind)

    @cached_property
    def _result(self) -> msgspec.msgpack.Decoder[Any]:
        return msgspec.msgpack.Decoder(self._hints["return"])

    def encode_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return msgspec.msgpack.encode(tuple(bound.arguments.values()))

    def decode_arguments(self, data: bytes | msgspec.Raw) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self._arguments.decode(data)
        return found

    @staticmethod
    def encode_result(result: Any) -> bytes:
        return msgspec.msgpack.encode(result)

    def decode_result(self, data: bytes | msgspec.Raw) -> Any:
        return self._result.decode(data)
