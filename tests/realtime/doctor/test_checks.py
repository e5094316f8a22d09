"""Each check, with what it would see elsewhere."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from realtime.doctor import clock, disk, limits, network, parts, store
from realtime.doctor.doctor import Check
from realtime.doctor.engines import engines as check_engines
from realtime.doctor.finding import Finding, Level
from realtime.doctor.log import consumer
from realtime.doctor.log import log as check_log
from realtime.doctor.store import store as check_store
from realtime.seen import Seen, note
from realtime.settings import Settings
from realtime.startup import BACKLOG, StartError, data_folder
from store.errors import NoTables
from store.log import read_head
from store.projections.offsets import Role
from store.queries.consumers import Status
from store.retention import note_archived
from store.sqlite import SqliteStore
from tests.contracts.statements import Put, run

MIB = 1 << 20


def only(found: list[Finding]) -> Finding:
    """The one finding, which says what is wrong and what to do in a sentence each."""
    (finding,) = found
    for text in (finding.what, finding.todo):
        assert text
        assert "\n" not in text
        assert not text.endswith(".")
    return finding


# Settings.


def settings(tmp_path: Path, **changed: Any) -> Settings:
    return Settings(data=tmp_path / "data", **changed)


async def test_settings_that_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SUNWIRE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SUNWIRE_LOG_LEVEL", "info")
    monkeypatch.setenv("SUNWIRE_TEST_MYSQL_URL", "mysql://a@b/c")
    assert await parts.parts(settings(tmp_path)) == []
    assert await parts.parts(settings(tmp_path, media="0.0.0.0:1", media_url="https://m")) == []


async def test_settings_that_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNWIRE_LOG_LEVLE", "info")
    assert "SUNWIRE_LOG_LEVLE" in only(await parts.parts(settings(tmp_path))).what
    monkeypatch.delenv("SUNWIRE_LOG_LEVLE")
    finding = only(await parts.parts(settings(tmp_path, media="0.0.0.0:7401")))
    assert (finding.level, "--media-url" in finding.todo) == (Level.ERROR, True)
    finding = only(await parts.parts(settings(tmp_path, store="sqlite3")))
    assert (finding.level, finding.todo) == (Level.ERROR, "correct --store")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Linux" in only(await parts.parts(settings(tmp_path, workers=2))).what


async def test_passwords_in_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = {
        "store": "mysql://ann:s3cr3t@db/sunwire",
        "blobs": "cassandra://ann:s3cr3t@c/blobs",
        "redis": "redis://:s3cr3t@r",
    }
    monkeypatch.setattr(sys, "argv", ["doctor"])
    assert await parts.parts(settings(tmp_path, **urls)) == []
    for name, url in urls.items():
        monkeypatch.setattr(sys, "argv", ["doctor", f"--{name}={url}"])
        finding = only(await parts.parts(settings(tmp_path, **urls)))
        assert f"--{name} is in a flag" in finding.what
        assert f"SUNWIRE_{name.upper()} in the environment" in finding.todo
        assert "s3cr3t" not in finding.what + finding.todo
    monkeypatch.setattr(sys, "argv", ["doctor", "--store=mysql://ann@db/sunwire"])
    assert await parts.parts(settings(tmp_path, store="mysql://ann@db/sunwire")) == []


# Disks.


def test_space(tmp_path: Path) -> None:
    assert list(disk.space("data", tmp_path, 2048 * MIB)) == []
    assert only(list(disk.space("data", tmp_path, 500 * MIB))).level is Level.WARNING
    finding = only(list(disk.space("data", tmp_path, 50 * MIB)))
    assert (finding.level, "has 50 MiB left" in finding.what) == (Level.ERROR, True)


def test_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one for one in disk.syncs(tmp_path) if one.level is Level.ERROR] == []
    assert os.listdir(tmp_path) == []
    assert list(disk.slow(tmp_path, 0.001)) == []
    assert "took 200 ms" in only(list(disk.slow(tmp_path, 0.2))).what

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    finding = only(list(disk.syncs(tmp_path)))
    assert (finding.level, "input/output error" in finding.what) == (Level.ERROR, True)
    assert os.listdir(tmp_path) == []


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv rw - nfs4 host:/srv rw,addr=1
31 30 8:2 / /srv/fast rw - xfs /dev/sdb rw
32 22 0:41 / /run/a\\040b rw - tmpfs tmpfs rw
33 22 0:42 / /mnt rw - fuse.sshfs host:/ rw
nonsense
"""


@pytest.mark.parametrize(
    ("folder", "kind", "level"),
    [
        ("/home/x", "ext4", None),
        ("/srv/data", "nfs4", Level.ERROR),
        ("/srv/fast/data", "xfs", None),
        ("/srvx", "ext4", None),
        ("/run/a b/c", "tmpfs", Level.WARNING),
        ("/mnt/data", "fuse.sshfs", Level.ERROR),
    ],
)
def test_kinds_of_disks(folder: str, kind: str, level: Level | None) -> None:
    assert disk.file_system(Path(folder), MOUNTS) == kind
    found = list(disk.kind_of_disk(Path(folder), kind))
    assert [one.level for one in found] == ([level] if level else [])


