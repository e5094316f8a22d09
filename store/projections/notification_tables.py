"""Groups of notifications in their tables: what a step needs of them, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from store.log import Entry, Kind, Stream, WriteTransaction
from store.projections.causes import Cause, Telling, text_of
from store.projections.grouping import NAMED, Deed, Face, Group, Grouping, Key, Receiver
from store.projections.sweeping import forget, sweep
from store.records import NotificationKind, RemovedRecord
from store.transaction import Row, Transaction, Value

KEPT = 500  # notifications of a user; of more the oldest are taken back
STREAMS_AT_ONCE = 500
GROUPS_AT_ONCE = 50

GROUP = (
    "id, user_id, kind, post_id, about_id, opened, closed, actors, recent, latest, latest_ms, "
    "comment_id, changed"
)

Told = Sequence[tuple[Entry, Sequence[Telling]]]


async def load(tx: Transaction, told: Told) -> Grouping:
    """The groups that entries may concern, and the causes."""
    causes = await _causes(tx, [entry for entry, _ in told])
    open_for = {(one.post_id, one.user_id): None for _, those in told for one in those}
    gone = [entry.subject_id for entry, _ in told if entry.kind is Kind.POST_DELETED]
    ids = list(dict.fromkeys(one[0] for one in causes.values()))
    found = await tx.rows_many(
        [
            (f"SELECT {GROUP} FROM notification_groups WHERE {where}", params)
            for where, params in (
                ("id IN " + tx.dialect.in_list(len(ids)), ids),
                (
                    "closed = 0 AND (post_id, user_id) IN " + tx.dialect.in_pairs(len(open_for)),
                    [value for pair in open_for for value in pair],
                ),
                ("post_id IN " + tx.dialect.in_list(len(gone)), gone),
            )
            if params
        ]
    )
    groups = {row[0]: _group(row) for rows in found for row in rows}
    grouping = Grouping()
    for group in groups.values():
        grouping.load(group)
    for cause, (group_id, position, at_ms) in causes.items():
        if group_id in groups:  # else it is gone, and to be swept away
            grouping.load_cause(cause, Deed(groups[group_id], position, at_ms))
    concerned = {group.key.user_id for group in groups.values()}
    concerned.update(user_id for _, user_id in open_for)
    concerned.update(e.stream.id for e, _ in told if e.kind is Kind.NOTIFICATION_SETTINGS)
    grouping.receivers = await _receivers(tx, list(concerned))
    return grouping


async def _receivers(tx: Transaction, user_ids: Sequence[int]) -> dict[int, Receiver]:
    if not user_ids:
        return {}
    found = await tx.rows(
        "SELECT user_id, muted, held FROM notification_receivers WHERE user_id IN "
        + tx.dialect.in_list(len(user_ids)),
        user_ids,
    )
    return {user_id: Receiver() for user_id in user_ids} | {
        user_id: Receiver(muted, held, (muted, held)) for user_id, muted, held in found
    }


async def _causes(tx: Transaction, entries: Sequence[Entry]) -> dict[Cause, tuple[int, int, int]]:
    """The causes that the entries may concern: (notification, position, time) of each."""
    acted: dict[tuple[int, int], None] = {}  # (post, actor)
    followed: dict[tuple[int, int], None] = {}  # (actor, user)
    apart: dict[tuple[int, int], None] = {}  # (actor, user)
    for entry in entries:
        if entry.kind in (Kind.POST_LIKED, Kind.POST_UNLIKED):
            acted[entry.subject_id, entry.actor_id] = None
        elif entry.kind in (Kind.FOLLOWED, Kind.UNFOLLOWED):
            followed[entry.actor_id, entry.subject_id] = None
        elif entry.kind is Kind.BLOCKED:
            apart[entry.actor_id, entry.subject_id] = None
            apart[entry.subject_id, entry.actor_id] = None
        elif text := text_of(entry):
            acted[text.post_id, entry.stream.id] = None
    found = await tx.rows_many(
        [
            (
                "SELECT user_id, kind, actor_id, post_id, comment_id, notification_id, position, "
                f"at_ms FROM notification_causes WHERE {where} IN "
                + tx.dialect.in_pairs(len(pairs)),
                [value for pair in pairs for value in pair],
            )
            for where, pairs in (
                ("(post_id, actor_id)", acted),
                ("post_id = 0 AND (actor_id, user_id)", followed),
                ("(actor_id, user_id)", apart),
            )
            if pairs
        ]
    )
    return {
        Cause(row[0], NotificationKind(row[1]), *row[2:5]): tuple(row[5:])
        for rows in found
        for row in rows
    }


def _group(row: Row) -> Group:
    """A row of `GROUP`."""
    face = Face(row[7], tuple(map(int, row[8].split())), *row[9:12])
    key = Key(row[1], NotificationKind(row[2]), row[3], row[4])
    return Group(key, row[5], id=row[0], closed=row[6], face=face, told=face, told_at=row[12])


async def save(tx: WriteTransaction, grouping: Grouping) -> None:
    """Writes what has become of the groups, and tells of each that has changed."""
    await tx.run_many(
        "UPDATE notification_groups SET closed = ? WHERE user_id = ? AND closed = 0 AND opened < ?",
        [(position, user_id, position) for user_id, position in grouping.looks],
    )
    changed = [group for group in grouping.groups if group.changed]
    await _open_streams(tx, (group.key.user_id for group in changed))
    new = [group for group in changed if not group.id and group.face.actors]
    for group in new:
        group.id = await _tell(tx, group)
    await _write_causes(tx, grouping)
    await _make_faces(tx, [group for group in changed if group.stale and group.face.actors])
    old = [group for group in changed if group.id and group.told.actors]
    gone = [group for group in old if not group.face.actors]
    await _write_new(tx, new)
    await _write_again(tx, [one for one in old if one.face.actors and one.changed])
    await _take_back(tx, [(one.key.user_id, one.id, one.by) for one in gone])
    await forget(tx, [one.id for one in gone if one.key.post_id in grouping.gone_posts])
    for group in new:
        grouping.receivers[group.key.user_id].held += 1
    for group in gone:
        grouping.receivers[group.key.user_id].held -= 1
    await _keep_few(tx, grouping.receivers)
    await sweep(tx)


async def _open_streams(tx: WriteTransaction, user_ids: Iterable[int]) -> None:
    streams = [Stream.user(user_id) for user_id in dict.fromkeys(user_ids)]
    for start in range(0, len(streams), STREAMS_AT_ONCE):
        await tx.open_streams(streams[start : start + STREAMS_AT_ONCE])


async def _tell(tx: WriteTransaction, group: Group) -> int:
    """Tells of a group; returns the entry's position."""
    entry = await tx.append(
        Kind.NOTIFIED,
        Stream.user(group.key.user_id),
        actor_id=group.by,
        subject_id=group.id or None,
    )
    return entry.position


