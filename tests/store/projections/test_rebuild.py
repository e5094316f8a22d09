"""Whatever happens, and however late and in whatever portions it is read: what the projections
have made equals what the state says, and what clients have been told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from store.changes.base import Change
from store.changes.blocks import SetBlock
from store.changes.comments import AddComment, DeleteComment, EditComment
from store.changes.follows import SetFollow
from store.changes.likes import SetLike
from store.changes.notifications import MarkSeen, MuteKind
from store.changes.posts import CreatePost, DeletePost, EditPost
from store.errors import DomainError
from store.log import Entry, Kind
from store.mentions import mentioned
from store.projections.causes import Cause
from store.projections.consuming import Consume
from store.queries.hydrate import hydrate
from store.queries.notifications import unseen
from store.records import NotificationKind, NotificationRecord
from tests.contracts.backends import OpenStore
from tests.store.social import START_MS, USERS, Social, social

KINDS = (
    *("like", "unlike") * 4,
    *("comment", "reply", "follow", "unfollow") * 3,
    *("edit comment", "delete comment", "post", "seen", "consume") * 2,
    *("edit", "delete", "mute", "unmute"),
    *("block", "unblock", "unblock"),
)
STEPS = (*("home", "counters", "notifications") * 2, "notifications")


def story(
    seed: int, kinds: Sequence[str] = KINDS
) -> Iterator[list[tuple[str, int, int]] | tuple[str, int]]:
    """Batches of (what, user, which of the rows that there are), and steps of a projection.

    It begins with enough posts for the rest to have something to be about.
    """
    random = Random(seed)
    yield [("post", user, 0) for user in USERS]
    for _ in range(40):
        if random.random() < 0.3:
            yield random.choice(STEPS), random.choice((1, 2, 5, 500))
        else:
            yield [
                (random.choice(kinds), random.choice(USERS), random.randrange(100))
                for _ in range(random.choice((1, 1, 2, 6)))
            ]


seeds = st.integers(0, 1 << 32)


class Devices:
    """What the devices of each user hold of the notifications, from updates alone."""

    def __init__(self) -> None:
        self.lists: dict[int, dict[int, NotificationRecord]] = {user: {} for user in USERS}
        self.seen: dict[int, int] = dict.fromkeys(USERS, 0)

    def receive(self, entries: list[Entry]) -> None:
        for entry in entries:
            held = self.lists[entry.stream.id]
            if entry.kind is Kind.NOTIFIED and entry.record is not None:
                held[entry.record.id] = entry.record
            elif entry.kind is Kind.UNNOTIFIED:
                held.pop(entry.record.notification_id, None)
            elif entry.kind is Kind.NOTIFICATIONS_SEEN:
                self.seen[entry.stream.id] = entry.record.up_to

    def shown(self, user: int) -> list[tuple[Any, ...]]:
        return [
            _shown(one, one.latest <= self.seen[user])
            for one in sorted(self.lists[user].values(), key=lambda one: -one.latest)
        ]


def says(text: str, number: int) -> str:
    """A text that mentions somebody, at times."""
    return f"{text} @user{number % 7}, @User{number % 3}"


def _shown(one: NotificationRecord, seen: bool) -> tuple[Any, ...]:
    face = (one.actors, one.actor_count, one.comment_id, one.comment_text, one.latest_ms)
    return (one.id, one.kind, face, one.latest, one.changed, seen)


class Story:
    def __init__(self, world: Social) -> None:
        self.world = world
        self.devices = Devices()
        self.posts: list[int] = []
        self.comments: list[tuple[int, int]] = []  # (post, comment)

    def change(self, kind: str, user: int, number: int) -> Change[Any] | None:
        post = self.posts[number % len(self.posts)] if self.posts else 0
        in_post, comment = self.comments[number % len(self.comments)] if self.comments else (0, 0)
        other = USERS[number % len(USERS)]
        match kind:
            case "post":
                return CreatePost(author_id=user, text=says("sea", number))
            case "edit":
                return EditPost(user_id=user, post_id=post, text=says("hill", number))
            case "delete":
                return DeletePost(user_id=user, post_id=post)
            case "like" | "unlike":
                return SetLike(user_id=user, post_id=post, liked=kind == "like")
            case "comment":
                return AddComment(user_id=user, post_id=post, text=says("ah", number))
            case "reply":
                return AddComment(
                    user_id=user, post_id=in_post, text=says("oh", number), reply_to=comment
                )
            case "edit comment":
                return EditComment(
                    user_id=user, comment_id=comment, text=says(f"edit {number}", number)
                )
            case "delete comment":
                return DeleteComment(user_id=user, comment_id=comment)
            case "follow" | "unfollow":
                return SetFollow(follower_id=user, followee_id=other, following=kind == "follow")
            case "block" | "unblock":
                return SetBlock(blocker_id=user, blocked_id=other, blocked=kind == "block")
            case "mute" | "unmute":
                of = list(NotificationKind)[number % len(NotificationKind)]
                return MuteKind(user_id=user, kind=of, muted=kind == "mute")
            case "seen":
                held = list(self.devices.lists[user].values())
                up_to = held[number % len(held)].latest if held else 1
                return MarkSeen(user_id=user, up_to=up_to)
            case _:
                return Consume(projection=self.world.notifications, limit=number + 1)

    async def tell(self, part: Any) -> None:
        before = await self.world.head()
        if isinstance(part, tuple):
            await self.world.step(*part)
        else:
            changes = [change for one in part if (change := self.change(*one))]
            done = await self.world.commit(*changes)
            for change, outcome in zip(changes, done.outcomes, strict=True):
                if isinstance(outcome, DomainError):
                    continue
                if isinstance(change, CreatePost):
                    self.posts.append(outcome.id)
                elif isinstance(change, AddComment):
                    self.comments.append((outcome.post_id, outcome.id))
        entries = await self.world.entries(before)
        await self.world.store.read(hydrate, entries)
        self.devices.receive(entries)

    async def finish(self) -> None:
        for name in ("home", "counters", "notifications"):
            while True:
                before = await self.world.head()
                done = await self.world.step(name, 3)
                entries = await self.world.entries(before)
                await self.world.store.read(hydrate, entries)
                self.devices.receive(entries)
                if done.left:
                    await self.world.carry_on()
                elif not done.read:
                    break


async def expected_home(world: Social) -> set[tuple[int, ...]]:
    found = await world.rows(
        "SELECT f.follower_id, p.id, p.author_id FROM posts p "
        "JOIN follows f ON f.followee_id = p.author_id WHERE p.deleted = 0 "
        "UNION ALL SELECT author_id, id, author_id FROM posts WHERE deleted = 0"
    )
    assert len(found) == len(set(found))
    return set(found)


async def expected_counts(world: Social) -> tuple[set[Any], set[Any]]:
    """Those that are not all zero."""
    posts = await world.rows(
        "SELECT p.id, (SELECT COUNT(*) FROM likes l WHERE l.post_id = p.id), "
        "(SELECT COUNT(*) FROM comments c WHERE c.post_id = p.id AND c.deleted = 0) "
        "FROM posts p WHERE p.deleted = 0"
    )
    people = await world.rows(
        "SELECT u.id, (SELECT COUNT(*) FROM posts p WHERE p.author_id = u.id AND p.deleted = 0), "
        "(SELECT COUNT(*) FROM follows f WHERE f.followee_id = u.id), "
        "(SELECT COUNT(*) FROM follows f WHERE f.follower_id = u.id) FROM users u"
    )
    return {row for row in posts if any(row[1:])}, {row for row in people if any(row[1:])}


class Deed(NamedTuple):
    position: int
    about: int = 0


async def expected_causes(world: Social) -> dict[Cause, Deed]:
    """Who is notified of what, and where it happened."""
    apart: dict[tuple[int, ...], int] = {}
    for one, other, active, position in await world.rows("SELECT * FROM blocks"):
        for pair in ((one, other), (other, one)):
            apart[pair] = max(apart.get(pair, 0), 1 << 62 if active else position)
    settings = [
        (entry.stream.id, entry.position, entry.other_id)
        for entry in await world.entries()
        if entry.kind is Kind.NOTIFICATION_SETTINGS
    ]

    def wants(user: int, kind: NotificationKind, position: int) -> bool:
        masks = [mask for of, at, mask in settings if of == user and at < position]
        return not (masks[-1] if masks else 0) & 1 << kind

    result: dict[Cause, Deed] = {}

    def tell(cause: Cause, position: int, about: int = 0) -> bool:
        pair = (cause.user_id, cause.actor_id)
        told = wants(cause.user_id, cause.kind, position) and position > apart.get(pair, 0)
        told = told and cause.user_id != cause.actor_id
        if told:
            result[cause] = Deed(position, about)
        return told

    for author, actor, post, position in await world.rows(
        "SELECT p.author_id, l.user_id, p.id, l.changed FROM likes l "
        "JOIN posts p ON p.id = l.post_id WHERE p.deleted = 0"
    ):
        tell(Cause(author, NotificationKind.LIKE, actor, post), position)
    for follower, followee, position in await world.rows(
        "SELECT follower_id, followee_id, changed FROM follows"
    ):
        tell(Cause(followee, NotificationKind.FOLLOW, follower), position)
    heard: set[tuple[int, int]] = set()  # (comment, user)
    for author, actor, post, comment, about, answered in await world.rows(
        "SELECT p.author_id, c.author_id, p.id, c.id, r.id, r.author_id FROM comments c "
        "JOIN posts p ON p.id = c.post_id LEFT JOIN comments r ON r.id = c.reply_to "
        "WHERE p.deleted = 0 AND c.deleted = 0"
    ):
        if answered is not None:
            cause = Cause(answered, NotificationKind.REPLY, actor, post, comment)
            if tell(cause, comment, about):
                heard.add((comment, answered))
        if (comment, author) not in heard:
            cause = Cause(author, NotificationKind.COMMENT, actor, post, comment)
            if tell(cause, comment):
                heard.add((comment, author))
    for user, actor, post, comment, since in await world.rows(
        "SELECT m.user_id, COALESCE(c.author_id, p.author_id), p.id, m.comment_id, m.since "
        "FROM mentions m JOIN posts p ON p.id = m.post_id "
        "LEFT JOIN comments c ON c.id = m.comment_id WHERE p.deleted = 0"
    ):
        if (comment, user) not in heard:
            tell(Cause(user, NotificationKind.MENTION, actor, post, comment), since, comment)
    return result


async def expected_mentions(world: Social) -> set[tuple[int, int, int]]:
    """Of the texts that there are: (post, comment, user)."""
    texts = await world.rows("SELECT id, 0, text FROM posts")
    texts += await world.rows("SELECT post_id, id, text FROM comments")
    return {
        (post, comment, int(name.removeprefix("user")))
        for post, comment, text in texts
        for name in mentioned(text)
        if name in {f"user{user}" for user in USERS}
    }


async def expected_groups(world: Social) -> list[tuple[Any, ...]]:
    """The notifications that gather these, each from one look of its user to the next."""
    entries = await world.entries()
    at_ms = {entry.position: entry.at_ms for entry in entries}
    looks = {
        user: [
            entry.position
            for entry in entries
            if entry.kind is Kind.NOTIFICATIONS_SEEN and entry.stream.id == user
        ]
        for user in USERS
    }
    groups: defaultdict[tuple[int, ...], list[tuple[int, int, int]]] = defaultdict(list)
    for cause, deed in (await expected_causes(world)).items():
        stretch = sum(look < deed.position for look in looks[cause.user_id])
        key: tuple[int, ...] = (cause.user_id, cause.kind, cause.post_id, deed.about, stretch)
        groups[key].append((deed.position, cause.actor_id, cause.comment_id))
    result: list[tuple[Any, ...]] = []
    for of, deeds in groups.items():
        deeds.sort(reverse=True)
        actors = list(dict.fromkeys(actor for _, actor, _ in deeds))
        recent = " ".join(map(str, actors[:3]))
        latest, _, comment = deeds[0]
        result.append((*of[:4], len(actors), recent, latest, at_ms[latest], comment))
    return sorted(result)


async def present_groups(world: Social) -> list[tuple[Any, ...]]:
    return sorted(
        await world.rows(
            "SELECT user_id, kind, post_id, about_id, actors, recent, latest, latest_ms, "
            "comment_id FROM notification_groups"
        )
    )


async def present_causes(world: Social) -> dict[Cause, int]:
    return {
        Cause(row[0], NotificationKind(row[1]), *row[2:5]): row[5]
        for row in await world.rows(
            "SELECT user_id, kind, actor_id, post_id, comment_id, position FROM notification_causes"
        )
    }


async def check_counts(world: Social) -> None:
    posts, people = await expected_counts(world)
    found = await world.rows("SELECT post_id, likes, comments FROM post_counts")
    assert {row for row in found if any(row[1:])} == posts
    found = await world.rows("SELECT user_id, posts, followers, followings FROM user_counts")
    assert {row for row in found if any(row[1:])} == people
    found = await world.rows("SELECT comment_id, replies FROM comment_counts WHERE replies > 0")
    replies = "SELECT reply_to, COUNT(*) FROM comments WHERE deleted = 0 AND reply_to > 0 "
    assert set(found) == set(await world.rows(replies + "GROUP BY reply_to"))


async def check(world: Social) -> None:
    home = await world.rows("SELECT user_id, post_id, author_id FROM timeline_posts")
    assert set(home) == await expected_home(world)
    await check_counts(world)
    found = await world.rows("SELECT post_id, comment_id, user_id FROM mentions")
    assert set(found) == await expected_mentions(world)
    causes = await expected_causes(world)
    assert await present_causes(world) == {cause: deed.position for cause, deed in causes.items()}
    assert await present_groups(world) == await expected_groups(world)
    found = await world.rows("SELECT user_id, muted FROM notification_receivers WHERE muted > 0")
    muted = await world.rows("SELECT user_id, muted FROM notification_settings WHERE muted > 0")
    assert set(found) == set(muted)
    found = await world.rows("SELECT user_id, held FROM notification_receivers WHERE held > 0")
    assert set(found) == set(
        await world.rows("SELECT user_id, COUNT(*) FROM notification_groups GROUP BY user_id")
    )


async def check_devices(world: Social, devices: Devices) -> None:
    for user in USERS:
        fresh = await world.told(user)
        assert devices.shown(user) == [_shown(one, one.seen) for one in fresh]
        assert await world.store.read(unseen, user) == sum(not one.seen for one in fresh)


@settings(max_examples=50)
@given(seeds)
def test_projections_equal_the_state_and_what_devices_were_told(
    open_store: OpenStore, seed: int
) -> None:
    async def main() -> None:
        async with social(open_store) as world:
            told = Story(world)
            for part in story(seed):
                await told.tell(part)
            await told.finish()
            await check(world)
            await check_devices(world, told.devices)
            # A device that resumes from the start hears only of what there is.
            late = Devices()
            entries = await world.entries()
            await world.store.read(hydrate, entries)
            late.receive(entries)
            await check_devices(world, late)

    trio.run(main)


@settings(max_examples=15)
@given(seeds, st.sampled_from((1, 3, 500)))
def test_projections_run_again_from_the_start_come_to_the_same(
    open_store: OpenStore, seed: int, limit: int
) -> None:
    async def main() -> None:
        async with social(open_store) as world:
            told = Story(world)
            for part in story(seed):
                await told.tell(part)
            await told.finish()
            # Counters are sums, so they start from nothing. The others may find their rows there.
            sums = ("post_counts", "user_counts", "comment_counts")
            groups = ("notification_groups", "notification_causes", "notification_receivers")
            for tables in (sums, (*sums, *groups)):
                for table in tables:
                    await world.run(f"DELETE FROM {table}")
                await world.run("DELETE FROM offsets")
                head = await world.head()
                await world.project(limit)
                await check(world)
                if tables == sums:  # what is there already is not told again
                    assert await world.head() == head

    trio.run(main)


async def test_the_oracle_is_not_blind(world: Social) -> None:
    """A row too many or too few is seen."""

    post = await world.post()
    await world.like(USERS[1], post.id)
    await world.follow(USERS[1], USERS[0])
    await world.project()
    await check(world)
    assert len(await expected_causes(world)) == 2
    assert await expected_causes(world) != {}
    assert await expected_home(world) == {
        (USERS[0], post.id, USERS[0]),
        (USERS[1], post.id, USERS[0]),
    }
    assert await expected_counts(world) == (
        {(post.id, 1, 0)},
        {(USERS[0], 1, 1, 0), (USERS[1], 0, 0, 1)},
    )
    assert [row[:2] for row in await expected_groups(world)] == [
        (USERS[0], NotificationKind.LIKE),
        (USERS[0], NotificationKind.FOLLOW),
    ]
    assert all(row[7] > START_MS for row in await expected_groups(world))
