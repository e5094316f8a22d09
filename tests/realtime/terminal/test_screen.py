"""Drawing."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.terminal.editor import LineEditor
from realtime.terminal.model import Lines, Model, Outgoing
from realtime.terminal.screen import Frame, clean, draw, repaint
from realtime.terminal.syntax import HELP
from rpc.proto import models_pb2
from tests.realtime.terminal.test_model import ADA, BOB, arrived, message, model_with_room


def shown(frame: Frame, columns: int, rows: int, before: Frame | None = None) -> pyte.Screen:
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    if before is not None:
        stream.feed(repaint(None, before))
    stream.feed(repaint(before, frame))
    return screen


def test_an_open_room() -> None:
    model, _ = model_with_room()
    model.current = 9
    model.apply(arrived(message(1, BOB, text="hello ada")), 0)
    model.apply(arrived(message(2, ADA, text="two\nlines 日本")), 0)
    model.outgoing[b"x"] = Outgoing(b"x", 9, "later", 0)
    model.outgoing[b"y"] = Outgoing(b"y", 9, "never", 0, problem="not allowed")
    editor = LineEditor()
    editor.press("typing")
    screen = shown(draw(model, editor, (80, 14), 0), 80, 14)
    text = "\n".join(screen.display)
    assert "@bob: hello ada" in text
    assert "later … sending" in text
    assert "never ✗ not sent: not allowed" in text
    assert screen.display[-1].startswith("> typing")
    assert (screen.cursor.x, screen.cursor.y) == (8, 13)


@pytest.mark.parametrize("size", [(20, 6), (40, 10), (64, 12), (200, 60)])
def test_any_size_holds(size: tuple[int, int]) -> None:
    columns, rows = size
    model, room = model_with_room()
    model.current = 9
    for number in range(1, 80):
        model.apply(arrived(message(number, BOB, text="long words " * number)), 0)
    editor = LineEditor()
    editor.press("日本語 text that is longer than the line " * 8)
    for page in (None, Lines("Commands", list(HELP))):
        model.page = page
        frame = draw(model, editor, size, 0)
        assert len(frame.lines) == rows
        screen = shown(frame, columns, rows)
        assert screen.cursor.x < columns
        assert screen.display[0].strip().startswith("sunwire")
    assert room.unread == 79


@given(text=st.text(max_size=200))
def test_no_text_leaves_its_line(text: str) -> None:
    """Whatever others write: the screen keeps its shape, and no control character comes out."""
    model, _ = model_with_room()
    model.current = 9
    model.apply(arrived(message(1, BOB, text=text)), 0)
    model.notice = text
    frame = draw(model, LineEditor(), (80, 14), 0)
    for line in frame.lines:
        parts = line.split("\x1b[")
        assert all(part[: part.index("m")].replace(";", "").isdigit() for part in parts[1:])
        assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in "".join(parts))


def test_clean_keeps_line_breaks_alone() -> None:
    assert clean("a\r\nb\x1b[2J\u202ec\x9bd") == "a\nb [2J c d"


def test_only_what_changed_is_painted() -> None:
    model, _ = model_with_room()
    model.current = 9
    before = draw(model, LineEditor(), (80, 14), 0)
    model.apply(arrived(message(1, BOB, text="new")), 0)
    after = draw(model, LineEditor(), (80, 14), 0)
    assert len(repaint(before, after)) < len(repaint(None, after)) / 2
    assert shown(after, 80, 14, before).display == shown(after, 80, 14).display


def test_groups_show_their_title_and_members() -> None:
    model = Model()
    model.me = ADA
    summary = models_pb2.RoomSummary(
        room=models_pb2.Room(
            id=4, kind=models_pb2.ROOM_GROUP, title="Summer\x1btrip", member_count=12
        )
    )
    model.take_rooms([summary])
    model.current = 4
    text = "\n".join(shown(draw(model, LineEditor(), (80, 14), 0), 80, 14).display)
    assert "Summer trip  12 members" in text
