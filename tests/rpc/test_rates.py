"""Token buckets: what they hold, how long they make one wait, and how many are kept."""

from __future__ import annotations

import pytest

from rpc.rates import Bucket, Rate, RateLimiter


def test_a_bucket_is_full_at_first_and_fills_up_to_its_burst() -> None:
    bucket = Bucket(Rate(per_second=2, burst=10))
    assert bucket.take(10, 100) == 0
    assert bucket.take(1, 100) == 0.5
    assert bucket.take(1, 100.25) == 0.25  # to be refused costs nothing
    assert bucket.take(1, 100.5) == 0
    assert bucket.take(10, 1000) == 0
    assert bucket.take(1, 1000) == 0.5


def test_what_costs_more_than_a_bucket_holds_takes_a_full_one() -> None:
    """Else a wait would be named that never ends."""
    bucket = Bucket(Rate(per_second=2, burst=4))
    assert bucket.take(5, 100) == 0
    assert bucket.take(5, 101) == 1
    assert bucket.take(5, 102) == 0
    assert bucket.take(1, 102) == 0.5


def test_each_key_has_a_bucket_and_past_the_capacity_the_oldest_is_forgotten() -> None:
    limiter = RateLimiter(Rate(per_second=1, burst=1), capacity=2)
    for key in ("ann", "bob"):
        assert limiter.take(key, 1, 100) == 0
        assert limiter.take(key, 1, 100) == 1
    assert limiter.take("eve", 1, 100) == 0
    assert limiter.take("bob", 1, 100) == 1
    assert limiter.take("ann", 1, 100) == pytest.approx(0)
