"""One connection, in the thread of the event loop: its settings, its statements, its end."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import Any, NamedTuple

import asyncmy
from asyncmy.errors import OperationalError

from store.mysql.address import Address
from store.mysql.dialect import Flavour
from store.mysql.faults import Lost, mapped, was_reset
from store.transaction import Row

SQL_MODE = (
    "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY"
)
_FOUND = re.compile(rb":\s*(\d+)")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long things may take, in seconds. The server, which counts in whole ones, is told its
    share when a connection is opened."""

    connect: float = 5
    statement: int = 30
    lock: int = 10
    """that a statement waits for a row"""
    idle: int = 10
    """between the statements of a transaction; then the server undoes it. So a node that stops
    while it holds the head of the log stops the others no longer than that."""
    answer: float = 35
    """for anything; then the network or the server is taken for dead"""
    resolve: float = 30
    """in which a lost answer to a commit must be found out"""


class Answer(NamedTuple):
    """What a statement gave: its rows, how many it changed, and what the server says of it."""

    rows: list[Row]
    affected: int
    message: bytes

    def found(self) -> int:
        """Of an UPDATE: how many rows it found, those included that were as they were to become.

        The server says so in words alone: "Rows matched: 2  Changed: 1  Warnings: 0". The flag
        that puts this number in place of the other does so for upserts too, which then no longer
        tell a new row from an old one.
        """
        found = _FOUND.search(self.message)
        return int(found[1]) if found else self.affected


def _answer(result: Any) -> Answer:
    return Answer(list(result.rows or ()), result.affected_rows, result.message or b"")


class Connection:
    """Statements go through one after another. A lost connection stays lost."""

    def __init__(self, inner: Any, flavour: Flavour, limits: Limits) -> None:
        self._inner = inner
        self._limits = limits
        self.flavour = flavour
        self.id = 0  # the server's number of it
        self.lost = False
        self.used_at = asyncio.get_running_loop().time()

    async def execute(self, sql: str, within: float | None = None) -> Answer:
        """As `execute_all`; answers with what the last statement gave."""
        return (await self.execute_all(sql, within))[-1]

    async def execute_all(self, sql: str, within: float | None = None) -> list[Answer]:
        """Runs statements, separated by semicolons, in one round trip; after one that fails none
        of the others is run. `within` replaces the limit of an answer, in seconds.

        Raises `Unavailable`, `Undone` or `Lost`, or the driver's own error for a fault of the
        statement. Cancelled, the connection is lost, and the server may go on for a while.
        """
        inner = self._inner
        if self.lost:
            raise Lost("the connection to the database is lost")
        data = sql.encode()
        answers = []
        try:
            async with asyncio.timeout(self._limits.answer if within is None else within):
                await inner.query(data)
                # The cursors of the driver turn warnings into Python's, after a round trip.
                answers.append(_answer(inner._result))
                while inner._result.has_next:
                    await inner.next_result()
                    answers.append(_answer(inner._result))
        except asyncio.CancelledError:
            self.close()
            raise
        except Exception as error:
            meant = mapped(error)
            if isinstance(meant, Lost):
                self.close()
            if meant is error:
                raise
            raise meant from error
        self.used_at = asyncio.get_running_loop().time()
        return answers

    def close(self) -> None:
        """At once, without a word to the server."""
        self.lost = True
        self._inner.close()

    async def aclose(self) -> None:
        """Says goodbye."""
        if not self.lost:
            self.lost = True
            try:
                async with asyncio.timeout(1):
                    await self._inner.ensure_closed()
            except Exception:
                self._inner.close()


async def open_connection(address: Address, limits: Limits, *settings: str) -> Connection:
    """Connects. Raises `Lost` where nobody answers, or the server's own error. `settings` are
    statements that make the session fit for its use. One that is reset before it stands is tried
    once more: a busy network does that, and nothing was asked on it."""
    try:
        inner = await _connect(address, limits)
    except Exception as error:
        meant = mapped(error)
        if meant is error:
            raise
        raise meant from error
    mariadb = "mariadb" in inner.get_server_info().lower()
    flavour = Flavour.MARIADB if mariadb else Flavour.MYSQL
    connection = Connection(inner, flavour, limits)
    statements = [
        f"SET NAMES utf8mb4 COLLATE {flavour.value}",
        f"SET SESSION {', '.join(_settings(flavour, limits))}",
        *settings,
        "SELECT CONNECTION_ID()",
    ]
    try:
        found = await connection.execute("; ".join(statements), limits.connect)
    except BaseException:
        connection.close()
        raise
    connection.id = found.rows[0][0]
    return connection


async def _connect(address: Address, limits: Limits) -> Any:
    async def attempt() -> Any:
        async with asyncio.timeout(limits.connect):
            return await asyncmy.connect(
                host=address.host,
                port=address.port,
                user=address.user,
                password=address.password.encode(),
                database=address.database,
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=limits.connect,
                program_name="sunwire",
                ssl=_tls(address),
            )

    try:
        return await attempt()
    except OperationalError as error:
        if not was_reset(error):
            raise
        return await attempt()


def _settings(flavour: Flavour, limits: Limits) -> list[str]:
    common = [
        f"sql_mode = '{SQL_MODE}'",
        "lc_messages = 'en_US'",
        f"innodb_lock_wait_timeout = {limits.lock}",
        f"lock_wait_timeout = {limits.statement}",
        "default_storage_engine = InnoDB",
    ]
    if flavour is Flavour.MARIADB:
        return [
            *common,
            f"max_statement_time = {limits.statement}",
            f"idle_transaction_timeout = {limits.idle}",
            # Long lists are searched by the index as short ones are.
            "in_predicate_conversion_threshold = 4294967295",
        ]
    return [
        *common,
        f"max_execution_time = {limits.statement * 1000}",
        f"wait_timeout = {limits.idle}",  # in a transaction or not: the pool opens another
    ]


def _tls(address: Address) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=address.ca or None) if address.tls else None
