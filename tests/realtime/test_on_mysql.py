"""The flows of the whole server, once more on MariaDB or MySQL: the same tests, collected here
under another store.

The database answers from a thread, which looks like idling to the virtual clock: time jumps only
when nothing has happened for a while.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio.testing

from realtime.testing import server
from store.interface import Store
from store.mysql.store import MysqlStore
from tests.contracts.mysql import Admin
from tests.realtime.test_accounts_flow import (
    test_a_fresh_token_goes_on_on_the_living_connection,
    test_a_profile_reaches_every_device_live_and_by_resume,
    test_signing_out_is_answered_before_the_connection_ends,
)
from tests.realtime.test_chat_flow import *  # noqa: F403
from tests.realtime.test_edits_by_resume import (
    test_a_client_ahead_of_its_cursor_misses_no_edit,
    test_a_hidden_message_does_not_come_back_when_it_is_edited,
    test_a_hidden_message_is_not_unread,
)
from tests.store.mysql.conftest import admin

__all__ = [
    "admin",
    "test_a_client_ahead_of_its_cursor_misses_no_edit",
    "test_a_fresh_token_goes_on_on_the_living_connection",
    "test_a_hidden_message_does_not_come_back_when_it_is_edited",
    "test_a_hidden_message_is_not_unread",
    "test_a_profile_reaches_every_device_live_and_by_resume",
    "test_signing_out_is_answered_before_the_connection_ends",
]

pytestmark = pytest.mark.usefixtures("on_mysql")

CALM = 0.2  # seconds of real time


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=CALM)


@pytest.fixture
def on_mysql(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        async with admin.migrated() as address:
            store = await MysqlStore.open(address, readers=3)
            try:
                yield store
            finally:
                await store.aclose()

    monkeypatch.setattr(server, "DEFAULT_STORE", open_store)
