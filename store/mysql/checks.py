"""Whether a database is one that can be used, said in a sentence before anything is done."""

from __future__ import annotations

from asyncmy.errors import MySQLError

from store.errors import Incompatible, StoreError, Unavailable
from store.mysql.address import Address
from store.mysql.connection import Connection, Limits, open_connection
from store.mysql.faults import number_of, reason
from store.mysql.judging import VARIABLES, judge


async def open_checked(address: Address, limits: Limits) -> tuple[Connection, list[str]]:
    """A connection, and remarks on what is allowed but unwise. Raises `Unavailable` where the
    database cannot be reached, and `Incompatible` for what only its operator can change."""
    connection = await let_in(address, limits)
    try:
        return connection, await check(connection, address)
    except BaseException:
        connection.close()
        raise


async def let_in(address: Address, limits: Limits) -> Connection:
    """A connection. Raises as `open_checked` does."""
    try:
        return await open_connection(address, limits)
    except Unavailable as error:
        why = reason(error.__cause__ or error)
        raise Unavailable(f"the database {address} cannot be reached: {why}") from error
    except MySQLError as error:
        raise _refused(address, error) from error


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
    flaws = list(judge(address, connection.flavour, *await variables(connection)))
    for flaw in flaws:
        if flaw.fatal is not None:
            raise flaw.fatal(str(flaw))
    return [str(flaw) for flaw in flaws]


async def variables(connection: Connection) -> tuple[str, dict[str, str]]:
    """The database's character set, and how its server is set up."""
    characters = (await connection.execute("SELECT @@character_set_database")).rows[0][0]
    names = ", ".join(f"'{name}'" for name in VARIABLES)
    found = await connection.execute(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    return characters, {name: str(value) for name, value in found.rows}
