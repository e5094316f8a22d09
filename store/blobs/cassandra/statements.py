"""The statements, prepared once a connection."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from store.blobs.cassandra.session import Cassandra

_CQL = {
    "write": "INSERT INTO {k}.chunks (generation, part, chunk, digest, data) "
    "VALUES (?, ?, ?, ?, ?)",
    "chunk": "SELECT digest, data FROM {k}.chunks WHERE generation = ? AND part = ? AND chunk = ?",
    "drop": "DELETE FROM {k}.chunks WHERE generation = ? AND part = ?",
    "manifest": "SELECT generation, size, put_ms FROM {k}.blobs WHERE digest = ?",
    "manifests": "SELECT digest, put_ms FROM {k}.blobs",
    "publish": "INSERT INTO {k}.blobs (digest, generation, size, put_ms) VALUES (?, ?, ?, ?) "
    "IF NOT EXISTS",
    "replace": "UPDATE {k}.blobs SET generation = ?, put_ms = ? WHERE digest = ? IF generation = ?",
    "renew": "UPDATE {k}.blobs SET put_ms = ? WHERE digest = ? IF generation = ?",
    "delete": "DELETE FROM {k}.blobs WHERE digest = ? IF generation = ?",
    "collect": "DELETE FROM {k}.blobs WHERE digest = ? IF generation = ? AND put_ms < ?",
    "loosen": "INSERT INTO {k}.loose (shard, generation, mark, since_ms, parts, digest) "
    "VALUES (?, ?, ?, ?, ?, ?)",
    "grow": "UPDATE {k}.loose SET parts = ? WHERE shard = ? AND generation = ? AND mark = ?",
    "fasten": "DELETE FROM {k}.loose WHERE shard = ? AND generation = ? AND mark = ?",
    "loose": "SELECT since_ms, generation, mark, parts, digest FROM {k}.loose WHERE shard = ?",
}


@dataclass(frozen=True)
class Statements:
    """See the text of each above. Those with a condition are not sent twice."""

    write: Any
    chunk: Any
    drop: Any
    manifest: Any
    manifests: Any
    publish: Any
    replace: Any
    renew: Any
    delete: Any
    collect: Any
    loosen: Any
    grow: Any
    fasten: Any
    loose: Any

    @classmethod
    async def prepare(cls, cluster: Cassandra) -> Statements:
        made = {}
        for one in fields(cls):
            cql = _CQL[one.name].format(k=cluster.address.keyspace)
            made[one.name] = await cluster.prepare(cql, repeatable=" IF " not in cql)
        return cls(**made)
