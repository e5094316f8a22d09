"""What is wrong with how a database server is set up (pure): for who starts on it, and for who
looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from store.errors import Incompatible, StoreError, Unavailable
from store.mysql.address import Address
from store.mysql.dialect import Flavour

# MariaDB's first version whose statements on the schema survive a crash whole; MySQL's first
# with tables of literal rows, and a collation that tells trailing spaces apart.
LEAST = {Flavour.MARIADB: (10, 6, 0), Flavour.MYSQL: (8, 0, 19)}
NAMES = {Flavour.MARIADB: "MariaDB", Flavour.MYSQL: "MySQL"}
LEAST_PACKET = 16 << 20  # bytes
LEAST_POOL = 128 << 20  # bytes
FEW_CONNECTIONS = 100

VARIABLES = (
    "version",
    "sql_mode",
    "max_allowed_packet",
    "log_bin",
    "binlog_format",
    "sync_binlog",
    "innodb_flush_log_at_trx_commit",
    "innodb_doublewrite",
    "innodb_buffer_pool_size",
    "max_connections",
    "read_only",
    "wsrep_on",
)
"""Global ones. A server that does not know one does not say it."""


class Flaw(NamedTuple):
    """`fatal` is what keeps a server from using the database, None where it is only unwise."""

    fatal: type[StoreError] | None
    what: str
    todo: str

    def __str__(self) -> str:
        return f"{self.what}: {self.todo}"


def judge(
    address: Address, flavour: Flavour, characters: str, values: Mapping[str, str]
) -> Iterator[Flaw]:
    """The worst first. `characters` is the database's character set."""
    version = version_of(values["version"])
    if version < LEAST[flavour]:
        least = ".".join(map(str, LEAST[flavour]))
        yield Flaw(
            Incompatible,
            f"the database {address} is {NAMES[flavour]} {'.'.join(map(str, version))}, which is "
            "too old",
            f"{least} is the least",
        )
    if characters != "utf8mb4":
        yield Flaw(
            Incompatible,
            f"the database {address} has the character set {characters}",
            f"change it with ALTER DATABASE {address.database} CHARACTER SET utf8mb4",
        )
    if "STRICT_" not in values["sql_mode"]:
        yield Flaw(
            Incompatible,
            f"the strict mode of {address} is off, so values that do not fit would be cut",
            "add STRICT_TRANS_TABLES to the server's sql_mode",
        )
    if is_on(values, "log_bin") and values.get("binlog_format") == "STATEMENT":
        yield Flaw(
            Incompatible,
            f"the binary log of {address} keeps statements, which may not come out the same on a "
            "replica",
            "set binlog_format to ROW",
        )
    if int(values["max_allowed_packet"]) < LEAST_PACKET:
        yield Flaw(
            Incompatible,
            f"max_allowed_packet of {address} is {values['max_allowed_packet']}",
            f"set it to {LEAST_PACKET} at least",
        )
    if is_on(values, "read_only"):
        yield Flaw(
            Unavailable,
            f"the database {address} is read-only",
            "it may be a replica, and --store must name the one that is written to",
        )
    yield from _unwise(values)


def _unwise(values: Mapping[str, str]) -> Iterator[Flaw]:
    for name, loss in (
        ("innodb_flush_log_at_trx_commit", "a power cut may lose what was acknowledged"),
        ("sync_binlog", "replicas may miss what was acknowledged before a power cut"),
    ):
        if name == "sync_binlog" and not is_on(values, "log_bin"):
            continue
        if values.get(name, "1") != "1":
            yield Flaw(None, f"{name} is {values[name]}, so {loss}", "set it to 1")
    if not is_on(values, "innodb_doublewrite", "ON"):
        yield Flaw(
            None,
            "innodb_doublewrite is off, so a power cut may tear pages",
            "set it to ON, unless the file system writes whole pages",
        )
    if is_on(values, "wsrep_on"):
        yield Flaw(
            None,
            "the database server is a node of a Galera cluster, where commits at several nodes "
            "collide",
            "have all servers name this one node in --store, and no other",
        )


def _size(values: Mapping[str, str], name: str) -> int | None:
    return int(values[name]) if name in values else None


def is_small(values: Mapping[str, str], connections: int) -> Iterator[Flaw]:
    """Whether it is made for what is to come. `connections` is how many a server opens."""
    pool = _size(values, "innodb_buffer_pool_size")
    if pool is not None and pool < LEAST_POOL:
        yield Flaw(
            None,
            f"innodb_buffer_pool_size is {pool >> 20} MiB, so most reads go to the disk",
            f"set it to {LEAST_POOL >> 20} MiB at least, and to most of a machine of its own",
        )
    most = _size(values, "max_connections")
    if most is not None and most < max(FEW_CONNECTIONS, 2 * connections):
        yield Flaw(
            None,
            f"max_connections is {most}, and each server opens up to {connections}",
            f"set it to {max(FEW_CONNECTIONS, 2 * connections)} at least",
        )


def is_on(values: Mapping[str, str], name: str, unknown: str = "OFF") -> bool:
    return values.get(name, unknown).upper() not in ("0", "OFF", "NO")


def version_of(text: str) -> tuple[int, int, int]:
    """Of `10.11.19-MariaDB-0+deb12u1`, and of `5.5.5-10.11.19-MariaDB` as some proxies say."""
    found = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
