"""How long to wait before the next try (pure)."""

from __future__ import annotations

from random import Random


class Backoff:
    """Exponential with full jitter: the n-th delay is uniform in [0, min(most, first * 2**n)]
    seconds, so that clients thrown off together do not come back together."""

    def __init__(self, first: float, most: float, random: Random) -> None:
        self._first = first
        self._most = most
        self._random = random
        self._tries = 0

    def next(self) -> float:
        ceiling = min(self._most, self._first * 2.0 ** min(self._tries, 62))
        self._tries += 1
        return self._random.uniform(0, ceiling)

    def reset(self) -> None:
        self._tries = 0
