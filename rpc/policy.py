"""Reads the options of methods and fields from their descriptors (pure)."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from rpc.proto import options_pb2

# The stubs of protobuf type an extension as an object that protoc's output is not.
_POLICY: Any = options_pb2.policy
_LIMITS: Any = options_pb2.limits


def policy_of(method: MethodDescriptor) -> options_pb2.Policy:
    return policy_in(method.GetOptions())


def policy_in(options: Message) -> options_pb2.Policy:
    """The policy in a method's options, read from a descriptor or from a compiler's output."""
    known = descriptor_pb2.MethodOptions.FromString(options.SerializeToString())
    policy = options_pb2.Policy()
    policy.CopyFrom(known.Extensions[_POLICY])
    return policy


def limits_of(field: FieldDescriptor) -> options_pb2.Limit:
    limits = options_pb2.Limit()
    limits.CopyFrom(field.GetOptions().Extensions[_LIMITS])
    return limits
