"""Migrations that were cut off at any statement go on where they were."""

from __future__ import annotations

from typing import Protocol

import pytest

from store import migrations
from store.errors import Unavailable
from store.log import read_head
from store.mysql.address import Address
from store.mysql.faults import Lost
from store.mysql.store import MysqlStore
from store.mysql.transaction import MysqlTransaction
from store.transaction import Row, Value
from tests.closing import until_the_end
from tests.contracts.mysql import Admin
from tests.contracts.statements import Put, tables


class Executes(Protocol):
    async def execute(self, sql: str) -> list[Row]: ...


async def schema(admin: Executes, address: Address) -> list[Row]:
    columns = await admin.execute(
        "SELECT table_name, column_name, column_type, is_nullable, collation_name, column_key "
        f"FROM information_schema.columns WHERE table_schema = '{address.database}' "
        "ORDER BY table_name, ordinal_position"
    )
    indexes = await admin.execute(
        "SELECT table_name, index_name, seq_in_index, column_name, non_unique "
        f"FROM information_schema.statistics WHERE table_schema = '{address.database}' "
        "ORDER BY table_name, index_name, seq_in_index"
    )
    return columns + indexes


class CutOff:
    """Loses the connection around the n-th statement, before it or after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
        self.left = 1 << 30
        self._after = after
        self._run = MysqlTransaction.run
        cut_off = self

        async def run(tx: MysqlTransaction, sql: str, params: tuple[Value, ...] = ()) -> int:
            return await cut_off.pass_on(tx, sql, params)

        monkeypatch.setattr(MysqlTransaction, "run", run)

    async def pass_on(self, tx: MysqlTransaction, sql: str, params: tuple[Value, ...]) -> int:
        self.left -= 1
        if self.left == 0 and not self._after:
            self._lose(tx)
        done = await self._run(tx, sql, params)
        if self.left == 0:
            self._lose(tx)
        return done

    def _lose(self, tx: MysqlTransaction) -> None:
        assert tx.connection is not None
        tx.connection.close()
        raise Lost("cut off")


@pytest.mark.parametrize("after", [False, True])
async def test_they_go_on_wherever_they_were_cut_off(
    admin: Admin, address: Address, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    whole = await schema(admin, address)
    async with admin.database() as place:
        store = until_the_end(await MysqlStore.open(place))
        cut_off = CutOff(monkeypatch, after=after)

        step, tries = 7, 0
        while True:
            cut_off.left = step
            step = 4 + step % 11  # long enough to come on, and never the same way
            tries += 1
            try:
                await store.migrate()
            except Unavailable:
                continue
            break
        cut_off.left = 1 << 30
        assert tries > 10
        assert await schema(admin, place) == whole
        found = await admin.execute(
            f"SELECT number, name FROM {place.database}.migrations ORDER BY number"
        )
        known = migrations.load(dict.fromkeys(("ID",), "ID"))
        assert found == [(one.number, one.name) for one in known]
        assert (await store.read(read_head)).position == 0
        assert (await store.commit([Put(name=1)], 0)).outcomes == [1]
        steps = await admin.execute(f"SELECT * FROM {place.database}.migration_steps")
        assert steps == []


async def test_every_text_tells_its_last_character_apart(admin: Admin, address: Address) -> None:
    found = await schema(admin, address)
    collations = {row[4] for row in found if len(row) == 6}
    assert collations == {None, "utf8mb4_nopad_bin"}
    assert {row[0] for row in found} == {*tables(), "migrations", "migration_steps"}
