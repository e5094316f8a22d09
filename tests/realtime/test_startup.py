"""What keeps a server from starting, said in a sentence: without processes of its own."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from realtime.__main__ import app
from realtime.app import run
from realtime.cluster.supervisor import supervise
from realtime.settings import Settings, default_data, host_and_port
from realtime.startup import StartError, data_folder, reason

HERE = "127.0.0.1:0"  # a free port


# Flags, environment, file.


@pytest.fixture
def refusal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., str]:
    """Runs the command line in a folder of its own and returns what it says, on one line; a
    server is not started, whatever happens."""

    def started(*_: object) -> None:
        raise AssertionError("it started")

    def run(*arguments: str, exit_code: int = 2) -> str:
        with pytest.raises(SystemExit) as left:
            app.meta(arguments)
        assert left.value.code == exit_code
        said = capsys.readouterr()
        return " ".join((said.out + said.err).replace("│", " ").split())

    monkeypatch.setattr("realtime.serving.serve", started)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--listen", "nowhere"), "'nowhere' is not HOST:PORT"),
        (("--media", "127.0.0.1:99999"), "'127.0.0.1:99999' is not HOST:PORT"),
        (("--readers", "0"), '"0" for --readers. Must be from 1 to 64'),
        (("--grace", "nan"), '"nan" for --grace. Must be from 0'),
        (("--grace", "-1"), '"-1.0" for --grace. Must be from 0'),
        (("--stall", "0"), "for --stall. Must be from 0.001"),
        (("--heartbeat", "soon"), 'for --heartbeat: unable to convert "soon"'),
        (("--max-connections", "many"), 'for --max-connections: unable to convert "many"'),
        (("--media-url", "example.org"), "Must be an http:// or https:// URL."),
        (("--log-level", "loud"), '"loud" for --log-level. Choose from'),
        (("--lisssten", "x"), "Unknown option: --lisssten."),
    ],
)
def test_wrong_flags(refusal: Callable[..., str], arguments: tuple[str, ...], words: str) -> None:
    assert words in refusal("serve", *arguments)


def test_a_wrong_environment(refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNWIRE_GRACE", "-1")
    said = refusal("serve")
    assert "SUNWIRE_GRACE" in said
    assert "Must be from 0" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'listen = "127.0', "the settings file here.toml is not TOML: "),
        (b"\xff\xfe\0", "the settings file here.toml is not TOML: "),
        (b'lisssten = "127.0.0.1:1"', '"[lisssten]" from here.toml'),
        (b'grace = "soon"', "Invalid value for [grace] from here.toml"),
        (b'ops = "nowhere"', "'nowhere' is not HOST:PORT"),
        (b"[serve]\ngrace = 1", "file here.toml has a table [serve], and settings need none"),
    ],
)
def test_wrong_settings_files(
    refusal: Callable[..., str],
    tmp_path: Path,
    content: bytes,
    words: str,
) -> None:
    (tmp_path / "here.toml").write_bytes(content)
    assert words in refusal("--config", "here.toml", "serve")


def test_settings_files_that_are_none(refusal: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    absent = "there is no settings file absent.toml"
    assert absent in refusal("--config", "absent.toml", "serve")
    assert absent in refusal("--config", "absent.toml", "call")
    said = refusal("--config", "folder.toml", "serve")
    assert "the settings file folder.toml cannot be read: Is a directory" in said


def test_the_settings_file_is_for_serve_alone(refusal: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "sunwire.toml").write_text('listen = "nowhere"')
    assert "nowhere" in refusal("serve")
    said = refusal("upload", "--token", "t", "absent.jpg", exit_code=1)
    assert "absent.jpg" in said  # it came so far


@pytest.mark.parametrize(
    ("address", "split"),
    [
        ("127.0.0.1:7400", ("127.0.0.1", 7400)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_addresses(address: str, split: tuple[str, int]) -> None:
    assert host_and_port(address) == split


@pytest.mark.parametrize(
    "address", ["", "7400", ":7400", "host", "host:", "host:-1", "host:65536", "host:٣", "::1:80"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        host_and_port(address)


def test_the_default_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert default_data(tmp_path) == tmp_path / "data"  # a checkout
    installed = tmp_path / "site-packages"
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data(installed) == Path("/somewhere/sunwire")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert default_data(installed) == Path("/home/ann/.local/share/sunwire")


# The data folder, the database, the ports.


def settings(data: Path, listen: str = HERE, media: str = HERE, ops: str = HERE) -> Settings:
    return Settings(data=data, listen=listen, media=media, ops=ops)


async def why(given: Settings) -> str:
    """Why a server with these settings does not start."""
    with trio.fail_after(30), pytest.raises((StartError, ExceptionGroup)) as failed:
        await run(given, stop=trio.Event())
    known = reason(failed.value)
    assert known is not None, failed.value
    return str(known)


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "sunwire.db")) as connection, connection:
        yield connection


def a_file(folder: Path) -> None:
    folder.touch()


def blobs_of_another_kind(folder: Path) -> None:
    folder.mkdir()
    (folder / "blobs").touch()


def noise(folder: Path) -> None:
    folder.mkdir()
    (folder / "sunwire.db").write_bytes(os.urandom(8192))


def a_folder(folder: Path) -> None:
    (folder / "sunwire.db").mkdir(parents=True)


def foreign(folder: Path) -> None:
    with database(folder) as connection:
        connection.execute("CREATE TABLE users (their own)")


def newer(folder: Path) -> None:
    with database(folder) as connection:
        connection.execute("CREATE TABLE migrations (number INTEGER, name TEXT, at_ms INTEGER)")
        connection.execute("INSERT INTO migrations VALUES (9999, 'from_the_future', 0)")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_file, "the data folder {0} is not a folder: "),
        (blobs_of_another_kind, "--blobs: cannot use the blob folder {0}/blobs: Not a directory"),
        (noise, "cannot open the database {0}/sunwire.db: file is not a database"),
        (a_folder, "cannot open the database {0}/sunwire.db: unable to open database file"),
        (foreign, "the database cannot be migrated: table users already exists"),
        (newer, "the database was written by a newer version: it is at migration 9999, and this"),
    ],
)
async def test_data_that_cannot_be_used(tmp_path: Path, make: object, words: str) -> None:
    data = tmp_path / "data"
    assert callable(make)
    make(data)
    said = await why(settings(data))
    assert said.startswith(words.format(data)), said
    assert str(data) in said
    # The folder was let go: whoever repairs it may try again at once.
    if data.is_dir():
        with data_folder(data):
            pass


async def test_a_foreign_database_stays_as_it_was(tmp_path: Path) -> None:
    foreign(tmp_path / "data")
    await why(settings(tmp_path / "data"))
    with database(tmp_path / "data") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("users",)]


async def test_below_a_file_and_where_nobody_may_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = await why(settings(tmp_path / "file" / "below"))
    assert said.startswith(f"the data folder {tmp_path}/file/below is not a folder: ")
    said = await why(settings(Path("/proc/sunwire")))
    assert said.startswith("the data folder /proc/sunwire cannot be written (")
    assert said.endswith("change it, or name another with --data")


@pytest.mark.parametrize(
    ("what", "setting"), [("websocket", "listen"), ("media", "media"), ("ops", "ops")]
)
async def test_ports_in_use(tmp_path: Path, what: str, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        here = f"127.0.0.1:{taken.getsockname()[1]}"
        said = await why(settings(tmp_path, **{setting: here}))
    assert said == (
        f"the {what} listener cannot have {here}: the port is in use (the setting is --{setting})"
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1:7400", "cannot assign requested address"),
        ("nowhere.invalid:7400", "name or service not known"),
    ],
)
async def test_addresses_that_are_not_ours(tmp_path: Path, address: str, words: str) -> None:
    said = await why(settings(tmp_path, listen=address))
    if "try again" not in said.lower() and "temporary" not in said.lower():  # no name server
        assert said.startswith(f"the websocket listener cannot have {address}: {words}"), said


async def test_a_folder_in_use(tmp_path: Path) -> None:
    with data_folder(tmp_path):
        said = await why(settings(tmp_path))
    assert said == (
        f"the data folder {tmp_path} is in use by another server (process {os.getpid()}): "
        "stop it, or name another folder with --data"
    )
    with data_folder(tmp_path):
        pass


def test_a_lock_that_says_nothing(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StartError, match="process unknown"), data_folder(tmp_path):
            raise AssertionError("not reached")


def test_a_folder_of_a_killed_supervisor_is_free_in_a_moment(tmp_path: Path) -> None:
    """Its processes have inherited the lock, and are ending; its own is over."""
    over = subprocess.Popen([sys.executable, "-c", ""])
    over.wait()
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.pwrite(lock.fileno(), b"%d\n" % over.pid, 0)
        last = threading.Timer(0.1, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        last.start()
        with data_folder(tmp_path) as held:
            assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
            assert os.fstat(held).st_ino == (tmp_path / "lock").stat().st_ino
        last.join()


def test_a_folder_that_nobody_frees_is_in_use_even_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.startup.ENDING", 0.05)
    over = subprocess.Popen([sys.executable, "-c", ""])
    over.wait()
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.pwrite(lock.fileno(), b"%d\n" % over.pid, 0)
        with pytest.raises(StartError, match="in use"), data_folder(tmp_path):
            pass


async def test_several_workers_need_linux_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = dataclasses.replace(settings(tmp_path), workers=2)
    assert "realtime.serving" in await why(several)
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(StartError, match=r"--workers.* need Linux"):
        await supervise(several, stop=trio.Event())


async def test_the_supervisor_says_what_keeps_it_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it starts anybody."""
    monkeypatch.setattr("realtime.cluster.supervisor.Process", None)
    several = dataclasses.replace(settings(tmp_path), workers=2)
    with data_folder(tmp_path), pytest.raises(StartError, match="in use by another server"):
        await supervise(several, stop=trio.Event())
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    taken = listeners[0].socket.getsockname()[1]
    for setting in ("listen", "media", "ops"):
        port: Any = {setting: f"127.0.0.1:{taken}"}
        given = dataclasses.replace(several, **port)
        with pytest.raises(StartError, match=f"the port is in use .*--{setting}"):
            await supervise(given, stop=trio.Event())
    for listener in listeners:
        await listener.aclose()
    noise(tmp_path / "noise")
    noisy = dataclasses.replace(several, data=tmp_path / "noise")
    with pytest.raises(StartError, match="not a database"):
        await supervise(noisy, stop=trio.Event())


def test_only_one_failure_is_a_reason() -> None:
    known = StartError("why")
    assert reason(ExceptionGroup("", [ExceptionGroup("", [known])])) is known
    assert reason(ExceptionGroup("", [known, ValueError()])) is None
    assert reason(ValueError()) is None
