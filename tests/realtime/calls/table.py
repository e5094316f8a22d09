"""Every call, with a request that goes through; and every field of a request that names
something, with what a stranger gets who names what is not his.

A call or a field that is not here fails tests/realtime/calls/test_table.py by its name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, NamedTuple

from realtime.testing import new_key
from rpc.errors import Code
from rpc.proto import frames_pb2, media_pb2
from store.records import Purpose
from tests.realtime.calls.scene import PASSWORD, Scene

Fields = dict[str, Any]
Make = Callable[[Scene], Fields] | Callable[[Scene], Awaitable[Fields]]


class Row(NamedTuple):
    """A request that goes through when `by` (an attribute of the scene) makes it."""

    make: Make
    by: str = "ann"
    open: bool = False  # to those who are not signed in


async def _code(scene: Scene) -> Fields:
    return {"address": "ann@example.org", "code": await scene.code("ann@example.org")}


async def _sign_up(scene: Scene) -> Fields:
    return {
        "ticket": await scene.ticket("new@example.org"),
        "username": "new",
        "name": "New",
        "password": PASSWORD,
    }


async def _liked(scene: Scene) -> Fields:
    await scene.ann.call("Likes.LikePost", post_id=scene.eves_post)
    return {"post_id": scene.eves_post}


async def _followed(scene: Scene) -> Fields:
    await scene.ann.call("Follows.FollowUser", user_id=scene.eve.user_id)
    return {"user_id": scene.eve.user_id}


async def _blocked(scene: Scene) -> Fields:
    await scene.ann.call("Blocks.BlockUser", user_id=scene.eve.user_id)
    return {"user_id": scene.eve.user_id}


VARIANT = {"mode": media_pb2.VARIANT_FIT, "width": 100}


def nothing(scene: Scene) -> Fields:
    return {}


ROWS: dict[str, Row] = {
    "Auth.RequestCode": Row(lambda s: {"address": "x@example.org"}, "nobody", open=True),
    "Auth.SignInWithCode": Row(_code, "nobody", open=True),
    "Auth.SignInWithPassword": Row(
        lambda s: {"login": "ann", "password": PASSWORD}, "nobody", open=True
    ),
    "Auth.SignUp": Row(_sign_up, "nobody", open=True),
    "Auth.SetPassword": Row(
        lambda s: {"old_password": PASSWORD, "new_password": "x" * 8, "sign_out_others": True}
    ),
    "Auth.RefreshToken": Row(nothing),
    "Auth.SignOut": Row(nothing),
    "Auth.ListSessions": Row(nothing),
    "Auth.RevokeSessions": Row(lambda s: {"session_id": s.tablet.session_id}),
    "Users.GetMe": Row(nothing),
    "Users.GetProfile": Row(lambda s: {"user_id": s.bob.user_id}),
    "Users.GetUsers": Row(lambda s: {"user_ids": [s.bob.user_id]}),
    "Users.UpdateProfile": Row(
        lambda s: {"name": "Anna", "avatar_media_id": s.stored[Purpose.AVATAR]}
    ),
    "Users.CheckUsername": Row(lambda s: {"username": "new"}, "nobody", open=True),
    "Chat.OpenDirect": Row(lambda s: {"user_id": s.eve.user_id}),
    "Chat.CreateGroup": Row(
        lambda s: {
            "title": "they",
            "user_ids": [s.eve.user_id],
            "avatar_media_id": s.stored[Purpose.AVATAR],
        }
    ),
    "Chat.ListRooms": Row(nothing),
    "Chat.GetRoom": Row(lambda s: {"room_id": s.group}),
    "Chat.ListMembers": Row(lambda s: {"room_id": s.group}),
    "Chat.SendMessage": Row(
        lambda s: {
            "room_id": s.group,
            "client_id": new_key(),
            "text": "hello",
            "media_ids": [s.stored[Purpose.CHAT]],
            "reply_to": s.bobs_message,
        }
    ),
    "Chat.EditMessage": Row(lambda s: {"message_id": s.message, "text": "edited"}),
    "Chat.DeleteMessage": Row(lambda s: {"message_id": s.message, "for_everyone": True}),
    "Chat.GetHistory": Row(lambda s: {"room_id": s.group, "before": 0}),
    "Chat.MarkDelivered": Row(lambda s: {"room_id": s.group, "number": 2}),
    "Chat.MarkRead": Row(lambda s: {"room_id": s.group, "number": 2}),
    "Chat.SetActivity": Row(lambda s: {"room_id": s.group, "activity": 1}),
    "Chat.AddMembers": Row(lambda s: {"room_id": s.group, "user_ids": [s.eve.user_id]}),
    "Chat.RemoveMember": Row(lambda s: {"room_id": s.group, "user_id": s.bob.user_id}),
    "Chat.LeaveRoom": Row(lambda s: {"room_id": s.group}),
    "Chat.UpdateRoom": Row(
        lambda s: {
            "room_id": s.group,
            "title": "all of us",
            "avatar_media_id": s.stored[Purpose.AVATAR],
        }
    ),
    "Chat.GetPresence": Row(lambda s: {"user_ids": [s.bob.user_id]}),
    "Posts.CreatePost": Row(lambda s: {"text": "hill", "media_ids": [s.stored[Purpose.POST]]}),
    "Posts.EditPost": Row(lambda s: {"post_id": s.post, "text": "shore"}),
    "Posts.DeletePost": Row(lambda s: {"post_id": s.post}),
    "Posts.GetPost": Row(lambda s: {"post_id": s.eves_post}),
    "Likes.LikePost": Row(lambda s: {"post_id": s.eves_post}),
    "Likes.UnlikePost": Row(_liked),
    "Likes.ListLikes": Row(lambda s: {"post_id": s.eves_post}),
    "Comments.AddComment": Row(
        lambda s: {"post_id": s.post, "text": "green", "reply_to": s.bobs_comment}
    ),
    "Comments.EditComment": Row(lambda s: {"comment_id": s.comment, "text": "grey"}),
    "Comments.DeleteComment": Row(lambda s: {"comment_id": s.comment}),
    "Comments.ListComments": Row(lambda s: {"post_id": s.post}),
    "Follows.FollowUser": Row(lambda s: {"user_id": s.eve.user_id}),
    "Follows.UnfollowUser": Row(_followed),
    "Follows.ListFollowers": Row(lambda s: {"user_id": s.eve.user_id}),
    "Follows.ListFollowings": Row(lambda s: {"user_id": s.eve.user_id}),
    "Blocks.BlockUser": Row(lambda s: {"user_id": s.bob.user_id}),
    "Blocks.UnblockUser": Row(_blocked),
    "Blocks.ListBlocked": Row(nothing),
    "Pages.Home": Row(nothing),
    "Pages.Activity": Row(nothing),
    "Pages.ProfilePosts": Row(lambda s: {"user_id": s.eve.user_id}),
    "Notifications.ListNotifications": Row(nothing),
    "Notifications.CountUnseen": Row(nothing),
    "Notifications.GetSettings": Row(nothing),
    "Notifications.MuteKind": Row(lambda s: {"kind": 1, "muted": True}),
    "Notifications.MarkSeen": Row(lambda s: {"up_to": s.notification}),
    "Media.CreateUpload": Row(lambda s: {"purpose": 1, "size": 100}),
    "Media.GetUsage": Row(lambda s: {}),
    "Media.GetMedia": Row(lambda s: {"media_id": s.stored[Purpose.CHAT]}),
    "Media.LinkMedia": Row(lambda s: {"media_ids": [s.stored[Purpose.CHAT]]}),
    "Media.LinkVariants": Row(
        lambda s: {"media_ids": [s.stored[Purpose.CHAT]], "variant": VARIANT}
    ),
}


class Outcome(Enum):
    PUBLIC = "anybody may name it"
    OWN = "not the name of anything: the caller's own word, or a place in a list"
    LEFT_OUT = "the call goes through, and answers as if there were no such thing"


NOT_FOUND, DENIED = Code.NOT_FOUND, Code.PERMISSION_DENIED


class Case(NamedTuple):
    """What Eve (or `by`) gets who names in this field what is Ann's or Bob's. `NOT_FOUND` must
    be the very answer to an id that nothing has. `DENIED` is for what she may know of."""

    outcome: frames_pb2.Code | Outcome
    make: Callable[[Scene], Fields] = nothing
    by: str = "eve"


STRANGERS: dict[tuple[str, str], list[Case]] = {
    ("Auth.RevokeSessions", "session_id"): [
        Case(NOT_FOUND, lambda s: {"session_id": s.ann.session_id})
    ],
    ("Users.GetProfile", "user_id"): [Case(Outcome.PUBLIC)],
    ("Users.GetUsers", "user_ids"): [Case(Outcome.PUBLIC)],
    ("Users.UpdateProfile", "avatar_media_id"): [
        Case(NOT_FOUND, lambda s: {"avatar_media_id": s.stored[Purpose.AVATAR]})
    ],
    ("Chat.OpenDirect", "user_id"): [Case(Outcome.PUBLIC)],
    ("Chat.CreateGroup", "user_ids"): [Case(Outcome.PUBLIC)],
    ("Chat.CreateGroup", "avatar_media_id"): [
        Case(NOT_FOUND, lambda s: {"title": "x", "avatar_media_id": s.stored[Purpose.AVATAR]})
    ],
    ("Chat.GetRoom", "room_id"): [
        Case(NOT_FOUND, lambda s: {"room_id": s.group}),
        Case(NOT_FOUND, lambda s: {"room_id": s.direct}),
    ],
    ("Chat.ListMembers", "room_id"): [Case(NOT_FOUND, lambda s: {"room_id": s.group})],
    ("Chat.ListMembers", "after_user_id"): [Case(Outcome.OWN)],
    ("Chat.SendMessage", "room_id"): [
        Case(NOT_FOUND, lambda s: {"room_id": s.group, "client_id": new_key(), "text": "x"}),
        Case(NOT_FOUND, lambda s: {"room_id": s.direct, "client_id": new_key(), "text": "x"}),
    ],
    ("Chat.SendMessage", "client_id"): [Case(Outcome.OWN)],
    ("Chat.SendMessage", "media_ids"): [
        Case(
            NOT_FOUND,
            lambda s: {
                "room_id": s.eves_group,
                "client_id": new_key(),
                "media_ids": [s.stored[Purpose.CHAT]],
            },
        )
    ],
    ("Chat.SendMessage", "reply_to"): [
        Case(
            NOT_FOUND,
            lambda s: {
                "room_id": s.eves_group,
                "client_id": new_key(),
                "text": "x",
                "reply_to": s.message,
            },
        )
    ],
    ("Chat.EditMessage", "message_id"): [
        Case(NOT_FOUND, lambda s: {"message_id": s.message, "text": "x"}),
        Case(DENIED, lambda s: {"message_id": s.message, "text": "x"}, by="bob"),
        Case(DENIED, lambda s: {"message_id": s.bobs_message, "text": "x"}, by="ann"),
    ],
    ("Chat.DeleteMessage", "message_id"): [
        Case(NOT_FOUND, lambda s: {"message_id": s.message, "for_everyone": True}),
        Case(NOT_FOUND, lambda s: {"message_id": s.message}),
        Case(DENIED, lambda s: {"message_id": s.message, "for_everyone": True}, by="bob"),
    ],
    ("Chat.GetHistory", "room_id"): [
        Case(NOT_FOUND, lambda s: {"room_id": s.group, "before": 0}),
        Case(NOT_FOUND, lambda s: {"room_id": s.group, "after": 0}),
    ],
    ("Chat.MarkDelivered", "room_id"): [
        Case(NOT_FOUND, lambda s: {"room_id": s.group, "number": 1})
    ],
    ("Chat.MarkRead", "room_id"): [Case(NOT_FOUND, lambda s: {"room_id": s.group, "number": 1})],
    ("Chat.SetActivity", "room_id"): [
        Case(NOT_FOUND, lambda s: {"room_id": s.group, "activity": 1})
    ],
    ("Chat.AddMembers", "room_id"): [
        Case(NOT_FOUND, lambda s: {"room_id": s.group, "user_ids": [s.eve.user_id]})
    ],
    ("Chat.AddMembers", "user_ids"): [Case(Outcome.PUBLIC)],
    ("Chat.RemoveMember", "room_id"): [
        Case(NOT_FOUND, lambda s: {"room_id": s.group, "user_id": s.bob.user_id})
    ],
    ("Chat.RemoveMember", "user_id"): [
        Case(NOT_FOUND, lambda s: {"room_id": s.eves_group, "user_id": s.ann.user_id}),
        Case(DENIED, lambda s: {"room_id": s.group, "user_id": s.ann.user_id}, by="bob"),
    ],
    ("Chat.LeaveRoom", "room_id"): [Case(NOT_FOUND, lambda s: {"room_id": s.group})],
    ("Chat.UpdateRoom", "room_id"): [
        Case(NOT_FOUND, lambda s: {"room_id": s.group, "title": "x"}),
        Case(DENIED, lambda s: {"room_id": s.group, "title": "x"}, by="bob"),
    ],
    ("Chat.UpdateRoom", "avatar_media_id"): [
        Case(
            NOT_FOUND,
            lambda s: {"room_id": s.eves_group, "avatar_media_id": s.stored[Purpose.AVATAR]},
        )
    ],
    ("Chat.GetPresence", "user_ids"): [
        Case(Outcome.LEFT_OUT, lambda s: {"user_ids": [s.ann.user_id]})
    ],
    ("Posts.CreatePost", "media_ids"): [
        Case(NOT_FOUND, lambda s: {"media_ids": [s.stored[Purpose.POST]]})
    ],
    ("Posts.EditPost", "post_id"): [Case(DENIED, lambda s: {"post_id": s.post, "text": "x"})],
    ("Posts.DeletePost", "post_id"): [Case(DENIED, lambda s: {"post_id": s.post})],
    ("Posts.GetPost", "post_id"): [Case(Outcome.PUBLIC)],
    ("Likes.LikePost", "post_id"): [Case(Outcome.PUBLIC)],
    ("Likes.UnlikePost", "post_id"): [Case(Outcome.PUBLIC)],
    ("Likes.ListLikes", "post_id"): [Case(Outcome.PUBLIC)],
    ("Comments.AddComment", "post_id"): [Case(Outcome.PUBLIC)],
    ("Comments.AddComment", "reply_to"): [
        Case(
            NOT_FOUND,
            lambda s: {"post_id": s.eves_post, "text": "x", "reply_to": s.comment},
        )
    ],
    ("Comments.EditComment", "comment_id"): [
        Case(DENIED, lambda s: {"comment_id": s.comment, "text": "x"}),
        # Not even by the author of the post.
        Case(DENIED, lambda s: {"comment_id": s.bobs_comment, "text": "x"}, by="ann"),
    ],
    ("Comments.DeleteComment", "comment_id"): [
        Case(DENIED, lambda s: {"comment_id": s.comment}),
        Case(DENIED, lambda s: {"comment_id": s.comment}, by="bob"),
    ],
    ("Comments.ListComments", "post_id"): [Case(Outcome.PUBLIC)],
    ("Follows.FollowUser", "user_id"): [Case(Outcome.PUBLIC)],
    ("Follows.UnfollowUser", "user_id"): [Case(Outcome.PUBLIC)],
    ("Follows.ListFollowers", "user_id"): [Case(Outcome.PUBLIC)],
    ("Follows.ListFollowings", "user_id"): [Case(Outcome.PUBLIC)],
    # Whoever blocks, and whomever: it is his own list.
    ("Blocks.BlockUser", "user_id"): [Case(Outcome.PUBLIC)],
    ("Blocks.UnblockUser", "user_id"): [Case(Outcome.PUBLIC)],
    ("Pages.ProfilePosts", "user_id"): [Case(Outcome.PUBLIC)],
    ("Media.GetMedia", "media_id"): [
        Case(NOT_FOUND, lambda s: {"media_id": s.stored[Purpose.CHAT]})
    ],
    ("Media.LinkMedia", "media_ids"): [
        Case(Outcome.LEFT_OUT, lambda s: {"media_ids": [s.stored[Purpose.CHAT]]})
    ],
    ("Media.LinkVariants", "media_ids"): [
        Case(
            Outcome.LEFT_OUT,
            lambda s: {"media_ids": [s.stored[Purpose.CHAT]], "variant": VARIANT},
        )
    ],
}
