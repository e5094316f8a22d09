"""The default way of sign-in codes: into the server's own log."""

from __future__ import annotations

import structlog

log = structlog.get_logger("accounts")


class LoggingCodeSender:
    """Writes each code as one structured line, for a server that is tried out and for the
    demo. Whoever reads that log can sign in as anybody: a real deployment sends codes by
    e-mail or SMS."""

    async def send_code(self, address: str, code: str) -> None:
        log.info("sign-in code", address=address, code=code)
