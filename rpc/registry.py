"""Which handler answers which method, verified before the server starts."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from rpc.codegen import snake
from rpc.context import CallContext
from rpc.limits import checks_of
from rpc.policy import policy_of
from rpc.proto import (
    auth_pb2,
    blocks_pb2,
    chat_pb2,
    comments_pb2,
    follows_pb2,
    likes_pb2,
    media_pb2,
    notifications_pb2,
    options_pb2,
    pages_pb2,
    posts_pb2,
    users_pb2,
)


class RegistryError(Exception):
    """The handlers do not match the .proto files; the server must not start."""


SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    service
    for module in (
        auth_pb2,
        users_pb2,
        chat_pb2,
        posts_pb2,
        likes_pb2,
        comments_pb2,
        follows_pb2,
        blocks_pb2,
        pages_pb2,
        notifications_pb2,
        media_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
)
"""Every service of Sunwire itself."""


class Method:
    """A method with its policy and, on a server, its handler."""

    __slots__ = (
        "answer",
        "checks",
        "cost",
        "for_users",
        "handler",
        "inline",
        "mutating",
        "name",
        "policy",
        "request",
        "sensitive",
    )

    def __init__(self, descriptor: MethodDescriptor, handler: Callable[..., Any] | None) -> None:
        self.name = f"{descriptor.containing_service.name}.{descriptor.name}"
        self.policy = policy_of(descriptor)
        # Read at every call, and quicker from here than from a message.
        self.inline: bool = self.policy.inline
        self.mutating: bool = self.policy.mutating
        self.for_users: bool = self.policy.access == options_pb2.ACCESS_USER
        self.cost: int = self.policy.cost or 1
        self.sensitive: int = self.policy.sensitive
        self.checks = checks_of(descriptor.input_type)
        self.request: type[Message] = GetMessageClass(descriptor.input_type)
        self.answer: type[Message] = GetMessageClass(descriptor.output_type)
        self.handler = handler


def methods(services: Iterable[ServiceDescriptor] = SERVICES) -> dict[str, Method]:
    """Every method by its name `Service.Method`, without handlers: what a client knows."""
    return {
        method.name: method
        for service in services
        for method in (Method(descriptor, None) for descriptor in service.methods)
    }


class Registry:
    """The handler table. Raises `RegistryError`, naming every mismatch at once, when a
    service or a handler is missing, superfluous, or typed otherwise than its descriptor."""

    def __init__(
        self, services: Iterable[object], required: Iterable[ServiceDescriptor] = SERVICES
    ) -> None:
        self._methods: dict[str, Method] = {}
        problems: list[str] = []
        present: set[str] = set()
        for service in services:
            descriptor = getattr(service, "DESCRIPTOR", None)
            if not isinstance(descriptor, ServiceDescriptor):
                problems.append(f"{type(service).__name__} has no service DESCRIPTOR")
                continue
            if descriptor.name in present:
                problems.append(f"{descriptor.name} is served twice")
                continue
            present.add(descriptor.name)
            problems += self._add(service, descriptor)
        problems += [f"no service for {one.name}" for one in required if one.name not in present]
        if problems:
            raise RegistryError("; ".join(problems))

    def _add(self, service: object, descriptor: ServiceDescriptor) -> list[str]:
        problems = []
        expected = {snake(one.name): Method(one, None) for one in descriptor.methods}
        for name, method in expected.items():
            handler = getattr(service, name, None)
            problem = _problem(handler, method)
            if problem:
                problems.append(f"{method.name}: {problem}")
            method.handler = handler
            self._methods[method.name] = method
        for name, member in inspect.getmembers(type(service), inspect.isfunction):
            takes = list(inspect.signature(member).parameters)
            if not name.startswith("_") and takes[:2] == ["self", "ctx"] and name not in expected:
                problems.append(f"{descriptor.name} has no method for the handler {name}")
        return problems

    def get(self, name: str) -> Method | None:
        return self._methods.get(name)


def _problem(handler: Any, method: Method) -> str:
    if handler is None:
        return "no handler"
    if not callable(handler):
        return f"{handler!r} is not a handler"
    if getattr(handler, "__isabstractmethod__", False):
        return "the handler is abstract"
    if inspect.iscoroutinefunction(handler) == method.policy.inline:
        return "an inline handler must not be async" if method.policy.inline else "not async"
    if not _is_called_as_they_are(handler):
        return f"takes {inspect.signature(handler)} instead of (ctx, request)"
    try:
        hints = typing.get_type_hints(handler)
    except (NameError, TypeError) as error:
        return f"its annotations cannot be read: {error}"
    expected: dict[str, type] = {
        "ctx": CallContext,
        "request": method.request,
        "return": method.answer,
    }
    for name, wanted in expected.items():
        if hints.get(name) is not wanted:
            return f"{name} is {hints.get(name)!r} instead of {wanted.__name__}"
    return ""


def _is_called_as_they_are(handler: Callable[..., Any]) -> bool:
    """Whether `handler(ctx, request)` gives each what is annotated under its name."""
    signature = inspect.signature(handler)
    try:
        bound = signature.bind("ctx", "request")
    except TypeError:
        return False
    return bound.arguments == {"ctx": "ctx", "request": "request"}
