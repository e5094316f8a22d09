"""The terminal itself: raw input without threads, and the screen that is given back."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

READ = 4096  # bytes at once
WRITE = 512  # bytes at once: so little that a terminal that takes any takes them all

_ENTER = b"\x1b[?1049h\x1b[?2004h\x1b[2J"  # the other screen, marked pastes, empty
_LEAVE = b"\x1b[?2004l\x1b[?25h\x1b[?1049l"


class Terminal:
    """Standard input and output as a terminal in raw mode."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink

    def size(self) -> tuple[int, int]:
        """(columns, rows)."""
        size = os.get_terminal_size(self._sink)
        return max(20, size.columns), max(6, size.lines)

    async def read(self) -> bytes:
        """The next keys; empty when the terminal is gone."""
        await trio.lowlevel.wait_readable(self._source)
        try:
            return os.read(self._source, READ)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), WRITE):
            await trio.lowlevel.wait_writable(self._sink)
            os.write(self._sink, data[start : start + WRITE])


def require_terminal() -> None:
    """Raises `ValueError` when standard input or output is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ValueError("the chat needs a terminal: standard input and output must be one")


@contextmanager
def raw_terminal() -> Iterator[Terminal]:
    """Takes the terminal, and gives it back as it was whatever happens."""
    source, sink = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(source)
    tty.setraw(source)
    os.write(sink, _ENTER)
    try:
        yield Terminal(source, sink)
    finally:
        with suppress(OSError, termios.error):  # it may be gone
            os.write(sink, _LEAVE)
            termios.tcsetattr(source, termios.TCSADRAIN, before)
