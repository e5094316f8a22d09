from bench.compare.proto import payload_pb2 as _payload_pb2
from rpc.proto import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
