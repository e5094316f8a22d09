"""What runs often reads few rows, however the server plans it: by the server's own count."""

from __future__ import annotations

from store.log import Entry, Kind, Stream
from store.mysql.address import Address
from store.mysql.store import MysqlStore
from store.projections import notification_tables
from store.projections.causes import Reason, Telling
from store.projections.notification_tables import Told
from store.records import NotificationKind
from store.transaction import Transaction
from tests.closing import until_the_end

LIKE, _, _, FOLLOW, _ = NotificationKind
USERS = range(1, 201)
LOOKS = range(1, 16)  # each user has a follow of old from before each of these


async def _fill(tx: Transaction) -> None:
    """Of each user an open group of follows and many closed ones, and likes of many posts: most
    posts have one group, so a server that asks for those of the post 0 expects few."""
    closed = [(user * 1000 + look, user, look) for user in USERS for look in (0, *LOOKS)]
    liked = [(user * 1000 + number, user) for user in USERS for number in range(100, 200)]
    await tx.run_many(
        "INSERT INTO notification_groups (id, user_id, kind, post_id, about_id, opened, closed, "
        "actors, recent, latest, latest_ms, comment_id, changed) "
        "VALUES (?, ?, ?, ?, 0, ?, 0, 1, '1', ?, 0, 0, ?)",
        [(one, user, int(LIKE), one, one, one, one) for one, user in liked],
    )
    await tx.run_many(
        "INSERT INTO notification_groups (id, user_id, kind, post_id, about_id, opened, closed, "
        "actors, recent, latest, latest_ms, comment_id, changed) "
        "VALUES (?, ?, ?, 0, 0, ?, ?, 1, '1', ?, 0, 0, ?)",
        [(one, user, int(FOLLOW), one, look, one, one) for one, user, look in closed],
    )
    await tx.run_many(
        "INSERT INTO notification_causes (post_id, actor_id, user_id, kind, comment_id, "
        "notification_id, position, at_ms) VALUES (0, ?, ?, ?, 0, ?, ?, 0)",
        [(1000 + look, user, int(FOLLOW), one, one) for one, user, look in closed],
    )


async def _analyze(tx: Transaction) -> None:
    await tx.rows("ANALYZE TABLE notification_groups, notification_causes")


async def _rows_read(tx: Transaction) -> int:
    found = await tx.rows("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(row[1]) for row in found)


async def _load(tx: Transaction, told: Told) -> int:
    before = await _rows_read(tx)
    grouping = await notification_tables.load(tx, told)
    assert len(grouping.groups) == len(USERS)
    return await _rows_read(tx) - before


def _entry(kind: Kind, subject_id: int) -> Entry:
    return Entry(
        position=1 << 40,
        at_ms=0,
        kind=kind,
        stream=Stream.user(5000),
        sequence=1,
        actor_id=5000,
        subject_id=subject_id,
    )


async def test_a_step_of_notifications_reads_what_it_concerns(address: Address) -> None:
    store = until_the_end(await MysqlStore.open(address, readers=1))
    await store.write(_fill)
    await store.write(_analyze)
    told = [
        (_entry(kind, subject), [Telling(user, 5000, (Reason(of),), post)])
        for user in USERS
        for kind, subject, of, post in (
            (Kind.FOLLOWED, user, FOLLOW, 0),
            (Kind.POST_LIKED, 10_000 + user, LIKE, 10_000 + user),
        )
    ]
    # Three questions of 200 or 400 pairs each, every pair read a few times on its way.
    assert await store.read(_load, told) < 20 * len(told)
