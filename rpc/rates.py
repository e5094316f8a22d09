"""Token buckets, a bounded number of them (pure: the caller tells the time)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple


class Rate(NamedTuple):
    """`per_second` tokens flow in, up to `burst`."""

    per_second: float
    burst: float


class Bucket:
    """A token bucket, full at first."""

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, rate: Rate) -> None:
        self._per_second, self._burst = rate
        self._tokens = rate.burst
        self._at = -1e18

    def take(self, cost: float, now: float) -> float:
        """Takes `cost` tokens and returns 0.0, or takes none and returns the seconds until
        there will be enough. What costs more than there is room for takes a full bucket. `now`
        is in seconds of any steady clock."""
        tokens = self._tokens + (now - self._at) * self._per_second
        if tokens > self._burst:
            tokens = self._burst
        self._at = now
        if tokens >= cost:
            self._tokens = tokens - cost
            return 0.0
        self._tokens = tokens
        if cost > self._burst:
            return self.take(self._burst, now)
        return (cost - tokens) / self._per_second


class RateLimiter:
    """One bucket a key. Past `capacity` keys the oldest bucket is forgotten, which can only be
    in its key's favour."""

    def __init__(self, rate: Rate, capacity: int = 100_000) -> None:
        self._rate = rate
        self._capacity = capacity
        self._buckets: dict[Hashable, Bucket] = {}

    def take(self, key: Hashable, cost: float, now: float) -> float:
        """As `Bucket.take`, from the bucket of the key."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate)
            if len(self._buckets) > self._capacity:
                del self._buckets[next(iter(self._buckets))]
        return bucket.take(cost, now)
