"""Whom texts mention."""

from __future__ import annotations

from collections.abc import Iterable

from store.transaction import Transaction


async def mentioned_since(
    tx: Transaction, texts: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], dict[int, int]]:
    """The users whom each text (post, comment; comment 0: the post itself) mentions, and the
    position since which it does; texts that mention nobody are left out."""
    wanted = list(dict.fromkeys(texts))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT post_id, comment_id, user_id, since FROM mentions WHERE (post_id, comment_id) IN "
        + tx.dialect.in_pairs(len(wanted)),
        [value for text in wanted for value in text],
    )
    result: dict[tuple[int, int], dict[int, int]] = {}
    for post_id, comment_id, user_id, since in found:
        result.setdefault((post_id, comment_id), {})[user_id] = since
    return result
