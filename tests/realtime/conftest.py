"""Fixtures of the tests of the whole server."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.realtime.transports import transport

__all__ = ["transport"]


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    """For what configures the logs of the process."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)
