"""Every test runs under the plugin that the harness has for its users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from realtime.testing.plugin import autojump_clock, pytest_pyfunc_call
from tests.closing import close_all

__all__ = ["autojump_clock", "pytest_pyfunc_call"]


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    """Closes what the test has left to `tests.closing`."""
    yield
    trio.run(close_all)
