"""Structured logs, with secrets taken out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

SECRET_KEYS = re.compile(
    r"token|password|secret|ticket|signature|authorization|cookie|op_key|^code$", re.I
)
SECRET_TEXT = re.compile(r"((?:sig|signature|token|ticket|password)=)[^&\s\"']+", re.I)
URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^/\s]+@")
PUBLIC_EVENTS = frozenset({"sign-in code"})
"""The default code sender's whole point is to show a code; only its `code` key is spared."""


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces the values of keys that name a secret, and secrets within URLs."""
    shown = event.get("event") in PUBLIC_EVENTS
    for key, value in event.items():
        if SECRET_KEYS.search(key) and not (shown and key == "code"):
            event[key] = "[redacted]"
        elif isinstance(value, str):
            value = URL_PASSWORD.sub(r"\1[redacted]@", value)
            event[key] = SECRET_TEXT.sub(r"\1[redacted]", value)
    return event


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Sends everything, the libraries' logs included, to `stream` (default: stderr)."""
    out = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        # Plain, for a pretty traceback shows the local variables: tokens, codes, passwords.
        else structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # In one write: several processes may share the stream, and lines must not mix.
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    if level == "info":
        logging.getLogger("cassandra").setLevel(logging.WARNING)  # it tells of every connection
