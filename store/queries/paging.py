"""Lists with the latest first: a page goes on below the key where the one before ended, so
rows added meanwhile move nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from store.queries.users import users_by_id
from store.records import UserRecord
from store.transaction import Row, Transaction

_ABOVE_ALL = (1 << 63) - 1


def below(before: int) -> int:
    """The bound of a page: keys are below it. 0 begins with the latest."""
    return before or _ABOVE_ALL


def cut(rows: Sequence[Row], limit: int, key: int) -> tuple[Sequence[Row], int]:
    """The page among rows read with `limit + 1`, and the key to go on from (column `key` of
    its last row; 0: no more)."""
    page = rows[:limit]
    return page, page[-1][key] if len(rows) > limit else 0


def together(who: str) -> tuple[str, str]:
    """The joins and the condition that leave out the rows of those of whom and the viewer one
    has blocked the other; `who` is the column of the user. The joins take the viewer twice,
    before every other parameter.

    Joins, because a NOT EXISTS makes MariaDB read all blocks that there are.
    """
    return (
        "LEFT JOIN blocks mine "
        f"ON mine.blocker_id = ? AND mine.blocked_id = {who} AND mine.active = 1 "
        "LEFT JOIN blocks theirs "
        f"ON theirs.blocker_id = {who} AND theirs.blocked_id = ? AND theirs.active = 1",
        "mine.active IS NULL AND theirs.active IS NULL",
    )


class UserList(NamedTuple):
    """A table of users, into which each has come at a position, its column `changed`."""

    table: str
    of: str  # the column of what the list is of
    who: str  # the column of the user who is in it


async def users_page(
    tx: Transaction, users: UserList, of_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[UserRecord], int]:
    """The users in one of these lists, the latest first, and the position to go on from
    (0: no more); without those who are apart from the viewer."""
    joins, condition = together(f"l.{users.who}")
    found = await tx.rows(
        f"SELECT l.{users.who}, l.changed FROM {users.table} l {joins} "
        f"WHERE l.{users.of} = ? AND l.changed < ? AND {condition} "
        "ORDER BY l.changed DESC LIMIT ?",
        (viewer_id, viewer_id, of_id, below(before), limit + 1),
    )
    return await users_of_rows(tx, found, limit)


async def users_of_rows(
    tx: Transaction, rows: Sequence[Row], limit: int
) -> tuple[list[UserRecord], int]:
    """The page of users among rows (user id, position) read with `limit + 1`, and the position
    to go on from."""
    page, more = cut(rows, limit, 1)
    users = await users_by_id(tx, (row[0] for row in page))
    return [users[row[0]] for row in page if row[0] in users], more
