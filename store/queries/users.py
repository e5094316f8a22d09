"""Users and profiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store import rules
from store.errors import DomainError, NotFound
from store.log import Entry
from store.projections.offsets import shown
from store.queries.blocks import NOTHING, between, between_two
from store.queries.media import media_by_id
from store.records import ProfileRecord, UserRecord
from store.transaction import Transaction


async def users_by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, UserRecord]:
    """The users that exist among `ids`."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT id, username, name, avatar_id FROM users WHERE id IN "
        + tx.dialect.in_list(len(wanted)),
        wanted,
    )
    avatars = await media_by_id(tx, (row[3] for row in found))
    return {
        row[0]: UserRecord(id=row[0], username=row[1], name=row[2], avatar=avatars.get(row[3]))
        for row in found
    }


async def seen_users(tx: Transaction, viewer_id: int, ids: Iterable[int]) -> dict[int, UserRecord]:
    """Those among `ids` whom the viewer may know of."""
    found = await users_by_id(tx, ids)
    stands = await between(tx, ((viewer_id, user_id) for user_id in found))
    return {
        user_id: user
        for user_id, user in found.items()
        if not rules.see_user(blocked=stands.get((viewer_id, user_id), NOTHING).blocked)
    }


async def refusal_to_meet(
    tx: Transaction, user_id: int, others: Iterable[int]
) -> DomainError | None:
    """Why a user may not deal with all of the others: follow them, write to them, see what they
    have posted."""
    wanted = list(dict.fromkeys(others))
    if len(await users_by_id(tx, wanted)) != len(wanted):
        return NotFound("no such user")
    stands = await between(tx, ((user_id, other) for other in wanted))
    refusals = [rules.meet_user(blocks=one.blocks, blocked=one.blocked) for one in stands.values()]
    # What he may not know of goes first: it must look like what there is not.
    return min(filter(None, refusals), key=lambda one: not isinstance(one, NotFound), default=None)


async def meet(tx: Transaction, user_id: int, other_id: int) -> None:
    """Raises the rules' refusal to deal with another user."""
    if refusal := await refusal_to_meet(tx, user_id, [other_id]):
        raise refusal


async def user_id_by_username(tx: Transaction, username: str) -> int | None:
    found = await tx.rows("SELECT id FROM users WHERE username_key = ?", (username.casefold(),))
    return found[0][0] if found else None


async def user_ids_by_username(tx: Transaction, names: Iterable[str]) -> dict[str, int]:
    """The users among names in lower case, by these."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT username_key, id FROM users WHERE username_key IN "
        + tx.dialect.in_list(len(wanted)),
        wanted,
    )
    return dict(found)


async def user_id_by_address(tx: Transaction, address: str) -> int | None:
    """By a normalised address."""
    found = await tx.rows("SELECT user_id FROM addresses WHERE address = ?", (address,))
    return found[0][0] if found else None


async def password_of(tx: Transaction, user_id: int) -> str:
    """The hash of a user's password; empty when there is none, or no such user."""
    found = await tx.rows("SELECT password FROM users WHERE id = ?", (user_id,))
    return found[0][0] if found else ""


async def profile(tx: Transaction, user_id: int, viewer_id: int) -> ProfileRecord | None:
    """A user's page as `viewer_id` sees it; None when he does not."""
    users = await users_by_id(tx, [user_id])
    stands = await between_two(tx, viewer_id, user_id)
    if user_id not in users or rules.see_user(blocked=stands.blocked):
        return None
    found = await tx.rows(
        "SELECT u.about, u.changed, COALESCE(c.posts, 0), COALESCE(c.followers, 0), "
        "COALESCE(c.followings, 0) "
        "FROM users u LEFT JOIN user_counts c "
        f"ON c.generation = {shown('counters')} AND c.user_id = u.id WHERE u.id = ?",
        (user_id,),
    )
    about, changed, posts, followers, followings = found[0]
    follows = await tx.rows(
        "SELECT follower_id FROM follows WHERE (follower_id, followee_id) IN "
        + tx.dialect.in_pairs(2),
        (viewer_id, user_id, user_id, viewer_id),
    )
    following = {row[0] for row in follows}
    return ProfileRecord(
        user=users[user_id],
        about=about,
        changed=changed,
        posts=posts,
        followers=followers,
        followings=followings,
        followed_by_viewer=viewer_id in following,
        follows_viewer=user_id in following,
        blocked_by_viewer=stands.blocks,
    )


async def load_profiles(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Sets each entry's profile as its owner sees it (see `hydrate`). What a user's stream
    holds is his own, so a group of entries is about few users."""
    users = dict.fromkeys(entry.stream.id for entry in entries)
    found = {user_id: await profile(tx, user_id, user_id) for user_id in users}
    for entry in entries:
        entry.record = found[entry.stream.id]
