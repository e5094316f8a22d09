"""Fixtures of the tests of the whole server."""

from tests.realtime.transports import transport

__all__ = ["transport"]
