"""The machine's clock."""

from __future__ import annotations

import ctypes
import sys

from realtime.doctor.finding import Finding, warning
from realtime.settings import Settings
from realtime.stores import SQLITE, address_of, driver_needed

FAR = 1000  # milliseconds
UNSYNCHRONIZED = 5  # TIME_ERROR of adjtimex(2)
TIMEX = 512  # bytes, more than the structure has


async def clock(settings: Settings) -> list[Finding]:
    found = unsynchronized(kernel_state())
    if settings.store != SQLITE:
        with driver_needed():
            from store.mysql.examining import examine
        found += apart((await examine(address_of(settings), 0)).ahead_ms)
    return found


def kernel_state() -> int | None:
    """What Linux says of its clock; None where nobody can say."""
    if sys.platform != "linux":
        return None
    try:
        # All zero it asks, and changes nothing.
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX))
    except (OSError, AttributeError):
        return None
    return state if state >= 0 else None


def unsynchronized(state: int | None) -> list[Finding]:
    if state != UNSYNCHRONIZED:
        return []
    return [
        warning(
            "the machine's clock is not synchronized: times of messages and ends of sessions are "
            "as wrong as it is",
            "run an NTP client (systemd-timesyncd, chrony)",
        )
    ]


def apart(ahead_ms: int) -> list[Finding]:
    if abs(ahead_ms) <= FAR:
        return []
    which = "ahead of" if ahead_ms > 0 else "behind"
    return [
        warning(
            f"the database's clock is {abs(ahead_ms) / 1000:.1f} seconds {which} this machine's",
            "have both synchronized by NTP",
        )
    ]
