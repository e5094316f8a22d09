"""What entered lines mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.terminal import syntax
from realtime.terminal.syntax import NAMES, Command, SyntaxProblem, parse


def test_text_and_commands() -> None:
    assert parse(" hello there ") == "hello there"
    assert parse("/open  @bob ") == Command("open", "@bob")
    assert parse("/HELP") == Command("help", "")
    assert parse("//usr is a folder") == "/usr is a folder"
    assert parse("") == ""
    with pytest.raises(SyntaxProblem, match="/help"):
        parse("/nonsense")


def test_every_command_of_the_help_is_known() -> None:
    assert {"open", "reply", "photo", "group", "post", "unlike", "unfollow", "quit"} <= NAMES
    assert all(name.isalpha() for name in NAMES)


def test_numbers_with_text() -> None:
    assert syntax.number_and_text("3 well said", needs_text=True) == (3, "well said")
    assert syntax.number_and_text("#3", needs_text=False) == (3, "")
    for wrong in ("", "three x", "3", "-1 x"):
        with pytest.raises(SyntaxProblem):
            syntax.number_and_text(wrong, needs_text=True)


def test_a_group_has_a_title_and_people() -> None:
    assert syntax.group("Summer trip @ann @bob") == ("Summer trip", ["ann", "bob"])
    for wrong in ("Summer", "@ann", ""):
        with pytest.raises(SyntaxProblem):
            syntax.group(wrong)


def test_photographs_are_files(tmp_path: Path) -> None:
    plain, spaced = tmp_path / "a.jpg", tmp_path / "b c.jpg"
    for path in (plain, spaced):
        path.write_bytes(b"x")
    assert syntax.photo(f"{plain} look here") == (plain, "look here")
    assert syntax.photo(f"'{spaced}'") == (spaced, "")
    with pytest.raises(SyntaxProblem, match="no file"):
        syntax.photo(str(tmp_path / "none.jpg"))
    assert syntax.post(f"It's me {plain}".replace("'", "")) == ("Its me", [plain])
    assert syntax.post(f"two {plain} '{spaced}'") == ("two", [plain, spaced])
    assert syntax.post("it isn't a file.jpg") == ("it isn't a file.jpg", [])
    with pytest.raises(SyntaxProblem):
        syntax.post("")
