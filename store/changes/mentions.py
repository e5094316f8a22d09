"""Whom texts mention: written with the text, so that a name is looked up once, when it is said.

Who takes or drops a name in the same batch may be found or missed: the two are not put in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from store.log import WriteTransaction
from store.mentions import mentioned
from store.queries.users import user_ids_by_username


class Said(NamedTuple):
    """A text of a comment or, with `comment_id` 0, of a post; `position` of the change."""

    post_id: int
    comment_id: int
    text: str
    position: int


async def write_mentions(tx: WriteTransaction, said: Sequence[Said]) -> None:
    """Of texts that are new."""
    named = [(one, names) for one in said if (names := mentioned(one.text))]
    if not named:
        return
    ids = await user_ids_by_username(tx, (name for _, names in named for name in names))
    await _insert(tx, ((one, _known(names, ids)) for one, names in named))


async def rewrite_mentions(tx: WriteTransaction, said: Said) -> None:
    """Of a text that has changed: who is still mentioned is so since he was first."""
    names = mentioned(said.text)
    now = _known(names, await user_ids_by_username(tx, names))
    where = (said.post_id, said.comment_id)
    found = await tx.rows(
        "SELECT user_id FROM mentions WHERE post_id = ? AND comment_id = ?", where
    )
    before = {row[0] for row in found}
    await tx.run_many(
        "DELETE FROM mentions WHERE post_id = ? AND comment_id = ? AND user_id = ?",
        [(*where, user_id) for user_id in before.difference(now)],
    )
    await _insert(tx, [(said, [user_id for user_id in now if user_id not in before])])


async def remove_mentions(tx: WriteTransaction, post_id: int, comment_id: int = 0) -> None:
    """Of a text that is gone."""
    await tx.run("DELETE FROM mentions WHERE post_id = ? AND comment_id = ?", (post_id, comment_id))


def _known(names: Iterable[str], ids: Mapping[str, int]) -> list[int]:
    return [ids[name] for name in names if name in ids]


async def _insert(tx: WriteTransaction, said: Iterable[tuple[Said, Sequence[int]]]) -> None:
    await tx.run_many(
        "INSERT INTO mentions (post_id, comment_id, user_id, since) VALUES (?, ?, ?, ?)",
        [
            (one.post_id, one.comment_id, user_id, one.position)
            for one, user_ids in said
            for user_id in user_ids
        ],
    )
