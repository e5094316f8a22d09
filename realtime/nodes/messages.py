"""The messages between nodes: frames as on a link, sealed with a key that is in the database.

A sealed message is a tag of 16 bytes, the node's name of 8, and frames. Whoever lacks the key may
keep messages away, or repeat them, but not make any.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b

from realtime.link.framing import Codec, FrameDecoder, LinkError
from realtime.link.messages import Hints, Message, Reached, Relay

VERSION = 1  # of all of this: nodes of another one do not hear of these
TAG = 16  # bytes
NAME = 8  # bytes


class Announce(Message, frozen=True):
    """All who are online at the node, with the number of its last `Moved`. With `ask` it has
    just come, and wants to hear the same of the others."""

    number: int
    online: list[int]
    ask: bool


class Moved(Message, frozen=True):
    """A user is online at the node now, or no longer; `told` says whether those who see it were
    told, which they are not while he is online at another. Numbered without a gap."""

    number: int
    user_id: int
    online: bool
    told: bool


class Beat(Message, frozen=True):
    """The node lives. The number is that of its last `Moved`."""

    number: int


class Ask(Message, frozen=True):
    """A node is to announce its people; `lost` says that they were taken for gone."""

    node: bytes
    lost: bool


class Bye(Message, frozen=True):
    """The node ends."""


KINDS = (Relay, Hints, Reached, Announce, Moved, Beat, Ask, Bye)
RELAY = KINDS.index(Relay)
CODEC = Codec(KINDS)


class Seal:
    """Seals and opens messages with the key of one database."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def close(self, name: bytes, frames: bytes) -> bytes:
        body = name + frames
        return self._tag(body) + body

    def open(self, data: bytes) -> tuple[bytes, list[Message]]:
        """The name of the node, and what it says. Raises `LinkError` for what no node of this
        database has said, or not as a whole."""
        body = data[TAG:]
        if len(body) < NAME or not hmac.compare_digest(data[:TAG], self._tag(body)):
            raise LinkError("not sealed with our key")
        decoder = FrameDecoder()
        frames = decoder.feed(body[NAME:])
        if decoder.pending:
            raise LinkError("a frame that does not end")
        return body[:NAME], [CODEC.decode(kind, payload) for kind, payload in frames]

    def _tag(self, body: bytes) -> bytes:
        return blake2b(body, key=self._key, digest_size=TAG).digest()


def channel_of(key: bytes, epoch: int) -> str:
    """The name under which the nodes of a database meet: another for every database, for every
    epoch of its log, and for every version of the messages."""
    return blake2b(f"{VERSION} {epoch}".encode(), key=key, digest_size=TAG).hexdigest()
