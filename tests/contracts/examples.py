"""One example of every change, and what must be there for it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import store.changes
from store.changes.accounts import SignUp, UpdateProfile
from store.changes.base import Change
from store.changes.blocks import SetBlock
from store.changes.comments import AddComment, DeleteComment, EditComment
from store.changes.follows import SetFollow
from store.changes.likes import SetLike
from store.changes.media import DropTicket, ReserveMedia, StoreMedia
from store.changes.messages import (
    DeleteMessage,
    EditMessage,
    HideMessage,
    MovePointer,
    SendMessage,
)
from store.changes.motion import SettlePreparation
from store.changes.notifications import MarkSeen, MuteKind
from store.changes.posts import CreatePost, DeletePost, EditPost
from store.changes.rooms import AddMembers, CreateGroup, OpenDirect, RemoveMember, UpdateRoom
from store.changes.sessions import (
    Grant,
    NewSession,
    RevokeSessions,
    RotateToken,
    SetPassword,
    SignInWithCode,
    SignInWithPassword,
)
from store.queries import codes
from store.records import FileKind, MediaFile, NotificationKind, Purpose
from tests.store.social import ANN, BEN, CAT, DAN, Social

C = TypeVar("C", bound=Change[Any])

CODE = b"c" * 32
EMAIL = "eve@example.org"
TEXT = "sea \U0001f41f\0"


@dataclass(frozen=True)
class Scene:
    """What `set_up` has made. The one who acts in the examples is Ann, or the user `eve`, who
    has a session, a password and a code."""

    eve: Grant
    other: int  # another session of hers
    group: int  # Ann's, with Ben
    message: int  # Ann's in it; the second, Ben's, is `answer`
    answer: int
    post: int  # Ann's
    comment: int  # Ann's on it
    media: tuple[str, str, str, str]  # Ann's: post, avatar, chat, and one that awaits its bytes
    film: bytes  # the digest of Ann's, of which streams are to be made
    notification: int  # of Ben's like: where it stands in the list


def new_session(number: int = 1) -> NewSession:
    return NewSession(nonce=b"n" * 16, key=bytes([number]) * 32, device="Pixel 9", client="tests/1")


async def set_up(world: Social) -> Scene:
    eve = await world.do(
        SignUp(address=EMAIL, username="eve", name="Eve", password="old", session=new_session(1))
    )
    sign_in = SignInWithPassword(user_id=eve.user_id, verified="old", session=new_session(2))
    other = await world.do(sign_in)
    await world.store.write(codes.issue, EMAIL, CODE, world.now_ms)
    group = await world.do(CreateGroup(user_id=ANN, title="boats", user_ids=(BEN,)))
    sent = [
        await world.do(SendMessage(sender_id=user, room_id=group, client_id=b"0" * 16, text="ahoy"))
        for user in (ANN, BEN)
    ]
    post = await world.post(ANN)
    comment = await world.comment(ANN, post.id)
    await world.like(BEN, post.id)
    await world.project()
    return Scene(
        eve=eve,
        other=other.session_id,
        group=group,
        message=sent[0].id,
        answer=sent[1].id,
        post=post.id,
        comment=comment.id,
        media=(
            await world.photograph(ANN, Purpose.POST),
            await world.photograph(ANN, Purpose.AVATAR),
            await world.photograph(ANN, Purpose.CHAT),
            await world.photograph(ANN, Purpose.CHAT, stored=False),
        ),
        film=(await world.media(await world.film(ANN))).blob_hash,
        notification=(await world.told(ANN))[0].latest,
    )


EXAMPLES: dict[type[Change[Any]], Callable[[Scene], Change[Any]]] = {
    SignUp: lambda scene: SignUp(
        address="fay@example.org", username="Fay.1", name="Fay \U0001f9a2", session=new_session(3)
    ),
    UpdateProfile: lambda scene: UpdateProfile(
        user_id=ANN, name="Anna", username="anna", about=TEXT, avatar_id=scene.media[1]
    ),
    SignInWithCode: lambda scene: SignInWithCode(
        address=EMAIL, code_hash=CODE, session=new_session(4)
    ),
    SignInWithPassword: lambda scene: SignInWithPassword(
        user_id=scene.eve.user_id, verified="old", renewed="renewed", session=new_session(5)
    ),
    RotateToken: lambda scene: RotateToken(
        user_id=scene.eve.user_id, session_id=scene.eve.session_id, nonce=b"m" * 16, key=b"6" * 32
    ),
    RevokeSessions: lambda scene: RevokeSessions(
        user_id=scene.eve.user_id, session_id=scene.eve.session_id, target_id=scene.other
    ),
    SetPassword: lambda scene: SetPassword(
        user_id=scene.eve.user_id,
        session_id=scene.eve.session_id,
        verified="old",
        password="new",
        revoke_others=True,
    ),
    OpenDirect: lambda scene: OpenDirect(user_id=ANN, peer_id=CAT),
    CreateGroup: lambda scene: CreateGroup(
        user_id=ANN, title=TEXT, user_ids=(BEN, CAT), avatar_id=scene.media[1]
    ),
    AddMembers: lambda scene: AddMembers(user_id=ANN, room_id=scene.group, user_ids=(CAT, DAN)),
    RemoveMember: lambda scene: RemoveMember(user_id=ANN, room_id=scene.group, target_id=ANN),
    UpdateRoom: lambda scene: UpdateRoom(
        user_id=ANN, room_id=scene.group, title="ships", about=TEXT, avatar_id=scene.media[1]
    ),
    SendMessage: lambda scene: SendMessage(
        sender_id=ANN,
        room_id=scene.group,
        client_id=b"\0" * 16,
        text=TEXT,
        media_ids=(scene.media[2],),
        reply_to=scene.answer,
    ),
    EditMessage: lambda scene: EditMessage(user_id=ANN, message_id=scene.message, text=TEXT),
    DeleteMessage: lambda scene: DeleteMessage(user_id=ANN, message_id=scene.answer),
    HideMessage: lambda scene: HideMessage(user_id=ANN, message_id=scene.answer),
    MovePointer: lambda scene: MovePointer(user_id=ANN, room_id=scene.group, number=2, seen=True),
    CreatePost: lambda scene: CreatePost(author_id=ANN, text=TEXT, media_ids=(scene.media[0],)),
    EditPost: lambda scene: EditPost(user_id=ANN, post_id=scene.post, text=TEXT),
    DeletePost: lambda scene: DeletePost(user_id=ANN, post_id=scene.post),
    SetLike: lambda scene: SetLike(user_id=ANN, post_id=scene.post, liked=True),
    AddComment: lambda scene: AddComment(
        user_id=ANN, post_id=scene.post, text=TEXT, reply_to=scene.comment
    ),
    EditComment: lambda scene: EditComment(user_id=ANN, comment_id=scene.comment, text=TEXT),
    DeleteComment: lambda scene: DeleteComment(user_id=ANN, comment_id=scene.comment),
    SetFollow: lambda scene: SetFollow(follower_id=ANN, followee_id=BEN, following=True),
    SetBlock: lambda scene: SetBlock(blocker_id=ANN, blocked_id=BEN, blocked=True),
    MuteKind: lambda scene: MuteKind(user_id=ANN, kind=NotificationKind.LIKE, muted=True),
    MarkSeen: lambda scene: MarkSeen(user_id=ANN, up_to=scene.notification),
    ReserveMedia: lambda scene: ReserveMedia(
        owner_id=ANN, media_id="f" * 32, purpose=Purpose.AVATAR, size=5, sha256=b"s" * 32, name=TEXT
    ),
    StoreMedia: lambda scene: StoreMedia(
        media_id=scene.media[3],
        blob_hash=b"b" * 32,
        size=9,
        mime="image/png",
        width=4,
        height=3,
        color="#000000",
        thumbhash=b"looks like",
    ),
    SettlePreparation: lambda scene: SettlePreparation(
        source=scene.film,
        files=(MediaFile(digest=b"i" * 32, kind=FileKind.INDEX, size=3),),
    ),
    DropTicket: lambda scene: DropTicket(media_id=scene.media[3]),
}


def kinds_of_change() -> set[type[Change[Any]]]:
    """Every change in `store.changes` that clients bring about."""
    for module in pkgutil.iter_modules(store.changes.__path__, "store.changes."):
        importlib.import_module(module.name)
    return {
        kind
        for kind in _below(Change)
        if kind.RESULT is not None and kind.__module__.startswith("store.changes.")
    }


def _below(kind: type[C]) -> Iterator[type[C]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)
