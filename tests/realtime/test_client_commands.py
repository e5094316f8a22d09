"""The pure parts of the client's commands."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

import pytest
from cyclopts import App
from hypothesis import given
from hypothesis import strategies as st

from realtime.__main__ import app as command_line
from realtime.commands import COMMANDS
from realtime.commands.signin import candidates
from realtime.commands.tail import line_of
from rpc.client import StreamKey, events
from rpc.proto import frames_pb2, models_pb2
from store.rules import username_problem
from tests.rpc.client.fakes import message_update


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(COMMANDS) >= {"signin", "call", "tail", "upload", "chat", "log", "demo", "bench"}
    with pytest.raises(SystemExit) as left:
        command_line.meta(["--help"])
    assert left.value.code == 0
    listed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name, what in COMMANDS.items():
        app: App = import_module(f"realtime.commands.{name}").app
        assert app.name == (name,)
        # A group of commands has a help text instead of a command of its own.
        explained = app.default_command.__doc__ if app.default_command else app.help
        assert explained
        assert f" {name} {what} " in listed


def test_a_server_does_without_the_commands_of_clients() -> None:
    code = "import realtime.__main__, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    loaded = set(done.stdout.split())
    assert "realtime.gateway.server" in loaded
    commands = {name for name in loaded if name.startswith("realtime.commands.")}
    assert commands <= {"realtime.commands.place"}  # which of the settings they take
    assert not loaded & {"rpc.client", "realtime.terminal", "realtime.demo", "httpx"}


@given(st.emails() | st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_usernames_made_of_addresses_are_well_formed(address: str) -> None:
    names = candidates(address)
    assert len(names) > 2
    assert not any(username_problem(name) == "malformed" for name in names)


def test_a_plain_address_gives_its_plain_name() -> None:
    assert candidates("Ada.Lovelace@example.org")[0] == "ada.lovelace"
    assert candidates("x@example.org")[0] == "userx"
    assert candidates("+4915112345678")[0] == "user"


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        (
            events.UpdateReceived(message_update(3)),
            {"type", "stream", "sequence", "position", "actor_id", "body", "message"},
        ),
        (events.UpdateReceived(frames_pb2.Update()), None),
        (events.Skipped(frames_pb2.Skip()), {"type", "stream", "from", "to", "position"}),
        (
            events.SignalReceived(frames_pb2.Signal(typing=frames_pb2.Typing())),
            {"type", "body", "typing"},
        ),
        (events.RoomJoined(models_pb2.RoomSummary(), 5), {"type", "summary", "position"}),
        (events.RoomGone(1, 5), {"type", "room_id", "position"}),
        (events.Connected(1, 2, True), {"type", "user_id", "session_id", "resumed"}),
        (
            events.Disconnected("gone", 1006, float("inf")),
            {"type", "reason", "code", "retry_in"},
        ),
        (events.CursorMoved(b"c"), {"type"}),
        (events.CaughtUp(0), {"type"}),
        (events.Lagging(), {"type"}),
        (events.Resynced(frames_pb2.Resync.TOO_OLD), {"type", "reason"}),
        (events.GapFound(StreamKey(1, 2), 3, 4), {"type", "stream", "expected", "got"}),
        (events.SignedOut("revoked"), {"type", "reason"}),
    ],
)
def test_the_lines_of_tail_have_the_documented_keys(
    event: events.Event, keys: set[str] | None
) -> None:
    line = line_of(event)
    assert line is not None
    json.dumps(line, allow_nan=False)
    if keys is not None:
        assert set(line) == keys


def test_a_line_names_its_stream() -> None:
    line = line_of(events.UpdateReceived(message_update(3)))
    assert line is not None
    assert (line["stream"], line["sequence"], line["body"]) == ("room:1", 3, "message")
    assert line["message"]["text"] == "message 3"