async def _write_causes(tx: WriteTransaction, grouping: Grouping) -> None:
    await tx.run_many(
        "DELETE FROM notification_causes WHERE post_id = ? AND actor_id = ? AND user_id = ? "
        "AND kind = ? AND comment_id = ?",
        [
            (one.post_id, one.actor_id, one.user_id, one.kind, one.comment_id)
            for one in grouping.ended()
        ],
    )
    await tx.run_many(
        tx.dialect.upsert(  # where one was left by a notification that is gone
            "notification_causes",
            ("post_id", "actor_id", "user_id", "kind", "comment_id"),
            ("notification_id", "position", "at_ms"),
        ),
        [
            (
                *(one.post_id, one.actor_id, one.user_id, one.kind, one.comment_id),
                *(deed.group.id, deed.position, deed.at_ms),
            )
            for one, deed in grouping.begun()
        ],
    )


async def _make_faces(tx: Transaction, groups: Sequence[Group]) -> None:
    """The faces of groups that somebody whom they named has left: by the latest deed, and the
    latest of those who come after."""
    tops: dict[int, list[Row]] = {group.id: [] for group in groups}
    for place in range(NAMED):
        unfinished = [one for one in tops if len(tops[one]) == place]
        for start in range(0, len(unfinished), GROUPS_AT_ONCE):
            few = unfinished[start : start + GROUPS_AT_ONCE]
            for row in await _next(tx, {one: [top[1] for top in tops[one]] for one in few}):
                tops[row[0]].append(row)
    for group in groups:
        top, recent = tops[group.id][0], tuple(row[1] for row in tops[group.id])
        group.face = Face(group.face.actors, recent, *top[2:])
        group.stale = False


async def _next(tx: Transaction, named: dict[int, list[int]]) -> list[Row]:
    """The latest deed in each group by somebody who is not named: its group, actor, position,
    time and comment."""
    parts: list[str] = []
    params: list[Value] = []
    for group_id, actors in named.items():
        others = f"AND actor_id NOT IN {tx.dialect.in_list(len(actors))} " if actors else ""
        parts.append(
            "SELECT * FROM (SELECT notification_id, actor_id, position, at_ms, comment_id "
            f"FROM notification_causes WHERE notification_id = ? {others}"
            f"ORDER BY position DESC LIMIT 1) one"
        )
        params += [group_id, *actors]
    return await tx.rows(" UNION ALL ".join(parts), params)


async def _write_new(tx: Transaction, groups: Sequence[Group]) -> None:
    await tx.run_many(
        f"INSERT INTO notification_groups ({GROUP}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(one.id, *one.key, one.opened, one.closed, *_columns(one.face), one.id) for one in groups],
    )


async def _write_again(tx: WriteTransaction, groups: Sequence[Group]) -> None:
    rows = [(*_columns(one.face), await _tell(tx, one), one.id) for one in groups]
    await tx.run_many(
        "UPDATE notification_groups SET actors = ?, recent = ?, latest = ?, latest_ms = ?, "
        "comment_id = ?, changed = ? WHERE id = ?",
        rows,
    )


def _columns(face: Face) -> tuple[Value, ...]:
    recent = " ".join(map(str, face.recent))
    return face.actors, recent, face.latest, face.latest_ms, face.comment_id


async def _take_back(tx: WriteTransaction, gone: Sequence[tuple[int, int, int]]) -> None:
    """Notifications by (user, id, who is the reason)."""
    for user_id, notification_id, by in gone:
        entry = await tx.append(
            Kind.UNNOTIFIED, Stream.user(user_id), actor_id=by, subject_id=notification_id
        )
        entry.record = RemovedRecord(notification_id=notification_id, changed=entry.position)
    await tx.run_many("DELETE FROM notification_groups WHERE id = ?", [(one[1],) for one in gone])


async def _keep_few(tx: WriteTransaction, receivers: Mapping[int, Receiver]) -> None:
    """Takes back the oldest of what is too much, and writes what each user has."""
    old: list[tuple[int, int, int]] = []
    for user_id, receiver in receivers.items():
        if receiver.held > KEPT:
            found = await tx.rows(
                "SELECT id FROM notification_groups WHERE user_id = ? ORDER BY latest LIMIT ?",
                (user_id, receiver.held - KEPT),
            )
            old += [(user_id, row[0], 0) for row in found]
            receiver.held = KEPT
    await _take_back(tx, old)
    await forget(tx, [one[1] for one in old])
    await tx.run_many(
        tx.dialect.upsert("notification_receivers", ("user_id",), ("muted", "held")),
        [(user_id, one.muted, one.held) for user_id, one in receivers.items() if one.changed],
    )
