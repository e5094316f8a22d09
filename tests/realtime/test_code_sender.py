"""The default way of sign-in codes."""

from __future__ import annotations

import structlog.testing

from realtime.code_sender import LoggingCodeSender


async def test_a_code_is_one_line_of_the_log() -> None:
    with structlog.testing.capture_logs() as logs:
        await LoggingCodeSender().send_code("ann@example.org", "012345")
    assert logs == [
        {
            "event": "sign-in code",
            "log_level": "info",
            "address": "ann@example.org",
            "code": "012345",
        }
    ]
