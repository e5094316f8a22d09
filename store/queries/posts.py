"""Posts as a viewer sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from store import rules
from store.errors import NotFound
from store.log import Entry
from store.projections.offsets import shown
from store.queries.blocks import between, between_two
from store.queries.likes import liked_since
from store.queries.media import media_by_id, split_ids
from store.queries.users import users_by_id
from store.records import PostRecord
from store.transaction import Transaction

POST = "id, author_id, text, media, created_ms, edited_ms, deleted, changed"


class PostHead(NamedTuple):
    """What a rule or a projection asks of a post."""

    author_id: int
    deleted: bool
    media_ids: tuple[str, ...]


async def heads(tx: Transaction, ids: Iterable[int]) -> dict[int, PostHead]:
    """The posts that exist among `ids`, deleted ones included."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT id, author_id, deleted, media FROM posts WHERE id IN "
        + tx.dialect.in_list(len(wanted)),
        wanted,
    )
    return {row[0]: PostHead(row[1], bool(row[2]), tuple(split_ids(row[3]))) for row in found}


async def hidden_posts(
    tx: Transaction, pairs: Iterable[tuple[int, int]], posts: Mapping[int, PostHead]
) -> set[tuple[int, int]]:
    """Those of the (viewer, post) of whose viewer and author one has blocked the other. `posts`
    are the heads of all that there are."""
    wanted = {pair: (pair[0], posts[pair[1]].author_id) for pair in pairs if pair[1] in posts}
    stands = await between(tx, wanted.values())
    return {pair for pair, people in wanted.items() if people in stands}


async def readable(tx: Transaction, post_id: int, viewer_id: int) -> PostHead:
    """The head of a post that the viewer may read; raises the rules' refusal of any other."""
    head = (await heads(tx, [post_id])).get(post_id)
    if head is None:
        raise NotFound("no such post")
    stands = await between_two(tx, viewer_id, head.author_id)
    if refusal := rules.read_post(deleted=head.deleted, hidden=stands.apart):
        raise refusal
    return head


async def posts_for(
    tx: Transaction, pairs: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], PostRecord]:
    """Posts by (post, viewer), deleted ones included, in a fixed number of statements."""
    wanted = list(dict.fromkeys(pairs))
    if not wanted:
        return {}
    ids = list(dict.fromkeys(post_id for post_id, _ in wanted))
    among = tx.dialect.in_list(len(ids))
    rows = {
        row[0]: row for row in await tx.rows(f"SELECT {POST} FROM posts WHERE id IN {among}", ids)
    }
    counted: dict[int, tuple[int, int]] = {
        row[0]: (row[1], row[2])
        for row in await tx.rows(
            "SELECT post_id, likes, comments FROM post_counts "
            f"WHERE generation = {shown('counters')} AND post_id IN {among}",
            ids,
        )
    }
    authors = await users_by_id(tx, (row[1] for row in rows.values()))
    media = await media_by_id(tx, (one for row in rows.values() for one in split_ids(row[3])))
    liked = await liked_since(tx, wanted)
    result = {}
    for post_id, viewer_id in wanted:
        row = rows.get(post_id)
        if row is None or row[1] not in authors:
            continue
        deleted = bool(row[6])
        likes, comments = (0, 0) if deleted else counted.get(post_id, (0, 0))
        result[post_id, viewer_id] = PostRecord(
            id=post_id,
            author=authors[row[1]],
            text=row[2],
            media=tuple(media[one] for one in split_ids(row[3]) if one in media),
            created_ms=row[4],
            edited_ms=row[5],
            deleted=deleted,
            changed=row[7],
            likes=likes,
            comments=comments,
            liked_by_viewer=not deleted and (post_id, viewer_id) in liked,
        )
    return result


async def posts_by_id(tx: Transaction, ids: Iterable[int], viewer_id: int) -> dict[int, PostRecord]:
    """Posts as one viewer sees them, deleted ones included."""
    found = await posts_for(tx, ((post_id, viewer_id) for post_id in ids))
    return {post_id: post for (post_id, _), post in found.items()}


async def post(tx: Transaction, post_id: int, viewer_id: int) -> PostRecord:
    """One post; raises the rules' refusal of one that may not be read."""
    await readable(tx, post_id, viewer_id)
    return (await posts_by_id(tx, [post_id], viewer_id))[post_id]


async def load_posts(tx: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: each post as the user whose stream it is in sees it."""
    pairs = [(entry.subject_id, entry.stream.id) for entry in entries]
    found = await posts_for(tx, pairs)
    for entry, pair in zip(entries, pairs, strict=True):
        entry.record = found.get(pair)
