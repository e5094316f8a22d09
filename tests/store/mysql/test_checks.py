"""A database that cannot be used is refused in one sentence, without the password."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from typing import Any

import pytest
import trio

from store.errors import Incompatible, StoreError, Unavailable
from store.mysql.address import Address
from store.mysql.checks import check
from store.mysql.connection import Answer, Limits
from store.mysql.dialect import Flavour
from store.mysql.judging import is_small, version_of
from store.mysql.store import MysqlStore
from tests.contracts.mysql import Admin

ADDRESS = Address(host="db", port=3306, user="ann", password="secret", database="sunwire")


class Server:
    """Answers what it is asked about its variables."""

    def __init__(self, flavour: Flavour, characters: str, values: dict[str, str]) -> None:
        self.flavour = flavour
        self._characters, self._values = characters, values

    async def execute(self, sql: str) -> Answer:
        if "@@character_set_database" in sql:
            return Answer([(self._characters,)], 0, b"")
        assert all(f"'{name}'" in sql for name in self._values)
        return Answer(list(self._values.items()), 0, b"")


GOOD = {
    "sql_mode": "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION",
    "version": "10.11.19-MariaDB-0+deb12u1",
    "max_allowed_packet": "16777216",
    "log_bin": "ON",
    "binlog_format": "MIXED",
    "sync_binlog": "1",
    "innodb_flush_log_at_trx_commit": "1",
    "innodb_doublewrite": "ON",
    "innodb_buffer_pool_size": "134217728",
    "max_connections": "151",
    "read_only": "OFF",
    "wsrep_on": "OFF",
}


async def checked(
    flavour: Flavour = Flavour.MARIADB, characters: str = "utf8mb4", **changed: Any
) -> list[str]:
    server: Any = Server(flavour, characters, {**GOOD, **changed})
    return await check(server, ADDRESS)


async def test_a_good_server_gives_no_cause_for_remarks() -> None:
    assert await checked() == []
    assert await checked(Flavour.MYSQL, version="8.4.3") == []
    assert await checked(read_only="0", log_bin="OFF", binlog_format="STATEMENT") == []
    assert await checked(log_bin="0", sync_binlog="0") == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"version": "10.5.26-MariaDB"}, "MariaDB 10.5.26, which is too old: 10.6.0"),
        ({"flavour": Flavour.MYSQL, "version": "5.7.44"}, "MySQL 5.7.44, which is too old: 8.0"),
        ({"characters": "latin1"}, "ALTER DATABASE sunwire CHARACTER SET utf8mb4"),
        ({"sql_mode": "NO_ENGINE_SUBSTITUTION"}, "STRICT_TRANS_TABLES"),
        ({"sql_mode": ""}, "strict mode"),
        ({"binlog_format": "STATEMENT"}, "set binlog_format to ROW"),
        ({"max_allowed_packet": "1048576"}, "max_allowed_packet of .* is 1048576"),
        ({"read_only": "ON"}, "read-only"),
    ],
)
async def test_what_is_wrong_and_what_to_do(changed: dict[str, Any], sentence: str) -> None:
    kind = Unavailable if "read_only" in changed else Incompatible
    with pytest.raises(kind, match=sentence) as caught:
        await checked(**changed)
    assert "secret" not in str(caught.value)
    assert "ann@db:3306/sunwire" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"innodb_flush_log_at_trx_commit": "2"}, "is 2, so a power cut may lose .*: set it to 1"),
        ({"sync_binlog": "0"}, "sync_binlog is 0, so replicas .*: set it to 1"),
        ({"innodb_doublewrite": "OFF"}, "may tear pages: set it to ON"),
        ({"wsrep_on": "ON"}, "Galera .*one node"),
    ],
)
async def test_what_is_unwise_is_remarked(changed: dict[str, Any], sentence: str) -> None:
    (remark,) = await checked(**changed)
    assert re.search(sentence, remark)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"innodb_buffer_pool_size": "8388608"}, "innodb_buffer_pool_size is 8 MiB"),
        ({"max_connections": "50"}, "max_connections is 50, and each server opens up to 9"),
        ({"max_connections": "151", "few": "1"}, ""),
    ],
)
def test_a_server_that_is_small_is_told_from_one_that_is_not(
    changed: dict[str, str], sentence: str
) -> None:
    found = [str(flaw) for flaw in is_small({**GOOD, **changed}, 9)]
    assert len(found) == bool(sentence)
    assert sentence in "".join(found)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("10.11.19-MariaDB-0+deb12u1", (10, 11, 19)),
        ("5.5.5-10.11.19-MariaDB", (10, 11, 19)),
        ("8.0.36", (8, 0, 36)),
        ("what?", (0, 0, 0)),
    ],
)
def test_versions(text: str, version: tuple[int, int, int]) -> None:
    assert version_of(text) == version


# On a real server.


async def refused(address: Address) -> StoreError:
    with trio.fail_after(60), pytest.raises(StoreError) as caught:  # it ends, at all
        await MysqlStore.open(address, limits=Limits(connect=0.5))
    assert address.password not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


async def test_nobody_there(admin: Admin) -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        error = await refused(replace(admin.address, port=taken.getsockname()[1]))
        assert isinstance(error, Unavailable)
        assert "cannot be reached" in str(error)
        taken.listen()  # and nobody who answers
        error = await refused(replace(admin.address, port=taken.getsockname()[1]))
        assert isinstance(error, Unavailable)
        assert "did not answer in time" in str(error)
    error = await refused(replace(admin.address, host="nowhere.invalid"))
    assert isinstance(error, Unavailable)


async def test_wrong_credentials(admin: Admin) -> None:
    for address in (
        replace(admin.address, password="wrong-one"),
        replace(admin.address, user="nobody-we-know"),
    ):
        error = await refused(address)
        assert isinstance(error, Incompatible)
        assert "its password" in str(error)


async def test_no_such_database(admin: Admin) -> None:
    error = await refused(replace(admin.address, database="sunwire_is_not_there"))
    assert isinstance(error, Incompatible)
    assert "CREATE DATABASE sunwire_is_not_there CHARACTER SET utf8mb4" in str(error)


async def test_a_database_of_another_character_set(admin: Admin) -> None:
    async with admin.database("latin1") as address:
        error = await refused(address)
        assert isinstance(error, Incompatible)
        assert "character set latin1" in str(error)
        await admin.execute(f"ALTER DATABASE {address.database} CHARACTER SET utf8mb4")
        store = await MysqlStore.open(address)
        await store.aclose()


async def test_a_user_without_rights(admin: Admin) -> None:
    name = "sunwire_test_guest"
    await admin.execute(f"CREATE OR REPLACE USER {name}@'127.0.0.1' IDENTIFIED BY 'its-password'")
    try:
        async with admin.database() as address:
            guest = replace(address, user=name, password="its-password")
            error = await refused(guest)
            assert isinstance(error, Incompatible)
            assert "grant it all rights" in str(error)
            await admin.execute(f"GRANT SELECT ON {address.database}.* TO {name}@'127.0.0.1'")
            store = await MysqlStore.open(guest)
            with pytest.raises(Incompatible, match=r"cannot be migrated: .*denied"):
                await store.migrate()
            await store.aclose()
    finally:
        await admin.execute(f"DROP USER {name}@'127.0.0.1'")