async def test_a_folder_that_is_not_there_is_looked_at_where_it_would_be(tmp_path: Path) -> None:
    far = tmp_path / "a" / "b"
    assert disk.existing(far) == tmp_path
    found = await disk.disk(Settings(data=far))
    assert [one.what for one in found if one.level is Level.ERROR] == []
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    found = await disk.disk(settings(tmp_path))
    assert any("cannot be written" in one.what for one in found)


async def test_a_database_that_others_can_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "sunwire.db"
    file.touch(0o644)
    file.chmod(0o644)
    found = await disk.disk(settings(tmp_path))
    assert any(f"others can read {file}" in one.what for one in found)


# Ports.


async def test_ports(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        busy = f"127.0.0.1:{other.getsockname()[1]}"
        free = dict.fromkeys(("media", "ops"), "127.0.0.1:0")
        finding = only(await network.network(settings(tmp_path, listen=busy, **free)))
        assert (finding.level, f"{busy} is in use" in finding.what) == (Level.ERROR, True)
        # They are those of the server that has this data folder.
        with data_folder(tmp_path / "data"):
            assert await network.network(settings(tmp_path, listen=busy, **free)) == []
    same = dict.fromkeys(("listen", "media"), "127.0.0.1:7999")
    found = await network.network(settings(tmp_path, ops="127.0.0.1:0", **same))
    assert ["is another's" in one.what for one in found] == [True, True]


def test_an_address_of_another_machine() -> None:
    finding = only(network.taken("listen", "192.0.2.1:1", errno.EADDRNOTAVAIL, "cannot assign"))
    assert "cannot assign" in finding.what
    assert network.taken("listen", "127.0.0.1:1", 0, "") == []


@pytest.mark.parametrize(
    ("ops", "open_"),
    [
        ("127.0.0.1:1", False),
        ("10.0.0.7:1", False),
        ("[::1]:1", False),
        ("ops.internal:1", False),
        ("0.0.0.0:1", True),
        ("[::]:1", True),
        ("8.8.8.8:1", True),
    ],
)
def test_figures_for_strangers(ops: str, open_: bool) -> None:
    assert len(network.public(ops)) == open_


# Limits and clocks.


def test_files() -> None:
    assert limits.files(None, 20_000) == limits.files(20_500, 20_000) == []
    assert only(limits.files(20_499, 20_000)).level is Level.WARNING
    assert only(limits.files(100, 20_000)).level is Level.ERROR


def test_backlog(tmp_path: Path) -> None:
    assert limits.backlog(None) == limits.backlog(BACKLOG) == []
    assert "somaxconn is 128" in only(limits.backlog(128)).what
    (tmp_path / "n").write_text("4096\n")
    assert limits.number(tmp_path / "n") == 4096
    assert limits.number(tmp_path / "none") is None


def test_memory(tmp_path: Path) -> None:
    assert limits.memory(None, Settings()) == limits.memory(64 << 30, Settings()) == []
    assert "need" in only(limits.memory(100 << 20, Settings())).what
    (tmp_path / "m").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert limits.available(tmp_path / "m") == 2 << 20
    assert limits.available(tmp_path / "none") is None


def test_clocks() -> None:
    assert clock.unsynchronized(0) == clock.unsynchronized(None) == []
    assert "NTP" in only(clock.unsynchronized(clock.UNSYNCHRONIZED)).todo
    assert clock.apart(999) == clock.apart(-999) == []
    assert "2.5 seconds ahead of" in only(clock.apart(2500)).what
    assert "2.5 seconds behind" in only(clock.apart(-2500)).what
    if sys.platform == "linux":
        assert clock.kernel_state() in range(6)


# The embedded database.


async def test_a_new_place_is_fine(tmp_path: Path) -> None:
    assert await check_store(settings(tmp_path)) == []
    assert await check_log(settings(tmp_path)) == []
    assert not (tmp_path / "data").exists()


async def made(tmp_path: Path) -> SqliteStore:
    opened = SqliteStore.open(settings(tmp_path).database)
    await opened.migrate()
    return opened


async def test_a_good_database(tmp_path: Path) -> None:
    await (await made(tmp_path)).aclose()
    assert await check_store(settings(tmp_path)) == []
    assert await check_log(settings(tmp_path)) == []


async def test_databases_of_other_versions(tmp_path: Path) -> None:
    opened = await made(tmp_path)
    newest = (await opened.read(_newest))[0][0]
    await opened.write(run, "DELETE FROM migrations WHERE number = ?", newest)
    for migrate, level in (("auto", Level.WARNING), ("check", Level.ERROR)):
        finding = only(await check_store(settings(tmp_path, migrate=migrate)))
        assert (finding.level, "realtime migrate" in finding.todo) == (level, True)
    await opened.write(run, "INSERT INTO migrations VALUES (9999, 'from_the_future', 0)")
    assert "newer version" in only(await check_store(settings(tmp_path))).what
    await opened.aclose()


async def _newest(tx: Any) -> Any:
    return await tx.rows("SELECT MAX(number) FROM migrations")


async def test_files_that_are_no_database_or_a_damaged_one(tmp_path: Path) -> None:
    database = settings(tmp_path).database
    database.parent.mkdir()
    database.write_bytes(b"no database at all" * 100)
    finding = only(await check_store(settings(tmp_path)))
    assert (finding.level, "cannot be read" in finding.what) == (Level.ERROR, True)
    database.unlink()
    await (await made(tmp_path)).aclose()
    page = 4096
    data = bytearray(database.read_bytes())
    for at in range(8 * page, len(data), 3 * page):
        data[at : at + 600] = b"\xff" * 600
    database.write_bytes(data)
    finding = only(await check_store(settings(tmp_path)))
    assert (finding.level, "restore a backup" in finding.todo) == (Level.ERROR, True)


def test_a_database_that_somebody_else_has_set_up(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert "journal mode delete" in only(store.look_at_file(tmp_path / "x.db")).what


def test_a_distant_database() -> None:
    assert store.distance(1.0) == []
    assert "took 80 ms" in only(store.distance(80.0)).what


# The log.


STATUS = Status(
    name="home",
    role=Role.LIVE,
    generation=0,
    position=5,
    head=5,
    entries_behind=0,
    seconds_behind=0.0,
    failed=0,
    retried=0,
    parked=0,
    paused=False,
    sweeping=False,
    left_behind=False,
    seeded=None,
)


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"left_behind": True}, Level.ERROR, "log rebuild home"),
        ({"failed": 10_000}, Level.ERROR, "log dead home"),
        ({"failed": 2, "parked": 3}, Level.WARNING, "log dead home"),
        ({"paused": True, "seconds_behind": 900.0}, Level.WARNING, "log resume home"),
        ({"seconds_behind": 900.0, "entries_behind": 7}, Level.WARNING, "start a server"),
    ],
)
def test_consumers(changed: dict[str, Any], level: Level, words: str) -> None:
    assert consumer(STATUS, known=True) == []
    finding = only(consumer(STATUS._replace(**changed), known=True))
    assert (finding.level, words in finding.todo) == (level, True)


