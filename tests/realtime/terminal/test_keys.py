"""Key presses out of bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.terminal.keys import Key, KeyDecoder


def test_text_is_text_in_any_script() -> None:
    assert KeyDecoder().feed("héllo 日本 👩‍🚀".encode()) == ["héllo 日本 👩‍🚀"]


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"\r", Key.ENTER),
        (b"\x7f", Key.BACKSPACE),
        (b"\x1b[A", Key.UP),
        (b"\x1bOA", Key.UP),
        (b"\x1b[3~", Key.DELETE),
        (b"\x1b[5~", Key.PAGE_UP),
        (b"\x03", Key.INTERRUPT),
        (b"\x04", Key.END_OF_INPUT),
    ],
)
def test_keys(data: bytes, key: Key) -> None:
    assert KeyDecoder().feed(data) == [key]


def test_an_escape_alone_is_a_key_once_nothing_follows() -> None:
    decoder = KeyDecoder()
    assert (decoder.feed(b"\x1b"), decoder.waiting) == ([], True)
    assert (decoder.flush(), decoder.waiting) == ([Key.ESCAPE], False)
    assert decoder.feed(b"\x1bx") == [Key.ESCAPE, "x"]


def test_what_is_not_known_is_passed_over() -> None:
    assert KeyDecoder().feed(b"a\x1b[1;5Cb\x1b[99~c\x00\x1d") == ["abc"]
    noise = KeyDecoder().feed(b"\x1b[" + b"1" * 40 + b"x\r")  # no sequence is so long
    assert noise == ["1" * 10 + "x", Key.ENTER]


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    assert KeyDecoder().feed(b"\xffa") == ["\ufffda"]


def test_a_paste_is_one_line_of_text() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b[200~two\nlines\x1b[201~\r") == ["two lines", Key.ENTER]


@given(cuts=st.sets(st.integers(1, 60)))
def test_any_portions_mean_the_same(cuts: set[int]) -> None:
    data = "añb\x1b[A日\x1b[200~p\rq\x1b[5~r\x1b[201~\x7f\x1b[3~end\r".encode()
    whole = _text(KeyDecoder().feed(data))
    decoder = KeyDecoder()
    presses = []
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in pairwise(places):
        presses += decoder.feed(data[start:end])
    assert _text(presses) == whole


def _text(presses: list[Key | str]) -> list[Key | str]:
    """With neighbouring pieces of text joined."""
    joined: list[Key | str] = []
    for press in presses:
        if isinstance(press, str) and joined and isinstance(joined[-1], str):
            joined[-1] += press
        else:
            joined.append(press)
    return joined
