"""Every test runs under the plugin that the harness has for its users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio
from hypothesis import settings

from realtime.testing.plugin import autojump_clock, pytest_pyfunc_call
from tests.closing import close_all

# The same examples at every run: a test that fails fails for everybody, and time decides nothing.
settings.register_profile("exact", deadline=None, derandomize=True)
settings.load_profile("exact")

__all__ = ["autojump_clock", "pytest_pyfunc_call"]


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    """Closes what the test has left to `tests.closing`."""
    yield
    trio.run(close_all)
