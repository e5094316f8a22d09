"""The fixture that holds a module's tests on both transports: see `both_transports`."""

from __future__ import annotations

import sys

import pytest

from realtime.testing import server

TRANSPORTS = [
    "portable",
    pytest.param(
        "fast", marks=pytest.mark.skipif(sys.platform != "linux", reason="it needs epoll")
    ),
]


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that uses it (`pytestmark = both_transports`) runs each test on trio-websocket
    over streams in memory and on the fast transport over pairs of sockets."""
    monkeypatch.setattr(server, "DEFAULT_SOCKETS", request.param == "fast")
    name: str = request.param
    return name


both_transports = pytest.mark.usefixtures("transport")
