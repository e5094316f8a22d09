"""The Python client: reconnects, resumes, and keeps what it could not send."""

from rpc.client.client import Client, EventStream, open_client
from rpc.client.connection import Stopped
from rpc.client.dial import dial_any, dial_url, dial_urls
from rpc.client.options import ClientOptions, ClientStatistics, Dial, DialError
from rpc.client.queue import Expired, OfflineQueue, QueueFull, Superseded, Ticket
from rpc.client.state import MemoryState, SqliteState, StateStore
from rpc.client.updates import StreamKey

__all__ = [
    "Client",
    "ClientOptions",
    "ClientStatistics",
    "Dial",
    "DialError",
    "EventStream",
    "Expired",
    "MemoryState",
    "OfflineQueue",
    "QueueFull",
    "SqliteState",
    "StateStore",
    "Stopped",
    "StreamKey",
    "Superseded",
    "Ticket",
    "dial_any",
    "dial_url",
    "dial_urls",
    "open_client",
]
