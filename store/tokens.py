"""What a session's token is made of (pure).

A token opens one session until it is revoked, expires, or a newer token is used. The store
keeps its digest alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac


def mint(session_id: int, key: bytes) -> str:
    """The token of a session: `key` is secret and belongs to this token alone, so the same
    two always give the same token, and without the key nobody can make it."""
    mac = hmac.digest(key, b"%d" % session_id, "sha256")
    return base64.urlsafe_b64encode(b"%d." % session_id + mac).rstrip(b"=").decode()


def digest(token: str) -> bytes:
    """What the store keeps of a token: its SHA-256. A token holds 256 random bits, so no salt
    and no slow hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
