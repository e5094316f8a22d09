"""The tables, and why they are so.

    chunks  a blob's bytes, 256 KiB a row, 64 rows a partition: no partition exceeds 16 MiB, and
            a range of bytes names its rows by arithmetic. Each row has a digest over its place
            and its bytes. Not compressed: media is already. Not repaired by Cassandra when it
            is read: of two copies with one time it takes the greater for the right one.
    blobs   which generation of chunks is a digest's. Written last, by lightweight transactions
            alone: it makes a blob exist, and no two writers disagree.
    loose   generations of which no blob may be in need: on their way in, replaced, or deleted.
            Written before the chunks, or before the blob goes, so that whatever happens to a
            writer its chunks are found. Each who writes has a row of his own, his mark, which
            he may take back without taking another's.

Chunks belong to a generation, which is never used again: a delete that comes late cannot hide
the same bytes put anew.
"""

from __future__ import annotations

from cassandra import InvalidRequest

from store.blobs.cassandra.address import Address
from store.blobs.cassandra.session import Cassandra
from store.errors import Incompatible, NoTables

_KEYSPACE = (
    "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
    "{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replication}}}"
)
_TABLES = (
    "CREATE TABLE IF NOT EXISTS {keyspace}.chunks (generation uuid, part int, chunk int, "
    "digest blob, data blob, PRIMARY KEY ((generation, part), chunk)) "
    "WITH compression = {{'enabled': false}} AND read_repair = 'NONE'",
    "CREATE TABLE IF NOT EXISTS {keyspace}.blobs (digest blob PRIMARY KEY, generation uuid, "
    "size bigint, put_ms bigint)",
    "CREATE TABLE IF NOT EXISTS {keyspace}.loose (shard int, generation uuid, mark uuid, "
    "since_ms bigint, parts int, digest blob, PRIMARY KEY (shard, generation, mark))",
)


async def create(cluster: Cassandra) -> None:
    """Makes what is missing. Not to be run by two at once: they might make two tables of one
    name."""
    address = cluster.address
    for statement in (_KEYSPACE, *_TABLES):
        await cluster.run(
            statement.format(keyspace=address.keyspace, replication=address.replication)
        )


async def check(cluster: Cassandra) -> None:
    """Raises `Incompatible` where the tables are not there."""
    try:
        for table in ("chunks", "blobs", "loose"):
            await cluster.run(f"SELECT * FROM {cluster.address.keyspace}.{table} LIMIT 1")
    except Incompatible as error:
        if isinstance(error.__cause__, InvalidRequest):
            raise missing(cluster.address) from error
        raise


def missing(address: Address) -> NoTables:
    return NoTables(
        f"Cassandra at {address} has no tables for blobs: run `python -m realtime migrate`"
    )
