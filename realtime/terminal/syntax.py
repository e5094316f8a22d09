"""What the lines that are entered mean (pure)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


class SyntaxProblem(Exception):
    """The line cannot be understood; the message is for the user."""


@dataclass(frozen=True)
class Command:
    name: str  # without the slash
    rest: str  # the text behind it


HELP = (
    ("/open N  or  /open @username", "open a room of the list, or start a direct one"),
    ("/rooms", "the list of rooms"),
    ("/more", "older messages; Page Up and Page Down scroll"),
    ("/reply N text", "answer message #N"),
    ("/edit N text", "change your message #N"),
    ("/delete N", "delete message #N: your own for everyone, another's for you"),
    ("/photo PATH [text]", "send a photograph"),
    ("/group title @a @b", "start a group"),
    ("/members", "who is in the room"),
    ("/leave", "leave the group"),
    ("/post text [PATH…]", "publish a post with photographs"),
    ("/home", "posts of those you follow, and your own"),
    ("/like N, /unlike N", "the N-th post of /home"),
    ("/comment N text", "comment on it"),
    ("/comments N", "read its comments"),
    ("/notifications", "what happened"),
    ("/follow @username, /unfollow @username", "see their posts, or no more"),
    ("/help", "this list"),
    ("/quit", "leave (as Ctrl-D does)"),
)
NAMES = frozenset(
    word.strip(",").removeprefix("/")
    for usage, _ in HELP
    for word in usage.split()
    if word.startswith("/")
)


def parse(line: str) -> Command | str:
    """A command, or the text of a message. A message that begins with a slash is written with
    two."""
    line = line.strip()
    if not line.startswith("/") or line.startswith("//"):
        return line.removeprefix("/") if line.startswith("//") else line
    name, _, rest = line[1:].partition(" ")
    name = name.lower()
    if name not in NAMES:
        raise SyntaxProblem(f"no command /{name}: see /help")
    return Command(name, rest.strip())


def number_and_text(rest: str, *, needs_text: bool) -> tuple[int, str]:
    """`N text`, where N may be written #N."""
    first, _, text = rest.partition(" ")
    number = first.removeprefix("#")
    text = text.strip()
    if not number.isascii() or not number.isdigit():
        raise SyntaxProblem("which one? give its number")
    if needs_text and not text:
        raise SyntaxProblem("and the text?")
    return int(number), text


def username(rest: str) -> str:
    """`@name`, or `name`."""
    name = rest.strip().removeprefix("@")
    if not name or " " in name:
        raise SyntaxProblem("whom? give one @username")
    return name


def group(rest: str) -> tuple[str, list[str]]:
    """`title @a @b`."""
    words = rest.split()
    title = " ".join(word for word in words if not word.startswith("@"))
    names = [word.removeprefix("@") for word in words if len(word) > 1 and word.startswith("@")]
    if not title or not names:
        raise SyntaxProblem("a group needs a title and at least one @username")
    return title, names


def photo(rest: str) -> tuple[Path, str]:
    """`PATH [text]`; a path with spaces is quoted."""
    words = _words(rest)
    if not words:
        raise SyntaxProblem("which file?")
    path = Path(words[0]).expanduser()
    if not path.is_file():
        raise SyntaxProblem(f"no file {path}")
    return path, " ".join(words[1:])


def post(rest: str) -> tuple[str, list[Path]]:
    """`text [PATH…]`: the files are the last words that name one."""
    words = _words(rest)
    paths: list[Path] = []
    while words and ("/" in words[-1] or "." in words[-1]):
        path = Path(words[-1]).expanduser()
        if not path.is_file():
            break
        paths.insert(0, path)
        words.pop()
    text = " ".join(words) if paths else rest
    if not text and not paths:
        raise SyntaxProblem("a post needs a text or a photograph")
    return text, paths


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
