"""Who may do what: the only place where permission is decided (pure).

Each rule returns None when the action is allowed, or the error to raise. A caller who may not
even know of a row gets `NotFound`, so that an answer never tells whether it exists.
"""

from __future__ import annotations

import re

from store.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from store.records import Purpose, Role, RoomKind

RESERVED_USERNAMES = frozenset(
    """
    about admin administrator api app help home login me moderator null official post root
    search security settings signin signup staff support sunwire system user
    """.split()  # noqa: SIM905 - a list of thirty quoted words is harder to read
)
USERNAME = re.compile(r"[a-z0-9](?:[a-z0-9]|[._](?![._])){1,28}[a-z0-9]", re.ASCII)
MAX_GROUP_MEMBERS = 1000
EDIT_WINDOW_MS = 48 * 3600 * 1000


def username_problem(username: str) -> str:
    """ "" when the username may be taken by somebody, else "malformed" or "reserved"."""
    key = username.casefold()
    # Some letters outside ASCII fold into it: they would pass for what they are not.
    if not username.isascii() or not USERNAME.fullmatch(key):
        return "malformed"
    return "reserved" if key in RESERVED_USERNAMES else ""


# Rooms. `role` is the caller's in the room: NONE for a stranger, or one who has left.


def read_room(role: Role) -> DomainError | None:
    return None if role > Role.NONE else NotFound("no such room")


def send(role: Role, *, closed: bool) -> DomainError | None:
    """`closed`: a direct room of two of whom one has blocked the other."""
    if refusal := read_room(role):
        return refusal
    return Forbidden("one of you has blocked the other") if closed else None


def add_members(kind: RoomKind, role: Role) -> DomainError | None:
    if refusal := read_room(role):
        return refusal
    if kind is RoomKind.DIRECT:
        return Invalid("a direct room has two members for ever")
    return None


def remove_member(kind: RoomKind, role: Role, target: Role, *, self_: bool) -> DomainError | None:
    if refusal := read_room(role):
        return refusal
    if kind is RoomKind.DIRECT:
        return Invalid("a direct room has two members for ever")
    if self_:
        return None
    if target is Role.NONE:
        return NotFound("no such member")
    if role < Role.ADMIN or target >= role:
        return Forbidden("only an admin may remove a member, and only the owner an admin")
    return None


def change_room(kind: RoomKind, role: Role) -> DomainError | None:
    if refusal := read_room(role):
        return refusal
    if kind is RoomKind.DIRECT:
        return Invalid("a direct room has no title or picture of its own")
    return None if role >= Role.ADMIN else Forbidden("only an admin may change the room")


# Messages. `visible`: sent within one of the caller's stays in the room.


def read_message(role: Role, visible: bool) -> DomainError | None:
    return None if role > Role.NONE and visible else NotFound("no such message")


def edit_message(
    role: Role, visible: bool, *, mine: bool, deleted: bool, age_ms: int, closed: bool
) -> DomainError | None:
    if refusal := read_message(role, visible):
        return refusal
    if not mine:
        return Forbidden("only its sender may edit a message")
    if refusal := send(role, closed=closed):
        return refusal
    if deleted:
        return Conflict("the message was deleted")
    return None if age_ms <= EDIT_WINDOW_MS else Conflict("the message is too old to be edited")


def delete_message(
    kind: RoomKind, role: Role, visible: bool, *, mine: bool, sender: Role
) -> DomainError | None:
    """For everyone: its sender at any time, and in a group whoever outranks him."""
    if refusal := read_message(role, visible):
        return refusal
    if mine or (kind is RoomKind.GROUP and role >= Role.ADMIN and role > sender):
        return None
    return Forbidden("only its sender or an admin may delete a message for everyone")


# People. `blocks`: the caller has blocked the user; `blocked`: the user has blocked the caller,
# for whom he is not there any more.


def see_user(*, blocked: bool) -> DomainError | None:
    """His name and his profile. Who blocks somebody still finds him, or could not take it back."""
    return NotFound("no such user") if blocked else None


def meet_user(*, blocks: bool, blocked: bool) -> DomainError | None:
    """His posts and lists; following him, writing to him, adding him to a group."""
    if refusal := see_user(blocked=blocked):
        return refusal
    return Forbidden("you have blocked this user") if blocks else None


def follow(*, self_: bool, blocks: bool, blocked: bool) -> DomainError | None:
    return Invalid("nobody follows himself") if self_ else meet_user(blocks=blocks, blocked=blocked)


def block(*, self_: bool) -> DomainError | None:
    """Anybody, those who have blocked the caller too: he meets them in groups."""
    return Invalid("nobody blocks himself") if self_ else None


# Posts and comments. `hidden`: of its author and the caller one has blocked the other; of a
# comment the author of the post counts too.


def read_post(*, deleted: bool, hidden: bool) -> DomainError | None:
    return NotFound("no such post") if deleted or hidden else None


def change_post(*, mine: bool, deleted: bool, hidden: bool) -> DomainError | None:
    if refusal := read_post(deleted=deleted, hidden=hidden):
        return refusal
    return None if mine else Forbidden("only its author may change a post")


def post_content(text: str, *, media: bool) -> DomainError | None:
    if text.strip() or media:
        return None
    return Invalid("a post needs text or media", field="text")


def comment_content(text: str) -> DomainError | None:
    return None if text.strip() else Invalid("a comment needs text", field="text")


def reply_to_comment(*, same_post: bool, deleted: bool, hidden: bool) -> DomainError | None:
    if same_post and not deleted and not hidden:
        return None
    return NotFound("no such comment to reply to")


def edit_comment(
    *, mine: bool, deleted: bool, post_deleted: bool, hidden: bool
) -> DomainError | None:
    if deleted or post_deleted or hidden:
        return NotFound("no such comment")
    return None if mine else Forbidden("only its writer may edit a comment")


def delete_comment(
    *, mine: bool, my_post: bool, deleted: bool, post_deleted: bool, hidden: bool
) -> DomainError | None:
    """What one has said oneself may be taken back, whoever has blocked whom; so may what is
    below one's own post."""
    if deleted or post_deleted:
        return NotFound("no such comment")
    if mine or my_post:
        return None
    if hidden:
        return NotFound("no such comment")
    return Forbidden("only its writer or the author of the post may delete a comment")


# Media.


def attach_media(
    *, mine: bool, stored: bool, purpose: Purpose, wanted: Purpose
) -> DomainError | None:
    """Whether a media object may be put into a post, a message or a profile."""
    if not mine:
        return NotFound("no such media")
    if not stored:
        return Conflict("the media has not been uploaded yet")
    return None if purpose is wanted else Invalid("the media was uploaded for another purpose")


def view_media(*, mine: bool, public: bool, in_my_room: bool) -> DomainError | None:
    """Whether its bytes may be shown to a viewer. `in_my_room`: attached to a message that
    the viewer may read."""
    return None if mine or public or in_my_room else NotFound("no such media")
