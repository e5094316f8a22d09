"""What a check may find."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    ERROR = "error"  # a server will not start, or will lose or refuse something
    WARNING = "warning"  # it will run, and not as well or as safely as it could


class Finding(NamedTuple):
    """`what` is wrong and what `todo` about it, in a sentence each. `check` is the one that found
    it."""

    level: Level
    what: str
    todo: str
    check: str = ""


def error(what: str, todo: str) -> Finding:
    return Finding(Level.ERROR, what, todo)


def warning(what: str, todo: str) -> Finding:
    return Finding(Level.WARNING, what, todo)


def of_refusal(refusal: Exception, todo: str) -> Finding:
    """Out of the sentence that a server would be refused with: most say behind a colon what to do,
    and for the others there is `todo`."""
    what, _, advice = str(refusal).rpartition(": ")
    if what and advice.split(" ")[0] in _ADVICE:
        return error(what, advice)
    return error(str(refusal), todo)


_ADVICE = frozenset(
    [
        *("add", "change", "give", "grant", "install", "leave", "let", "look", "make"),
        *("raise", "run", "set", "start", "stop", "use"),
    ]
)
