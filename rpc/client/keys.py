"""The keys by which a server knows a call or a message that it has had before."""

from __future__ import annotations

import secrets
import time


def new_key() -> bytes:
    """16 bytes for an op_key or a client_id, unlike all others: the time, so that a database
    keeps side by side what is sent about the same time, and 10 random bytes."""
    return (time.time_ns() // 1_000_000).to_bytes(6, "big") + secrets.token_bytes(10)
