"""All checks together, and how the command tells of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import realtime.commands.doctor
from realtime.__main__ import app as command_line
from realtime.doctor import CHECKS, Finding, Level, examine
from realtime.doctor.doctor import TIME, Check
from realtime.doctor.finding import error, of_refusal, warning
from realtime.settings import Settings
from realtime.startup import StartError
from store.errors import Incompatible, Unavailable


def finds(*found: Finding) -> Check:
    async def check(_: Settings) -> list[Finding]:
        await trio.lowlevel.checkpoint()
        return list(found)

    return check


def fails(failure: Exception) -> Check:
    async def check(_: Settings) -> list[Finding]:
        await trio.lowlevel.checkpoint()
        if failure:
            raise failure
        return []

    return check


async def hangs(_: Settings) -> list[Finding]:
    await trio.sleep(3600)
    return []


async def test_what_keeps_a_check_from_looking_is_said_and_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    away = Unavailable("the database cannot be reached: refused")
    found = {
        name: findings
        async for name, findings in examine(
            Settings(),
            {
                "fine": finds(),
                "old": fails(StartError("the database is older: run python -m realtime migrate")),
                "wrong": fails(Incompatible("the database is too old: use a newer one")),
                "away": fails(away),
                "away too": fails(away),
                "hanging": hangs,
                "broken": fails(ZeroDivisionError("by zero")),
            },
        )
    }
    assert found["fine"] == []
    assert found["away too"] is None
    said = [one for findings in found.values() for one in findings or ()]
    assert {one.level for one in said} == {Level.ERROR}
    assert [one.check for one in said] == ["old", "wrong", "away", "hanging", "broken"]
    assert (said[1].what, said[1].todo) == ("the database is too old", "use a newer one")
    assert said[2].what == "the database cannot be reached: refused"
    assert f"more than {TIME:g} seconds" in said[3].what
    assert "by zero" in said[4].what


def test_a_refusal_is_parted_where_it_says_what_to_do() -> None:
    assert of_refusal(StartError("a is b: make c"), "d")[1:3] == ("a is b", "make c")
    assert of_refusal(StartError("a: b c"), "d")[1:3] == ("a: b c", "d")
    assert of_refusal(StartError("a"), "d")[1:3] == ("a", "d")
    unknown = "x cannot be reached: name or service not known"
    assert of_refusal(Unavailable(unknown), "d")[1:3] == (unknown, "d")


async def test_the_log_is_not_looked_at_in_a_database_that_is_wrong() -> None:
    for found, log in ((error("it is damaged", "restore it"), None), (warning("a", "b"), [])):
        checks = {"store": finds(found), "log": finds()}
        assert [one async for one in examine(Settings(), checks)][-1] == ("log", log)


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        command_line.meta(["doctor", *arguments])
    return int(left.value.code or 0), capsys.readouterr().out


def examining(monkeypatch: pytest.MonkeyPatch, checks: Any) -> None:
    monkeypatch.setattr(
        realtime.commands.doctor, "examine", lambda settings: examine(settings, checks)
    )


@pytest.mark.usefixtures("logs_as_before")
def test_it_is_told_to_people_and_to_programs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    examining(monkeypatch, {"disk": finds(), "clock": finds(warning("it is late", "hurry"))})
    code, out = outcome(capsys)
    assert code == 0
    assert out == "ok       disk\nwarning  clock: it is late\n         hurry\n"
    examining(monkeypatch, {"disk": finds(error("it is full", "make room"))})
    code, out = outcome(capsys, "--json")
    finding = {"check": "disk", "level": "error", "what": "it is full", "todo": "make room"}
    assert (code, json.loads(out)) == (1, {"ok": False, "findings": [finding]})


@pytest.mark.usefixtures("logs_as_before")
def test_it_looks_at_what_serve_would_be_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sunwire.toml").write_text('store = "mysql://ann:s3cr3t@127.0.0.1:1/x"\n')
    code, out = outcome(capsys)
    assert code == 1
    assert "ann@127.0.0.1:1/x cannot be reached" in out
    assert "skipped  log" in out
    assert "s3cr3t" not in out
    assert all(name in out for name in CHECKS)
