"""Runs the commands of `log` on a database of the test's own."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from realtime.__main__ import app as command_line
from store.sqlite import SqliteStore
from tests.store.social import USERS, Social, populated

T = TypeVar("T")


class Operator:
    """What an operator sees, and what servers did before."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def with_world(self, work: Callable[[Social], Awaitable[T]]) -> T:
        """Runs something over the database, which is made if it is not there."""
        database = self.folder / "sunwire.db"
        users = () if database.exists() else USERS

        async def main() -> T:
            store = SqliteStore.open(database, readers=1)
            await store.migrate()
            try:
                return await work(await populated(store, users))
            finally:
                await store.aclose()

        return trio.run(main)

    def run(self, *arguments: str) -> list[dict[str, Any]]:
        """The lines that `log …` prints."""
        code, out, err = self.outcome(*arguments)
        assert code == 0, err
        return out

    def refused(self, *arguments: str) -> str:
        """The sentence that says why it was not done."""
        code, out, err = self.outcome(*arguments)
        assert (code, out) == (2, [])
        return err

    def outcome(self, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        """(exit code, lines on stdout, stderr)."""
        self._capsys.readouterr()
        code = 0
        try:
            command_line.meta(["log", *arguments, "--data", str(self.folder)])
        except SystemExit as left:
            code = int(left.code or 0)
        said = self._capsys.readouterr()
        return code, [json.loads(line) for line in said.out.splitlines()], said.err


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str], logs_as_before: None) -> Operator:
    return Operator(tmp_path, capsys)
