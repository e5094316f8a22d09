"""What a fresh look at the server shows, against the model and what a device holds (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from google.protobuf.message import Message
from google.protobuf.text_format import MessageToString

from realtime.demo.check import Difference
from realtime.demo.circles import Circles
from realtime.demo.items import message_state
from realtime.demo.news import faces_of
from realtime.demo.record import Record
from realtime.demo.world import Room, World
from rpc.proto import models_pb2


@dataclass(slots=True)
class Fetched:
    """Everything that one user finds who asks afresh."""

    profile: models_pb2.Profile
    rooms: dict[int, models_pb2.RoomSummary] = field(default_factory=dict)
    history: dict[int, list[models_pb2.Message]] = field(default_factory=dict)
    members: dict[int, dict[int, models_pb2.Member]] = field(default_factory=dict)
    home: list[models_pb2.Post] = field(default_factory=list)
    posts: list[models_pb2.Post] = field(default_factory=list)  # his own
    likes: dict[int, list[int]] = field(default_factory=dict)  # of his posts
    comments: dict[int, list[models_pb2.Comment]] = field(default_factory=dict)  # on his posts
    notifications: list[models_pb2.Notification] = field(default_factory=list)
    unseen: int = 0
    followers: list[int] = field(default_factory=list)
    followings: list[int] = field(default_factory=list)


class _Differences:
    def __init__(self, who: str) -> None:
        self._who = who
        self.found: list[Difference] = []

    def compare(self, where: str, what: str, got: object, wanted: object) -> None:
        if got != wanted:
            self.tell(where, f"{what}: {_shown(got)}, not {_shown(wanted)}")

    def compare_rows(self, where: str, got: Iterable[object], wanted: Iterable[object]) -> None:
        """The same rows in the same order; names the first that is not."""
        ours, theirs = list(got), list(wanted)
        for number, (one, other) in enumerate(zip(ours, theirs, strict=False), 1):
            if one != other:
                self.tell(where, f"row {number} is {_shown(one)}, not {_shown(other)}")
                return
        self.compare(where, "rows", len(ours), len(theirs))

    def tell(self, where: str, detail: str) -> None:
        self.found.append(Difference(self._who, where, "state", detail))


def _shown(value: object) -> str:
    """On one line, however long."""
    return MessageToString(value, as_one_line=True) if isinstance(value, Message) else str(value)


def check_state(world: World, user_id: int, fetched: Fetched) -> list[Difference]:
    """Every way in which what the server shows is not what was acknowledged."""
    circles = world.circles
    told = _Differences(circles.people[user_id].username)
    mine = {room.id for room in world.rooms.values() if user_id in room.members}
    told.compare("rooms", "ids", sorted(fetched.rooms), sorted(mine))
    for room_id in sorted(mine & fetched.rooms.keys()):
        _check_room(told, world.rooms[room_id], user_id, fetched)
    _check_profile(told, circles, user_id, fetched.profile)
    told.compare_rows(
        "home timeline",
        (_post_row(post) for post in fetched.home),
        (_expected_post(circles, post.id, user_id) for post in circles.home(user_id)),
    )
    told.compare_rows(
        "profile page",
        (_post_row(post) for post in fetched.posts),
        (_expected_post(circles, post.id, user_id) for post in circles.posts_of(user_id)),
    )
    for post in circles.posts_of(user_id):
        told.compare(
            f"likes of {post.id}", "users", fetched.likes.get(post.id), circles.likers(post.id)
        )
        told.compare_rows(
            f"comments on {post.id}",
            (
                (c.id, c.author.id, c.text, c.reply_to, bool(c.edited_ms), c.replies)
                for c in fetched.comments.get(post.id, ())
            ),
            (
                (c.id, c.author_id, c.text, c.reply_to, c.edited, circles.replies(c.id))
                for c in circles.comments_on(post.id)
            ),
        )
    _check_notifications(told, circles, user_id, fetched)
    told.compare("followers", "users", fetched.followers, circles.followers(user_id))
    told.compare("followings", "users", fetched.followings, circles.followings(user_id))
    return told.found


def _check_room(told: _Differences, room: Room, user_id: int, fetched: Fetched) -> None:
    where = f"room {room.id}"
    summary = fetched.rooms[room.id]
    told.compare(where, "title", summary.room.title, room.title)
    told.compare(where, "last number", summary.room.last_number, len(room.messages))
    told.compare(where, "member count", summary.room.member_count, len(room.members))
    read = room.pointers[user_id][0]
    unread = [
        one
        for one in room.messages.values()
        if one.number > read and not one.deleted and (user_id, one.id) not in room.hidden
    ]
    told.compare(where, "unread", summary.unread, len(unread))
    told.compare_rows(
        f"history of {where}",
        ((row.id, row.changed >= row.id, _message(row)) for row in fetched.history[room.id]),
        ((one.id, True, one.state) for one in room.readable(user_id)),
    )
    told.compare(
        where,
        "pointers of its members (read, delivered)",
        {
            member_id: (one.read_number, one.delivered_number)
            for member_id, one in sorted(fetched.members[room.id].items())
        },
        {member_id: room.pointers[member_id] for member_id in sorted(room.members)},
    )


def _message(row: models_pb2.Message) -> tuple[object, ...]:
    return message_state(
        sender_id=row.sender_id,
        number=row.number,
        client_id=row.client_id,
        text=row.text,
        media_ids=tuple(one.id for one in row.media),
        reply_to=row.reply_to,
        edited=bool(row.edited_ms),
        deleted=row.deleted,
    )


def _check_profile(
    told: _Differences, circles: Circles, user_id: int, profile: models_pb2.Profile
) -> None:
    person = circles.people[user_id]
    user = profile.user
    told.compare(
        "profile",
        "(username, name, about, avatar)",
        (user.username, user.name, profile.about, user.avatar.id),
        (person.username, person.name, person.about, person.avatar_id),
    )
    told.compare(
        "profile",
        "(posts, followers, followings)",
        (profile.posts, profile.followers, profile.followings),
        (
            len(circles.posts_of(user_id)),
            len(circles.followers(user_id)),
            len(circles.followings(user_id)),
        ),
    )


def _post_row(post: models_pb2.Post) -> tuple[object, ...]:
    return (
        post.id,
        post.author.id,
        post.text,
        tuple(one.id for one in post.media),
        bool(post.edited_ms),
        post.likes,
        post.comments,
        post.liked_by_me,
    )


def _expected_post(circles: Circles, post_id: int, viewer_id: int) -> tuple[object, ...]:
    post = circles.posts[post_id]
    return (
        post.id,
        post.author_id,
        post.text,
        post.media_ids,
        post.edited,
        len(post.likes),
        len(circles.comments_on(post.id)),
        viewer_id in post.likes,
    )


def _check_notifications(
    told: _Differences, circles: Circles, user_id: int, fetched: Fetched
) -> None:
    told.compare_rows("notifications", faces_of(fetched.notifications), circles.told(user_id))
    order = [one.latest for one in fetched.notifications]
    told.compare("notifications", "order", order, sorted(order, reverse=True))
    seen = circles.news[user_id].seen
    told.compare(
        "notifications",
        "unseen",
        fetched.unseen,
        sum(one.latest > seen for one in fetched.notifications),
    )
    told.compare(
        "notifications",
        "seen ones",
        sorted(one.id for one in fetched.notifications if one.seen),
        sorted(one.id for one in fetched.notifications if one.latest <= seen),
    )


def check_held(who: str, record: Record, fetched: Fetched) -> list[Difference]:
    """State plus updates is the state: what a device holds, by the updates alone, against the
    rows that the server shows."""
    told = _Differences(who)
    for room_id, history in fetched.history.items():
        held = record.messages.get(room_id, {})
        told.compare_rows(
            f"messages held of room {room_id}",
            (held.get(row.id) for row in history),
            history,
        )
    told.compare(
        "notifications held",
        "ids",
        sorted(record.notifications),
        sorted(one.id for one in fetched.notifications),
    )
    told.compare_rows(
        "notifications held",
        faces_of(record.notifications.values()),
        faces_of(fetched.notifications),
    )
    return told.found


def check_queue_order(world: World) -> list[Difference]:
    """What somebody queued for a room stands in it in the order of queueing."""
    found = []
    for room in world.rooms.values():
        last: dict[int, int] = {}
        for written in sorted(room.messages.values(), key=lambda one: one.number):
            if written.order < last.get(written.sender_id, 0):
                name = world.circles.people[written.sender_id].username
                detail = f"message {written.id} overtook one that was queued before it"
                found.append(Difference(name, f"room {room.id}", "reordered", detail))
            last[written.sender_id] = written.order
        numbers = sorted(one.number for one in room.messages.values())
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(Difference("everybody", f"room {room.id}", "state", f"numbers {numbers}"))
    return found
