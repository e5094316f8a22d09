"""Editing a line."""

from __future__ import annotations

from realtime.terminal.editor import HISTORY, LONGEST, LineEditor
from realtime.terminal.keys import Key, Press


def typed(*presses: Press) -> LineEditor:
    editor = LineEditor()
    for press in presses:
        editor.press(press)
    return editor


def test_text_goes_in_where_the_cursor_stands() -> None:
    editor = typed("held", Key.LEFT, "l", Key.HOME, "¡", Key.END, "!")
    assert editor.text == "¡helld!"
    assert editor.cursor == len(editor.text)


def test_taking_away() -> None:
    assert typed("abc", Key.BACKSPACE).text == "ab"
    assert typed("abc", Key.HOME, Key.DELETE).text == "bc"
    assert typed("abc", Key.HOME, Key.BACKSPACE).text == "abc"
    assert typed("one two  ", Key.DELETE_WORD).text == "one "
    assert typed("one two", Key.LEFT, Key.CLEAR_LINE).text == "o"
    assert typed("one two", Key.LEFT, Key.CLEAR_REST).text == "one tw"


def test_enter_gives_the_line_and_empties_it() -> None:
    editor = typed("hello")
    assert editor.press(Key.ENTER) == "hello"
    assert (editor.text, editor.cursor) == ("", 0)


def test_history_returns_to_the_draft() -> None:
    editor = typed("one", Key.ENTER, "two", Key.ENTER, "two", Key.ENTER, "draft")
    seen = []
    for key in (Key.UP, Key.UP, Key.UP, Key.DOWN, Key.DOWN, Key.DOWN):
        editor.press(key)
        seen.append(editor.text)
    assert seen == ["two", "one", "one", "two", "draft", "draft"]


def test_it_is_bounded() -> None:
    assert len(typed("x" * 5000, "y" * 5000).text) == LONGEST
    editor = LineEditor()
    for number in range(HISTORY + 50):
        editor.press(str(number))
        editor.press(Key.ENTER)
    for _ in range(HISTORY + 50):
        editor.press(Key.UP)
    assert editor.text == "50"
