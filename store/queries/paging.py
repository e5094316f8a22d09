"""Lists with the latest first: a page goes on below the key where the one before ended, so
rows added meanwhile move nothing."""

from __future__ import annotations

from collections.abc import Sequence

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


async def users_page(
    tx: Transaction, sql: str, of_id: int, before: int, limit: int
) -> tuple[list[UserRecord], int]:
    """Users by the position at which each came into a list, and the position to go on from
    (0: no more). `sql` selects (user id, changed) of the list named by one parameter."""
    found = await tx.rows(
        f"{sql} AND changed < ? ORDER BY changed DESC LIMIT ?", (of_id, below(before), limit + 1)
    )
    page, more = cut(found, limit, 1)
    users = await users_by_id(tx, (row[0] for row in page))
    return [users[row[0]] for row in page if row[0] in users], more
