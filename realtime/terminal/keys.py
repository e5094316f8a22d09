"""From a terminal's bytes to key presses (pure)."""

from __future__ import annotations

import codecs
from enum import Enum, auto


class Key(Enum):
    ENTER = auto()
    BACKSPACE = auto()
    DELETE = auto()
    LEFT = auto()
    RIGHT = auto()
    UP = auto()
    DOWN = auto()
    HOME = auto()
    END = auto()
    PAGE_UP = auto()
    PAGE_DOWN = auto()
    CLEAR_LINE = auto()
    CLEAR_REST = auto()
    DELETE_WORD = auto()
    REDRAW = auto()
    INTERRUPT = auto()
    END_OF_INPUT = auto()
    ESCAPE = auto()


Press = Key | str
"""A key, or text that was typed or pasted."""

_CONTROL = {
    "\r": Key.ENTER,
    "\n": Key.ENTER,
    "\x7f": Key.BACKSPACE,
    "\x08": Key.BACKSPACE,
    "\x01": Key.HOME,
    "\x03": Key.INTERRUPT,
    "\x04": Key.END_OF_INPUT,
    "\x05": Key.END,
    "\x0b": Key.CLEAR_REST,
    "\x0c": Key.REDRAW,
    "\x15": Key.CLEAR_LINE,
    "\x17": Key.DELETE_WORD,
}
_SEQUENCES = {
    "[A": Key.UP,
    "[B": Key.DOWN,
    "[C": Key.RIGHT,
    "[D": Key.LEFT,
    "[H": Key.HOME,
    "[F": Key.END,
    "OA": Key.UP,
    "OB": Key.DOWN,
    "OC": Key.RIGHT,
    "OD": Key.LEFT,
    "OH": Key.HOME,
    "OF": Key.END,
    "[1~": Key.HOME,
    "[7~": Key.HOME,
    "[4~": Key.END,
    "[8~": Key.END,
    "[3~": Key.DELETE,
    "[5~": Key.PAGE_UP,
    "[6~": Key.PAGE_DOWN,
}
_PASTE, _PASTE_END = "[200~", "\x1b[201~"
_LONGEST = 32  # characters of a sequence; a longer one is noise
JOINER = "\u200d"  # holds emoji together


class KeyDecoder:
    """Takes bytes in any portions; what is incomplete waits for the rest."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._pasting = False

    @property
    def waiting(self) -> bool:
        """An escape has come, and perhaps the beginning of what it introduces."""
        return bool(self._rest) and not self._pasting

    def flush(self) -> list[Press]:
        """Nothing more has come: what waits was the escape key."""
        rest, self._rest = self._rest, ""
        return [Key.ESCAPE] if rest else []

    def feed(self, data: bytes) -> list[Press]:
        self._rest += self._utf8.decode(data)
        presses: list[Press] = []
        while self._rest:
            before = len(self._rest)
            press = self._pasted() if self._pasting else self._next()
            if press is not None:
                if isinstance(press, str) and presses and isinstance(presses[-1], str):
                    presses[-1] += press
                else:
                    presses.append(press)
            if len(self._rest) == before:
                break
        return presses

    def _next(self) -> Press | None:
        first = self._rest[0]
        if first == "\x1b":
            return self._sequence()
        self._rest = self._rest[1:]
        if first in _CONTROL:
            return _CONTROL[first]
        return first if first.isprintable() or first == JOINER else None

    def _sequence(self) -> Press | None:
        if len(self._rest) == 1:
            return None  # the rest of it may be on its way
        if self._rest[1] not in "[O":
            self._rest = self._rest[1:]
            return Key.ESCAPE
        for end in range(2, min(len(self._rest), _LONGEST)):
            if "@" <= self._rest[end] <= "~":
                sequence = self._rest[1 : end + 1]
                self._rest = self._rest[end + 1 :]
                if sequence == _PASTE:
                    self._pasting = True
                    return None
                return _SEQUENCES.get(sequence)
        if len(self._rest) >= _LONGEST:
            self._rest = self._rest[_LONGEST:]
        return None

    def _pasted(self) -> Press | None:
        text, end, rest = self._rest.partition(_PASTE_END)
        if end:
            self._pasting = False
            self._rest = rest
        else:
            # The end mark may be cut in two.
            keep = len(_PASTE_END) - 1
            text, self._rest = self._rest[:-keep], self._rest[-keep:]
        text = "".join(one if one.isprintable() else " " for one in text)
        return text or None
