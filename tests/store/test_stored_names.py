"""Names that databases hold: what was written stays readable."""

from __future__ import annotations

import re
from pathlib import Path

from store.log import Kind, StreamKind

KINDS = [
    "room.created",
    "room.changed",
    "member.joined",
    "member.changed",
    "member.left",
    "message.sent",
    "message.edited",
    "message.deleted",
    "message.hidden",
    "message.prepared",
    "receipt",
    "user.created",
    "profile.changed",
    "session.created",
    "session.revoked",
    "post.created",
    "post.edited",
    "post.deleted",
    "post.liked",
    "post.unliked",
    "post.prepared",
    "comment.added",
    "comment.edited",
    "comment.deleted",
    "user.followed",
    "user.unfollowed",
    "user.blocked",
    "user.unblocked",
    "notification.added",
    "notification.removed",
    "notifications.seen",
    "notifications.settings",
    "media.stored",
    "media.prepared",
]
"""A new kind is added here. One that is missing is in somebody's log all the same."""


def test_no_kind_is_renamed() -> None:
    assert sorted(kind.value for kind in Kind) == sorted(KINDS)
    assert [kind.value for kind in StreamKind] == ["r", "u"]


def test_the_page_names_every_kind() -> None:
    page = (Path(__file__).parents[2] / "docs" / "log.md").read_text()
    named = [name for line in page.splitlines() if line.startswith("| `") for name in _names(line)]
    assert sorted(set(named) & set(KINDS)) == sorted(KINDS)


def _names(line: str) -> list[str]:
    return re.findall(r"`([a-z.]+)`", line.split("|")[1])