def test_a_consumer_of_another_version() -> None:
    assert "log forget home" in only(consumer(STATUS, known=False)).todo


async def test_an_old_backup_and_an_archive(tmp_path: Path) -> None:
    opened = await made(tmp_path)
    await opened.commit([Put(name=1)], 0)
    epoch = (await opened.read(read_head)).epoch
    note(tmp_path / "data", Seen(epoch, 7))
    finding = only(await check_log(settings(tmp_path)))
    assert (finding.level, "log new-epoch" in finding.todo) == (Level.ERROR, True)
    note(tmp_path / "data", Seen(epoch, 1))
    await opened.write(note_archived, 1)
    assert "--log-archive" in only(await check_log(settings(tmp_path))).todo
    assert await check_log(settings(tmp_path, log_archive="/x")) == []
    await opened.aclose()


# Engines, and drivers that are not installed.


async def test_every_engine_that_is_wrong_is_told_of(tmp_path: Path) -> None:
    found = await check_engines(
        settings(tmp_path, log_copy="kafka://k/t", blobs="cassandra://", redis="redis://r")
    )
    assert [flag in one.what for flag, one in zip(ENGINES, found, strict=True)] == [True] * 3
    assert all(one.level is Level.ERROR for one in found)
    assert await check_engines(settings(tmp_path)) == []


ENGINES = ("--log-copy", "--blobs", "--redis")


@pytest.mark.parametrize(
    ("name", "migrate", "found"),
    [("blobs", "auto", 0), ("blobs", "check", 1), ("old_blobs", "auto", 1)],
)
async def test_tables_for_blobs_that_a_server_would_make(
    name: str, migrate: str, found: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_named(*_: Any) -> Any:
        raise StartError("there are none: run x") from NoTables()

    monkeypatch.setattr("realtime.doctor.engines.open_named", open_named)
    place = settings(tmp_path, migrate=migrate, **{name: "cassandra://c/k"})
    assert [one.todo for one in await check_engines(place)] == ["run x"] * found


@pytest.mark.parametrize("check", [check_store, clock.clock])
async def test_a_driver_that_is_not_there(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "store.mysql.examining":
                raise ModuleNotFoundError("No module named 'asyncmy'", name="asyncmy")

    monkeypatch.delitem(sys.modules, "store.mysql.examining", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(StartError, match="needs the package asyncmy"):
        await check(settings(tmp_path, store="mysql://ann@127.0.0.1:1/x"))
