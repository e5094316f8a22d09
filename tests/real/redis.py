"""The Redis for tests, and one of a test alone."""

from __future__ import annotations

from contextlib import AbstractContextManager

from tests.needed import url_of
from tests.real.private import PrivateServer, private

VARIABLE = "SUNWIRE_TEST_REDIS_URL"


class Redis(PrivateServer):
    name = "redis"


def redis_url() -> str:
    """Of the server for tests. Skips where there is none."""
    return url_of("Redis", VARIABLE)


def private_redis() -> AbstractContextManager[Redis]:
    """One to be killed, stopped and started again; where there is one for tests."""
    redis_url()
    return private(Redis)
