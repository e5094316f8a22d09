"""Every call as JSON, by the rules of proto JSON (pure).

Fields keep the names of the .proto files (`room_id`); `roomId` is understood too. 64-bit
numbers are strings in what is printed and may be numbers in what is read; bytes are base64;
enums are their names; what is unset or default is left out of a request and printed in an
answer, messages excepted.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from rpc.errors import CallError, Code, Committed
from rpc.registry import SERVICES, Method, methods


class JsonError(ValueError):
    """Text that names no method, or that is no request of it; the message says what is."""


def find_method(name: str, services: Iterable[ServiceDescriptor] = SERVICES) -> Method:
    """The method `Service.Method`; upper and lower case do not matter."""
    known = methods(services)
    found = known.get(name) or {key.lower(): one for key, one in known.items()}.get(name.lower())
    if found is not None:
        return found
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    service = name.partition(".")[0]
    hint = near or [key for key in known if key.startswith(service + ".")] or sorted(known)
    raise JsonError(f"no method {name!r}; perhaps {', '.join(hint)}")


def request_of(method: Method, text: str) -> Message:
    """The request that a JSON object says; empty text is an empty one."""
    try:
        value = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise JsonError("a request is a JSON object")
    request = method.request()
    try:
        json_format.ParseDict(value, request)
    except json_format.ParseError as error:
        fields = ", ".join(field.name for field in request.DESCRIPTOR.fields) or "none"
        raise JsonError(f"{error}; the fields of {method.name} are: {fields}") from error
    return request


def to_json(message: Message) -> dict[str, Any]:
    """A message as a JSON object, default values included."""
    value: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return value


def error_to_json(error: CallError) -> dict[str, Any]:
    """`code`, `message`, `retryable`, `retry_after_ms`, `committed` ("no", "yes", "unknown")
    and `details` of a call that failed."""
    return {
        "code": Code.Name(error.code),
        "message": error.message,
        "retryable": error.retryable,
        "retry_after_ms": error.retry_after_ms,
        "committed": Committed.Name(error.committed).removeprefix("COMMITTED_").lower(),
        "details": error.details,
    }
