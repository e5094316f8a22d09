"""The line that is being typed (pure)."""

from __future__ import annotations

from realtime.terminal.keys import Key, Press

HISTORY = 200  # lines
LONGEST = 4096  # characters, of a message


class LineEditor:
    """Text with a cursor, and the lines that were entered before."""

    def __init__(self) -> None:
        self.text = ""
        self.cursor = 0
        self._history: list[str] = []
        self._at = 0
        self._draft = ""

    def press(self, press: Press) -> str | None:
        """The line, when the key has entered it."""
        if isinstance(press, str):
            press = press[: LONGEST - len(self.text)]
            self._replace(self.cursor, self.cursor, press)
        elif press is Key.ENTER:
            return self._enter()
        elif press is Key.BACKSPACE:
            self._replace(max(0, self.cursor - 1), self.cursor)
        elif press is Key.DELETE:
            self._replace(self.cursor, self.cursor + 1)
        elif press is Key.DELETE_WORD:
            before = self.text[: self.cursor].rstrip()
            self._replace(before.rfind(" ") + 1, self.cursor)
        elif press is Key.CLEAR_LINE:
            self._replace(0, self.cursor)
        elif press is Key.CLEAR_REST:
            self._replace(self.cursor, len(self.text))
        elif press is Key.LEFT:
            self.cursor = max(0, self.cursor - 1)
        elif press is Key.RIGHT:
            self.cursor = min(len(self.text), self.cursor + 1)
        elif press is Key.HOME:
            self.cursor = 0
        elif press is Key.END:
            self.cursor = len(self.text)
        elif press is Key.UP:
            self._recall(self._at - 1)
        elif press is Key.DOWN:
            self._recall(self._at + 1)
        return None

    def _replace(self, start: int, end: int, text: str = "") -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self.cursor = start + len(text)

    def _enter(self) -> str:
        line, self.text, self.cursor = self.text, "", 0
        if line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-HISTORY:]
        self._at = len(self._history)
        return line

    def _recall(self, at: int) -> None:
        if not 0 <= at <= len(self._history):
            return
        if self._at == len(self._history):
            self._draft = self.text
        self._at = at
        self.text = self._history[at] if at < len(self._history) else self._draft
        self.cursor = len(self.text)
