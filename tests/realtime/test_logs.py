"""What the logs say of a crash, and what they do not."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from realtime.logs import configure


def crash(token: str) -> None:
    password = token[::-1]
    raise RuntimeError(f"password={password} after {len(token)}")


@pytest.mark.usefixtures("logs_as_before")
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_secret(form: str) -> None:
    stream, token = io.StringIO(), "a-long-and-secret-token"
    configure("info", form, stream)
    log = structlog.get_logger()
    try:
        crash(token)
    except RuntimeError as error:
        log.error("handler crashed", exc_info=error, ticket=token)
    shown = stream.getvalue()
    assert "handler crashed" in shown
    assert "RuntimeError" in shown
    assert "in crash" in shown
    assert token not in shown
    assert token[::-1] not in shown
    if form == "json":
        assert json.loads(shown)["ticket"] == "[redacted]"


class Writes(io.StringIO):
    """Keeps what it is given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


@pytest.mark.usefixtures("logs_as_before")
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_is_one_write(form: str) -> None:
    """What several processes write to one pipe is mixed between writes."""
    stream = Writes()
    configure("info", form, stream)
    structlog.get_logger().info("one", number=1)
    logging.getLogger("library").warning("two")
    assert len(stream.pieces) == 2
    assert all(piece.endswith("\n") for piece in stream.pieces)


@pytest.mark.usefixtures("logs_as_before")
def test_a_url_shows_no_password() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    for url in (
        "mysql://ann:s%40cr:et@db:3306/x",
        "went to mysql://ann:s@cr:et@[::1]/x and failed",
    ):
        structlog.get_logger().info("to", url=url, port="ws://127.0.0.1:7400/@ann")
        shown = json.loads(stream.getvalue().splitlines()[-1])
        assert "cr:et" not in shown["url"]
        assert "mysql://ann:[redacted]@" in shown["url"]
        assert shown["port"] == "ws://127.0.0.1:7400/@ann"
