"""What the command says in the end, and its exit code."""

from __future__ import annotations

import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from rich.console import Console

from realtime.commands import demo as command
from realtime.demo.check import Difference
from realtime.demo.report import DeviceFigures, Report
from realtime.demo.run import Plan
from realtime.demo.run import run as play

ROOT = Path(__file__).resolve().parents[3]


def report(*differences: Difference, error: str = "") -> Report:
    figures = DeviceFigures(
        "ann/phone",
        7,
        expected=Counter(messages=3, own=2),
        received=Counter(messages=2 if differences else 3, own=2),
        differences=len(differences),
    )
    return Report(
        seed=1,
        users=3,
        nodes=1,
        blobs="folder",
        drop=True,
        kill=False,
        done=Counter(messages=3, post_edits=1),
        devices=[figures],
        differences=list(differences),
        error=error,
    )


LOST = Difference("ann/phone", "room 5", "lost", "message 17 ([bold]hello[/])")


def printed(one: Report) -> str:
    out = io.StringIO()
    one.show(Console(file=out, width=100))
    return out.getvalue()


def test_the_table_names_every_difference() -> None:
    text = printed(report(LOST))
    assert "lost ann/phone, room 5: message 17 ([bold]hello[/])" in text
    assert "2/3" in text
    assert "arrived" not in text


def test_without_a_difference_it_says_so() -> None:
    text = printed(report())
    assert "5 of 5 updates arrived, each once and in order" in text
    assert "3 messages, 1 post edits" in text


def test_an_error_is_no_success() -> None:
    one = report(error="they talk: RATE_LIMITED")
    assert not one.ok
    assert "not played to the end: they talk: RATE_LIMITED" in printed(one)


def test_the_first_error_is_not_forgotten_for_a_later_one() -> None:
    one = report()
    one.add_error("they talk: something is missing")
    one.add_error("comparing: no answer")
    assert one.error == "they talk: something is missing; then comparing: no answer"


@pytest.mark.parametrize(
    ("one", "code"), [(report(), 0), (report(LOST), 1), (report(error="too slow"), 1)]
)
@pytest.mark.parametrize("as_json", [True, False])
def test_the_exit_code(
    one: Report,
    code: int,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def played(plan: Plan, say: Callable[[str], None]) -> Report:
        assert plan.users == 5
        return one

    monkeypatch.setattr("realtime.demo.run.run", played)
    if code:
        with pytest.raises(SystemExit) as ended:
            command.demo(users=5, json=as_json)
        assert ended.value.code == code
    else:
        command.demo(users=5, json=as_json)
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out)["ok"] is (code == 0)


def test_the_keys_are_documented() -> None:
    text = (ROOT / "docs" / "demo.md").read_text()
    documented = set(re.findall(r"`([a-z_]+)`", text))
    figures: dict[str, Any] = report(LOST).as_json()
    json.dumps(figures, allow_nan=False)
    device = figures["devices"][0]
    keys = {*figures, *device, *device["expected"], *figures["differences"][0]}
    assert keys <= documented
    assert command.demo.__doc__ is not None
    named = {*figures, *device, *figures["differences"][0]}
    assert named <= set(re.findall(r"`([a-z_]+)`", command.demo.__doc__))


@pytest.mark.parametrize(
    ("plan", "about"),
    [
        (Plan(users=2), "users"),
        (Plan(users=41), "users"),
        (Plan(nodes=0), "nodes"),
        (Plan(nodes=9, store="mysql://ann@127.0.0.1/x"), "nodes"),
        (Plan(nodes=2), "share"),
    ],
)
async def test_a_plan_that_cannot_be_carried_out(plan: Plan, about: str) -> None:
    with pytest.raises(ValueError, match=about):
        await play(plan, print)


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(ValueError, match="not empty"):
        trio.run(play, Plan(keep=tmp_path), print)
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def test_without_its_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "realtime.demo.run", None)  # as where it cannot be imported
    with pytest.raises(SystemExit) as ended:
        command.demo(users=3)
    assert ended.value.code
    assert "pip install 'sunwire[demo]'" in capsys.readouterr().err
