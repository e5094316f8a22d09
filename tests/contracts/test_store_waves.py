"""A batch, applied wave by wave and kind by kind, leaves what its changes leave one by one."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from store.changes.accounts import UpdateProfile
from store.changes.base import Change, Op
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
from store.changes.notifications import MuteKind
from store.changes.posts import CreatePost, DeletePost, EditPost
from store.changes.rooms import AddMembers, CreateGroup, OpenDirect, RemoveMember, UpdateRoom
from store.changes.waves import waves
from store.errors import DomainError
from store.records import (
    FileKind,
    MediaFile,
    MotionRecord,
    MotionState,
    NotificationKind,
    Purpose,
)
from store.transaction import Row
from tests.contracts.backends import OpenStore
from tests.contracts.examples import EXAMPLES
from tests.contracts.statements import everything
from tests.store.social import ANN, BEN, CAT, USERS, Social, social

SEEDS = st.integers(0, 1 << 32)


class Pool:
    """Changes at random, of few rows, so that they meet."""

    def __init__(self, seed: int, rooms: list[int], posts: list[int], known: list[int]) -> None:
        self._chance = random.Random(seed)
        self._rooms, self._posts, self._known = rooms, posts, known

    def batch(self) -> list[Change[Any]]:
        return [self.change() for _ in range(self._chance.randint(2, 15))]

    def change(self) -> Change[Any]:
        make = self._chance.choice(self._makers())
        change = make(None)
        if self._chance.random() < 0.7:
            return change
        # Few keys: some are used again, often for another request.
        digest = hashlib.blake2b(repr(change).encode(), digest_size=16).digest()
        return make(Op(scope="u:1", key=bytes([self._chance.randrange(4)]), digest=digest))

    def _makers(self) -> list[Callable[[Op | None], Change[Any]]]:
        one = self._chance.choice
        user, other = one(USERS), one(USERS)
        room, post, row = one(self._rooms), one(self._posts), one(self._known)
        media = f"{one((1, 2)):032x}"
        text = one(("", "a", "b"))
        flag, number = one((True, False)), one((0, 1, 2, 3, 50))
        purpose, username = one((Purpose.POST, Purpose.CHAT)), one(("x.y", "XYZ"))
        client = bytes([one((1, 2, 3))])
        return [
            *[
                lambda op: SendMessage(
                    op=op,
                    sender_id=user,
                    room_id=room,
                    client_id=client,
                    text=text,
                    media_ids=(media,) if flag else (),
                    reply_to=row if number > 2 else 0,
                )
            ]
            * 4,
            *[lambda op: MovePointer(op=op, user_id=user, room_id=room, number=number, seen=flag)]
            * 4,
            lambda op: EditMessage(op=op, user_id=user, message_id=row, text=text),
            lambda op: DeleteMessage(op=op, user_id=user, message_id=row),
            lambda op: HideMessage(op=op, user_id=user, message_id=row),
            lambda op: AddMembers(op=op, user_id=user, room_id=room, user_ids=(other, user)),
            lambda op: RemoveMember(op=op, user_id=user, room_id=room, target_id=other),
            lambda op: UpdateRoom(op=op, user_id=user, room_id=room, title=text),
            lambda op: OpenDirect(op=op, user_id=user, peer_id=other),
            lambda op: CreateGroup(op=op, user_id=user, title="new", user_ids=(other,)),
            lambda op: SetLike(op=op, user_id=user, post_id=post, liked=flag),
            lambda op: SetFollow(op=op, follower_id=user, followee_id=other, following=flag),
            # Rarely, or nobody would be left to anybody.
            lambda op: SetBlock(op=op, blocker_id=user, blocked_id=other, blocked=number == 50),
            lambda op: AddComment(
                op=op, user_id=user, post_id=post, text=text, reply_to=row if flag else 0
            ),
            lambda op: EditComment(op=op, user_id=user, comment_id=row, text=text),
            lambda op: DeleteComment(op=op, user_id=user, comment_id=row),
            lambda op: CreatePost(
                op=op, author_id=user, text=text, media_ids=(media,) if flag else ()
            ),
            lambda op: EditPost(op=op, user_id=user, post_id=post, text=text),
            lambda op: DeletePost(op=op, user_id=user, post_id=post),
            lambda op: MuteKind(op=op, user_id=user, kind=NotificationKind.LIKE, muted=flag),
            lambda op: UpdateProfile(op=op, user_id=user, name=text, username=username),
            lambda op: ReserveMedia(op=op, owner_id=user, media_id=media, purpose=purpose, size=9),
            lambda op: StoreMedia(
                op=op,
                media_id=media,
                blob_hash=b"b" * 32,
                size=9,
                mime="image/png",
                width=1,
                height=1,
                color="#000000",
                thumbhash=b"looks like",
                motion=MotionRecord(duration_ms=1, state=MotionState.PREPARING) if flag else None,
            ),
            lambda op: SettlePreparation(
                op=op,
                source=b"b" * 32,
                files=(MediaFile(digest=b"i" * 32, kind=FileKind.INDEX, size=number),)
                if flag
                else (),
            ),
            lambda op: DropTicket(op=op, media_id=media),
        ]


async def furnish(world: Social) -> tuple[list[int], list[int], list[int]]:
    """Rooms, posts, and the ids of messages and comments; the same each time."""
    group = await world.do(CreateGroup(user_id=ANN, title="boats", user_ids=(BEN, CAT)))
    direct = await world.do(OpenDirect(user_id=ANN, peer_id=BEN))
    posts = [(await world.post(author)).id for author in (ANN, BEN)]
    known = [(await world.comment(BEN, posts[0])).id, (await world.comment(ANN, posts[0])).id]
    for sender, room in ((ANN, group), (BEN, group), (BEN, direct)):
        change = SendMessage(
            sender_id=sender, room_id=room, client_id=f"{room}:{sender}".encode(), text="ahoy"
        )
        known.append((await world.do(change)).id)
    return [group, direct], posts, known


async def state(world: Social) -> dict[str, list[Row]]:
    """Every table; of the log all but the marks of the commits, which are random."""
    tables = await everything(world.store)
    del tables["log_head"]  # its epoch is random
    del tables["unlogged_batches"]  # nothing but marks
    tables["log"] = await world.rows(
        "SELECT position, kind, stream_kind, stream_id, sequence, actor_id, subject_id, other_id, "
        "at_ms FROM log ORDER BY position"
    )
    return tables


def told(outcome: Any) -> tuple[object, ...]:
    """An outcome, comparable: errors by what they say."""
    if isinstance(outcome, DomainError):
        return type(outcome), str(outcome), outcome.details
    return (outcome,)


@settings(max_examples=25)
@given(SEEDS)
def test_a_batch_leaves_what_its_changes_leave_one_by_one(open_store: OpenStore, seed: int) -> None:
    """In the order of the waves; `tests/store/test_waves.py` says what that order keeps."""

    async def main() -> None:
        async with social(open_store) as together, social(open_store) as alone:
            pool = Pool(seed, *await furnish(together))
            await furnish(alone)
            for _ in range(2):
                changes = pool.batch()
                order = [n for wave in waves(changes) for group in wave.values() for n in group]
                assert sorted(order) == list(range(len(changes)))
                batch = await together.commit(*changes)
                alone.now_ms = together.now_ms
                for index in order:
                    one = await alone.store.commit([changes[index]], alone.now_ms)
                    assert told(batch.outcomes[index]) == told(one.outcomes[0])
                    assert batch.replayed[index] == one.replayed[0]
                assert await together.head() == await alone.head()
                assert await state(together) == await state(alone)

    trio.run(main)


async def test_the_pool_knows_every_change_but_those_of_sessions(world: Social) -> None:
    """And most of what it makes is made, so that the test above looks at something."""
    pool = Pool(1, *await furnish(world))
    kinds, made = set(), 0
    for _ in range(40):
        changes = pool.batch()
        kinds |= {type(change) for change in changes}
        outcomes = (await world.commit(*changes)).outcomes
        made += sum(not isinstance(outcome, DomainError) for outcome in outcomes)
    missing = {kind.__name__ for kind in EXAMPLES.keys() - kinds}
    assert missing == {
        *("SignUp", "SignInWithCode", "SignInWithPassword"),
        *("RotateToken", "RevokeSessions", "SetPassword", "MarkSeen"),
    }
    assert made > 50
