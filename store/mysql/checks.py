"""Whether a database is one that can be used, said in a sentence before anything is done."""

from __future__ import annotations

import re
from typing import Any

from asyncmy.errors import MySQLError

from store.errors import Incompatible, StoreError, Unavailable
from store.mysql.address import Address
from store.mysql.connection import Connection, Limits, open_connection
from store.mysql.dialect import Flavour
from store.mysql.faults import number_of, reason

# MariaDB's first version whose statements on the schema survive a crash whole; MySQL's first
# with tables of literal rows, and a collation that tells trailing spaces apart.
LEAST = {Flavour.MARIADB: (10, 6, 0), Flavour.MYSQL: (8, 0, 19)}
NAMES = {Flavour.MARIADB: "MariaDB", Flavour.MYSQL: "MySQL"}
LEAST_PACKET = 16 << 20  # bytes

_VARIABLES = (
    "version",
    "character_set_database",
    "max_allowed_packet",
    "log_bin",
    "binlog_format",
    "innodb_flush_log_at_trx_commit",
    "read_only",
)


async def open_checked(address: Address, limits: Limits) -> tuple[Connection, list[str]]:
    """A connection, and remarks on what is allowed but unwise. Raises `Unavailable` where the
    database cannot be reached, and `Incompatible` for what only its operator can change."""
    try:
        connection = await open_connection(address, limits)
    except Unavailable as error:
        why = reason(error.__cause__ or error)
        raise Unavailable(f"the database {address} cannot be reached: {why}") from error
    except MySQLError as error:
        raise _refused(address, error) from error
    try:
        return connection, await check(connection, address)
    except BaseException:
        connection.close()
        raise


def _refused(address: Address, error: MySQLError) -> StoreError:
    number = number_of(error)
    if number in (1045, 1698):
        return Incompatible(
            f"the database {address} does not let this user in from here: look at its name, its "
            "password and its host"
        )
    if number == 1044:
        return Incompatible(f"the user may not use the database {address}: grant it all rights")
    if number == 1049:
        return Incompatible(
            f"there is no database {address}: make it with CREATE DATABASE {address.database} "
            "CHARACTER SET utf8mb4"
        )
    return Incompatible(f"the database {address} cannot be used: {reason(error)}")


async def check(connection: Connection, address: Address) -> list[str]:
    """Remarks on the server. Raises as `open_checked` does."""
    asked = ", ".join(f"@@{name}" for name in _VARIABLES)
    found = await connection.execute(f"SELECT @@GLOBAL.sql_mode, {asked}")
    modes: str = found.rows[0][0]
    values: dict[str, Any] = dict(zip(_VARIABLES, found.rows[0][1:], strict=True))
    flavour = connection.flavour
    version = version_of(values["version"])
    if version < LEAST[flavour]:
        least = ".".join(map(str, LEAST[flavour]))
        raise Incompatible(
            f"the database {address} is {NAMES[flavour]} {'.'.join(map(str, version))}, which is "
            f"too old: {least} is the least"
        )
    if values["character_set_database"] != "utf8mb4":
        raise Incompatible(
            f"the database {address} has the character set {values['character_set_database']}: "
            f"change it with ALTER DATABASE {address.database} CHARACTER SET utf8mb4"
        )
    if "STRICT_" not in modes:
        raise Incompatible(
            f"the strict mode of {address} is off, so values that do not fit would be cut: add "
            "STRICT_TRANS_TABLES to the server's sql_mode"
        )
    if values["log_bin"] and values["binlog_format"] == "STATEMENT":
        raise Incompatible(
            f"the binary log of {address} keeps statements, which may not come out the same on a "
            "replica: set binlog_format to ROW"
        )
    if values["max_allowed_packet"] < LEAST_PACKET:
        raise Incompatible(
            f"max_allowed_packet of {address} is {values['max_allowed_packet']}: set it to "
            f"{LEAST_PACKET} at least"
        )
    if values["read_only"] not in (0, "0", "OFF"):
        raise Unavailable(f"the database {address} is read-only: it may be a replica")
    remarks = []
    if values["innodb_flush_log_at_trx_commit"] != 1:
        remarks.append(
            "innodb_flush_log_at_trx_commit is not 1: a power cut may lose what was acknowledged"
        )
    return remarks


def version_of(text: str) -> tuple[int, int, int]:
    """Of `10.11.19-MariaDB-0+deb12u1`, and of `5.5.5-10.11.19-MariaDB` as some proxies say."""
    found = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
