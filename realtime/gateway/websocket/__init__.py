"""RFC 6455 for a server, without I/O: the opening handshake and the frames after it."""

from realtime.gateway.websocket.codec import Decoder
from realtime.gateway.websocket.encode import close_frame, encode_header, frame, ping, pong
from realtime.gateway.websocket.handshake import BadHandshake, Handshake, Request
from realtime.gateway.websocket.messages import (
    CloseFrame,
    Message,
    Ping,
    Pong,
    Text,
    Violation,
)

__all__ = [
    "BadHandshake",
    "CloseFrame",
    "Decoder",
    "Handshake",
    "Message",
    "Ping",
    "Pong",
    "Request",
    "Text",
    "Violation",
    "close_frame",
    "encode_header",
    "frame",
    "ping",
    "pong",
]
