"""Token buckets, a bounded number of them (pure: the caller tells the time)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple


class Rate(NamedTuple):
    """`per_second` tokens flow in, up to `burst`."""

    per_second: float
    burst: float


class RateLimiter:
    """One bucket a key. Past `capacity` keys the least recently used bucket is forgotten,
    which can only be in its key's favour."""

    def __init__(self, rate: Rate, capacity: int = 100_000) -> None:
        self._rate = rate
        self._capacity = capacity
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable, cost: float, now: float) -> float:
        """Takes `cost` tokens and returns 0.0, or takes none and returns the seconds until
        there will be enough. `now` is in seconds of any steady clock."""
        tokens, at = self._buckets.get(key, (self._rate.burst, now))
        tokens = min(self._rate.burst, tokens + (now - at) * self._rate.per_second)
        wait = 0.0
        if tokens >= cost:
            tokens -= cost
        else:
            wait = (cost - tokens) / self._rate.per_second
        self._buckets[key] = (tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return wait


class Bucket:
    """One token bucket that its owner keeps, full at first."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = -1e18

    def take(self, cost: float, now: float) -> float:
        """As `RateLimiter.take`."""
        per_second, burst = self._rate
        tokens = self._tokens + (now - self._at) * per_second
        if tokens > burst:
            tokens = burst
        self._at = now
        if tokens >= cost:
            self._tokens = tokens - cost
            return 0.0
        self._tokens = tokens
        return (cost - tokens) / per_second
