"""A small world, and the events and answers of a server that makes no mistake in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime.demo.check import Pointers
from realtime.demo.circles import Comment, Post
from realtime.demo.items import GONE, JOINED, SKIP, Item, user_stream
from realtime.demo.news import Face
from realtime.demo.record import Record
from realtime.demo.sources import PHOTOGRAPH, Source
from realtime.demo.state import Fetched
from realtime.demo.world import World
from rpc.client import StreamKey, events
from rpc.client.events import Event
from rpc.proto import chat_pb2, frames_pb2, models_pb2

ANN, BEN, CLEO = 10, 20, 30
SESSIONS = {ANN: 11, BEN: 21, CLEO: 31}
LAPTOP = 40  # ann's second session
DIRECT, GROUP = 50, 60


class Builder:
    """Plays the answers of a server: positions go up by ten."""

    def __init__(self) -> None:
        self.world = World()
        self.position = 100
        self._orders: dict[int, int] = {}

    def tick(self) -> int:
        self.position += 10
        return self.position

    def member(self, user_id: int, position: int, **fields: Any) -> models_pb2.Member:
        return models_pb2.Member(user=models_pb2.User(id=user_id), changed=position, **fields)

    def send(self, room_id: int, sender_id: int, text: str, **fields: Any) -> int:
        room = self.world.rooms[room_id]
        message_id = self.tick()
        order = self._orders[sender_id] = self._orders.get(sender_id, 0) + 1
        request = chat_pb2.SendMessageRequest(
            room_id=room_id, client_id=b"%016d" % message_id, text=text, **fields
        )
        answer = models_pb2.Message(id=message_id, number=len(room.messages) + 1)
        self.world.sent(request, answer, order, sender_id)
        return message_id

    def mark(self, room_id: int, user_id: int, message_id: int) -> None:
        room = self.world.rooms[room_id]
        number = room.messages[message_id].number
        receipt = models_pb2.Receipt(
            changed=self.tick(), read_number=number, delivered_number=number
        )
        self.world.marked(room, user_id, message_id, receipt)


def small_world() -> World:
    """Three people, one with two devices; a direct room, and a group that ann leaves and cleo
    joins late; something of everything, undone in part."""
    b = Builder()
    world, circles = b.world, b.world.circles
    for user_id, name in ((ANN, "ann"), (BEN, "ben"), (CLEO, "cleo")):
        world.signed_up(user_id, SESSIONS[user_id], name, name.title())
    world.signed_in(ANN, LAPTOP)

    direct = models_pb2.RoomSummary(room=models_pb2.Room(id=DIRECT))
    role = models_pb2.ROLE_MEMBER
    world.created(direct, "", [b.member(ANN, 51, role=role), b.member(BEN, 52, role=role)])
    group = models_pb2.RoomSummary(room=models_pb2.Room(id=GROUP))
    owner = b.member(BEN, 61, role=models_pb2.ROLE_OWNER)
    world.created(group, "group", [owner, b.member(ANN, 62, role=role)])

    hello = b.send(DIRECT, ANN, "hello")
    b.send(DIRECT, BEN, "hello yourself", reply_to=hello)
    world.edited(world.rooms[DIRECT], hello, "hallo", b.tick())
    world.edited(world.rooms[DIRECT], hello, "halloo", b.tick())
    gone = b.send(DIRECT, ANN, "delete me")
    world.deleted(world.rooms[DIRECT], gone, b.tick())
    media = models_pb2.MediaObject(id="m" * 32, purpose=models_pb2.PURPOSE_CHAT)
    world.uploaded(BEN, media, Source(PHOTOGRAPH, b"photo"))
    photo = b.send(DIRECT, BEN, "", media_ids=[media.id])
    b.mark(DIRECT, ANN, hello)
    b.mark(DIRECT, ANN, photo)
    world.hid(world.rooms[DIRECT], photo, ANN)

    room = world.rooms[GROUP]
    early = b.send(GROUP, BEN, "before cleo")
    world.left(room, ANN)
    b.tick()
    world.joined(room, b.member(CLEO, b.tick(), role=role, read_number=1, delivered_number=1))
    world.renamed(room, "club", b.tick())
    world.edited(room, early, "before you", b.tick())
    b.send(GROUP, CLEO, "now me")
    b.mark(GROUP, BEN, early)

    circles.changed_profile(ANN, "about ann", "a" * 32, b.tick())
    circles.followed(BEN, ANN, True, b.tick())
    circles.followed(CLEO, ANN, True, b.tick())
    post = Post(b.tick(), ANN, "a post", ())
    circles.posted(post)
    circles.edited_post(post, "an edited post", b.tick())
    lost = Post(b.tick(), ANN, "a mistake", ())
    circles.posted(lost)
    circles.liked(BEN, post, True, b.tick())
    circles.liked(CLEO, post, True, b.tick())
    circles.liked(CLEO, lost, True, b.tick())
    first = Comment(b.tick(), post.id, BEN, "nice", 0)
    circles.commented(first)
    circles.commented(Comment(b.tick(), post.id, CLEO, "indeed", first.id))
    circles.commented(Comment(b.tick(), post.id, ANN, "see, @cleo", 0, (CLEO,)))
    circles.edited_comment(first, "very nice", b.tick())
    circles.liked(CLEO, post, False, b.tick())
    circles.followed(CLEO, ANN, False, b.tick())
    circles.followed(CLEO, ANN, True, b.tick())
    circles.deleted_comment(first, ANN)
    circles.deleted_post(lost)
    circles.saw(ANN, circles.told(ANN)[-1].latest, b.tick())
    return world


# What a device receives of it


def updates(world: World, user_id: int, session_id: int) -> dict[StreamKey, list[Event]]:
    """Everything in the order of each stream."""
    result: dict[StreamKey, list[Event]] = {}
    for stream, items in world.expected(user_id, session_id).items():
        position = 0
        sequence = 4  # what was before is somebody else's
        result[stream] = []
        for item in items:
            position = item.position or position + 1
            if item.kind != GONE:
                sequence += 1
            result[stream].append(event_of(stream, item, sequence, position))
        if stream == user_stream(user_id):
            for face in world.circles.told(user_id):
                position, sequence = position + 1, sequence + 1
                row = notification_row(face, changed=position)
                update = frames_pb2.Update(
                    stream=_stream(stream), sequence=sequence, position=position, notification=row
                )
                result[stream].append(events.UpdateReceived(update))
    return result


def notification_row(face: Face, **fields: Any) -> models_pb2.Notification:
    kind: Any = face.kind
    lead, *others = [models_pb2.User(id=one) for one in face.named]
    return models_pb2.Notification(
        id=face.latest,
        kind=kind,
        actor=lead,
        others=others,
        actor_count=face.actors,
        post_id=face.post_id,
        comment_id=face.comment_id,
        comment_text=face.text,
        latest=face.latest,
        **fields,
    )


def receipts(world: World, user_id: int) -> list[Event]:
    found: list[Event] = []
    for room in world.rooms.values():
        for other in room.receipts if user_id in room.stays else ():
            found += [receipt_of(room.id, other, one) for one in room.receipts_for(user_id, other)]
    return found


def receipt_of(room_id: int, user_id: int, pointers: Pointers) -> Event:
    receipt = models_pb2.Receipt(
        room_id=room_id,
        user_id=user_id,
        changed=pointers.changed,
        read_number=pointers.read,
        delivered_number=pointers.delivered,
    )
    return events.UpdateReceived(frames_pb2.Update(receipt=receipt, position=pointers.changed))


def record_of(happened: list[Event]) -> Record:
    record = Record()
    record.begin()
    for event in happened:
        record.take(event)
    return record


def event_of(stream: StreamKey, item: Item, sequence: int, position: int) -> Event:
    """The event of an item."""
    if item.kind == JOINED:
        summary = models_pb2.RoomSummary(room=models_pb2.Room(id=stream.id), base_sequence=sequence)
        return events.RoomJoined(summary, position)
    if item.kind == GONE:
        return events.RoomGone(stream.id, position)
    where = _stream(stream)
    if item.veiled or item.kind == SKIP:
        return skip_of(stream, sequence, position)
    update = frames_pb2.Update(stream=where, sequence=sequence, position=position)
    subject: Any = item.subject
    row = ROWS[item.kind](stream.id, subject, item.state, position)
    getattr(update, item.kind).CopyFrom(row)
    return events.UpdateReceived(update)


def _stream(stream: StreamKey) -> frames_pb2.Stream:
    kind: Any = stream.kind
    return frames_pb2.Stream(kind=kind, id=stream.id)


def skip_of(stream: StreamKey, sequence: int, position: int) -> Event:
    where = _stream(stream)
    skip = frames_pb2.Skip(stream=where, to=sequence, position=position)
    setattr(skip, "from", sequence)
    return events.Skipped(skip)


def _media(media_ids: Any) -> list[models_pb2.MediaObject]:
    return [models_pb2.MediaObject(id=one) for one in media_ids]


def message_row(room_id: int, subject: int, state: Any, changed: int) -> models_pb2.Message:
    sender, number, client_id, text, media_ids, reply_to, edited, deleted = state
    return models_pb2.Message(
        id=subject,
        room_id=room_id,
        sender_id=sender,
        number=number,
        client_id=bytes.fromhex(client_id),
        text=text,
        media=_media(media_ids),
        reply_to=reply_to,
        edited_ms=int(edited),
        deleted=deleted,
        changed=changed,
    )


def _profile(_: int, subject: int, state: Any, changed: int) -> models_pb2.Profile:
    username, name, about, avatar = state
    user = models_pb2.User(id=subject, username=username, name=name)
    if avatar:
        user.avatar.id = avatar
    return models_pb2.Profile(user=user, about=about, changed=changed)


def _post(_: int, subject: int, state: Any, changed: int) -> models_pb2.Post:
    text, media_ids, edited, deleted = state
    return models_pb2.Post(
        id=subject,
        text=text,
        media=_media(media_ids),
        edited_ms=int(edited),
        deleted=deleted,
        changed=changed,
    )


def _comment(_: int, subject: int, state: Any, changed: int) -> models_pb2.Comment:
    post_id, text, reply_to, edited, deleted = state
    return models_pb2.Comment(
        id=subject,
        post_id=post_id,
        text=text,
        reply_to=reply_to,
        edited_ms=int(edited),
        deleted=deleted,
        changed=changed,
    )


ROWS: dict[str, Callable[[int, Any, Any, int], Any]] = {
    "message": message_row,
    "profile": _profile,
    "post": _post,
    "comment": _comment,
    "room": lambda room, _, state, at: models_pb2.Room(id=room, title=state[0], changed=at),
    "member": lambda room, who, state, at: models_pb2.Member(
        room_id=room, user=models_pb2.User(id=who), role=state[0], changed=at
    ),
    "message_hidden": lambda _, one, state, __: frames_pb2.MessageHidden(
        room_id=state[0], message_id=one
    ),
    "like": lambda _, one, state, at: frames_pb2.Like(post_id=one, liked=state[0], changed=at),
    "follow": lambda _, one, state, at: frames_pb2.Follow(
        user_id=one, following=state[0], changed=at
    ),
    "notifications_seen": lambda _, __, state, at: frames_pb2.NotificationsSeen(
        up_to=state[0], changed=at
    ),
    "session": lambda _, one, state, __: models_pb2.Session(id=one, revoked=state[0]),
    "media": lambda _, one, state, __: models_pb2.MediaObject(
        id=one,
        purpose=state[0],
        size=state[1],
        motion=models_pb2.Motion(state=state[2]) if state[2] else None,
    ),
}


# What a fresh look shows


def fetched_of(world: World, user_id: int) -> Fetched:
    circles = world.circles
    person = circles.people[user_id]
    profile = _profile(
        0, user_id, (person.username, person.name, person.about, person.avatar_id), 1
    )
    profile.posts = len(circles.posts_of(user_id))
    profile.followers = len(circles.followers(user_id))
    profile.followings = len(circles.followings(user_id))
    fetched = Fetched(
        profile,
        home=[_shown(world, one, user_id) for one in circles.home(user_id)],
        posts=[_shown(world, one, user_id) for one in circles.posts_of(user_id)],
        likes={one.id: circles.likers(one.id) for one in circles.posts_of(user_id)},
        followers=circles.followers(user_id),
        followings=circles.followings(user_id),
    )
    for post in circles.posts_of(user_id):
        fetched.comments[post.id] = []
        for one in circles.comments_on(post.id):
            row = _comment(0, one.id, one.state, 1)
            row.author.id = one.author_id
            row.replies = circles.replies(one.id)
            fetched.comments[post.id].append(row)
    seen = circles.news[user_id].seen
    fetched.notifications = [
        notification_row(face, seen=face.latest <= seen) for face in circles.told(user_id)
    ]
    fetched.unseen = sum(not one.seen for one in fetched.notifications)
    for room in world.rooms.values():
        if user_id in room.members:
            _fill_room(world, room.id, user_id, fetched)
    return fetched


def _fill_room(world: World, room_id: int, user_id: int, fetched: Fetched) -> None:
    room = world.rooms[room_id]
    read = room.pointers[user_id][0]
    unread = [one for one in room.readable(user_id) if one.number > read and not one.deleted]
    fetched.rooms[room.id] = models_pb2.RoomSummary(
        room=models_pb2.Room(
            id=room.id,
            title=room.title,
            last_number=len(room.messages),
            member_count=len(room.members),
        ),
        unread=len(unread),
    )
    fetched.history[room.id] = [
        message_row(room.id, one.id, one.state, one.id) for one in room.readable(user_id)
    ]
    fetched.members[room.id] = {
        one: models_pb2.Member(
            read_number=room.pointers[one][0], delivered_number=room.pointers[one][1]
        )
        for one in room.members
    }


def _shown(world: World, post: Post, viewer_id: int) -> models_pb2.Post:
    row = _post(0, post.id, post.state, 1)
    row.author.id = post.author_id
    row.likes = len(post.likes)
    row.comments = len(world.circles.comments_on(post.id))
    row.liked_by_me = viewer_id in post.likes
    return row
