"""The latest of what those whom somebody follows have done, found when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from store.queries.paging import below
from store.transaction import Row, Transaction, Value

PEOPLE_AT_ONCE = 50


class Deeds(NamedTuple):
    """Rows that people have made, of which those of each are found in their order by an index:
    in a statement `q`."""

    table: str
    id: str
    by: str
    """The columns of the position at which a row was made, and of who made it."""
    where: str = "1 = 1"
    """Which rows count."""
    doers: str = ""
    """A join that leaves of those whom somebody follows (`f`) the ones who have made any."""
    params: tuple[Value, ...] = ()
    """For the one condition as for the other."""
    columns: tuple[str, ...] = ()
    """What is wanted beside."""


async def pull(
    tx: Transaction,
    deeds: Deeds,
    user_id: int,
    before: int,
    limit: int,
    *,
    floor: int = 0,
    own: bool = False,
) -> list[Row]:
    """The latest of these deeds of the people whom a user follows, at positions between `floor`
    and `before` (0: from the latest), each as (position, who, …); with `own`, his too.

    Costs a look at each of those people who have any, and at most `limit` rows of as many of
    them: of whom nothing is among the latest `limit`, nothing more is read.
    """
    newest = (
        f"SELECT q.{deeds.id} FROM {deeds.table} q WHERE {deeds.where} "
        f"AND q.{deeds.by} = s.who AND q.{deeds.id} < ? AND q.{deeds.id} > ? "
        f"ORDER BY q.{deeds.id} DESC LIMIT 1"
    )
    people = f"SELECT f.followee_id AS who FROM follows f {deeds.doers} WHERE f.follower_id = ?" + (
        " UNION ALL SELECT ?" if own else ""
    )
    tops = await tx.rows(
        f"SELECT who, newest FROM (SELECT s.who, ({newest}) AS newest FROM ({people}) s) tops "
        "WHERE newest IS NOT NULL ORDER BY newest DESC LIMIT ?",
        (
            *(*deeds.params, below(before), floor),
            *(*deeds.params, user_id, *((user_id,) if own else ())),
            limit,
        ),
    )
    # The last of them has one; what is older than that is not among the latest.
    least = tops[-1][1] - 1 if len(tops) == limit else floor
    found: list[Row] = []
    for start in range(0, len(tops), PEOPLE_AT_ONCE):
        few = [row[0] for row in tops[start : start + PEOPLE_AT_ONCE]]
        found += await _of_each(tx, deeds, few, below(before), least, limit)
    return sorted(found, key=lambda row: -row[0])[:limit]


async def _of_each(
    tx: Transaction, deeds: Deeds, people: Sequence[int], before: int, least: int, limit: int
) -> list[Row]:
    columns = ", ".join(f"q.{name}" for name in (deeds.id, deeds.by, *deeds.columns))
    part = (
        f"SELECT * FROM (SELECT {columns} FROM {deeds.table} q WHERE {deeds.where} "
        f"AND q.{deeds.by} = ? AND q.{deeds.id} < ? AND q.{deeds.id} > ? "
        f"ORDER BY q.{deeds.id} DESC LIMIT ?) one"
    )
    return await tx.rows(
        " UNION ALL ".join([part] * len(people)),
        [value for one in people for value in (*deeds.params, one, before, least, limit)],
    )
