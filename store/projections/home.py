"""Home timelines: who publishes, follows and deletes decides what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from store.log import Entry, Kind
from store.projections.base import Hint, HomeHint, Projection
from store.projections.fan_outs import FanOuts
from store.projections.timelines import TimelineLimits, Timelines
from store.queries.follows import followed_since
from store.queries.posts import heads
from store.transaction import Transaction

FILLS_AT_ONCE = 5
FAN_OUTS_AT_ONCE = 500  # rows: of the small ones


class HomeProjection(Projection):
    """Keeps the timelines of users who are about: every post of those whom they follow is pushed
    into them, but for those of authors with very many followers, which are pulled when a timeline
    is read (see `store.queries.timelines`). Who comes back after long finds his timeline by pull
    too, until it is filled.

    What does not fit into one step is left, and carried on with between the steps: no author and
    no follower holds up the others.

    The state that it reads may be newer than its entries. It counts only follows that still
    hold; of one that has ended, or ended and begun again, a later entry will tell.
    """

    name: ClassVar[str] = "home"
    kinds: ClassVar[frozenset[Kind]] = frozenset(
        {
            Kind.USER_CREATED,
            Kind.SESSION_CREATED,
            Kind.POST_CREATED,
            Kind.POST_DELETED,
            Kind.FOLLOWED,
            Kind.UNFOLLOWED,
        }
    )

    step: ClassVar[int] = 50
    """Few, because a follow brings as many posts as a timeline keeps."""

    replayable: ClassVar[bool] = True
    tables: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "timelines": ("generation", "user_id"),
        "timeline_posts": ("generation", "user_id", "post_id"),
        "pulled_posts": ("generation", "author_id", "post_id"),
        "pulled_authors": ("generation", "author_id"),
        "fan_outs": ("generation", "post_id"),
    }

    def __init__(self, limits: TimelineLimits | None = None) -> None:
        self._limits = limits or TimelineLimits()

    @staticmethod
    def key(entry: Entry) -> str:
        """A follow, a post, or a user."""
        if entry.kind in (Kind.FOLLOWED, Kind.UNFOLLOWED):
            return f"{entry.actor_id}>{entry.subject_id}"
        if entry.kind in (Kind.POST_CREATED, Kind.POST_DELETED):
            return f"p{entry.subject_id}"
        return f"u{entry.stream.id}"

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        of: dict[Kind, list[Entry]] = {kind: [] for kind in self.kinds}
        for entry in entries:
            of[entry.kind].append(entry)
        timelines = Timelines(tx, generation, self._limits)
        fan_outs = FanOuts(tx, generation, self._limits)
        await timelines.end_idle(entries[-1].at_ms)
        await timelines.begin({e.subject_id: e.at_ms for e in of[Kind.USER_CREATED]})
        await timelines.want({e.stream.id: e.at_ms for e in of[Kind.SESSION_CREATED]})
        # Within a step the order of the kinds is nearly free: rows that a later entry of the log
        # removes are never inserted, for the state that is read has seen it already.
        await timelines.leave((e.actor_id, e.subject_id) for e in of[Kind.UNFOLLOWED])
        posts = await heads(tx, (e.subject_id for e in of[Kind.POST_CREATED]))
        there = await fan_outs.publish(
            {post_id: head.author_id for post_id, head in posts.items() if not head.deleted}
        )
        await fan_outs.erase({e.subject_id: e.stream.id for e in of[Kind.POST_DELETED]})
        # Only now it is known which posts are pulled.
        followed = {(e.actor_id, e.subject_id): e.position for e in of[Kind.FOLLOWED]}
        since = await followed_since(tx, followed)
        await timelines.join(
            {pair: position for pair, position in followed.items() if since.get(pair) == position}
        )
        return await _hints(tx, there)

    async def seed(
        self, tx: Transaction, generation: int, after: int, up_to: int, now_ms: int
    ) -> None:
        """Who is about is to get a timeline, which is filled later; authors with very many
        followers are pulled, whatever was decided of their posts before."""
        await FanOuts(tx, generation, self._limits).seed(after, up_to)
        await Timelines(tx, generation, self._limits).seed(after, up_to, now_ms)

    async def left(self, tx: Transaction, generation: int) -> bool:
        fan_outs = FanOuts(tx, generation, self._limits)
        timelines = Timelines(tx, generation, self._limits)
        return bool(await fan_outs.first(1) or await timelines.unfilled(1))

    async def carry_on(
        self, tx: Transaction, generation: int, position: int, *, alone: bool
    ) -> list[Hint]:
        timelines = Timelines(tx, generation, self._limits)
        users = await timelines.unfilled(1 if alone else FILLS_AT_ONCE)
        await timelines.fill(users, position)
        if alone and users:
            return []
        fan_outs = FanOuts(tx, generation, self._limits)
        return await _hints(tx, await fan_outs.carry_on(1 if alone else FAN_OUTS_AT_ONCE))

    async def give_up(self, tx: Transaction, generation: int) -> int:
        """A timeline that cannot be filled is read by pull: nothing is lost with it."""
        timelines = Timelines(tx, generation, self._limits)
        users = await timelines.unfilled(1)
        await timelines.end(users)
        return 0 if users else await FanOuts(tx, generation, self._limits).give_up()


async def _hints(tx: Transaction, posts: Sequence[int]) -> list[Hint]:
    """One hint an author, with the newest of his posts."""
    newest = {
        head.author_id: post_id
        for post_id, head in sorted((await heads(tx, posts)).items())
        if not head.deleted
    }
    return [HomeHint(author_id=author, post_id=post_id) for author, post_id in newest.items()]
