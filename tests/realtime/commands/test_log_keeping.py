"""The commands of `log` for its epoch and its archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtime.clock import SystemClock
from realtime.events.retention import DAY
from realtime.startup import data_folder
from store.archive import Segment, segments, write_segment
from store.log import read_head
from store.retention import archived_up_to, note_archived
from tests.contracts.statements import Put, log_of
from tests.realtime.commands.operating import Operator, operator
from tests.store.social import Social
from tests.store.test_archive import entries

__all__ = ["operator"]


async def epoch(world: Social) -> int:
    return (await world.store.read(read_head)).epoch


async def place(world: Social) -> None:
    await world.run("INSERT INTO offsets VALUES ('home', 0, 0, 999999, 0, 0, 0)")


def test_a_new_epoch_is_told_and_what_was_beyond_the_log(operator: Operator) -> None:
    before = operator.with_world(epoch)
    (line,) = operator.run("new-epoch")
    assert line["before"] == before
    assert line["epoch"] == operator.with_world(epoch) != before
    assert line["clamped"] == []
    operator.with_world(place)
    code, out, said = operator.outcome("new-epoch")
    assert (code, out[0]["clamped"]) == (0, ["home"])
    assert "home has seen entries that are gone" in said


def test_a_new_epoch_is_refused_while_a_server_has_the_folder(operator: Operator) -> None:
    before = operator.with_world(epoch)
    with data_folder(operator.folder):
        assert "in use by another server" in operator.refused("new-epoch")
    assert operator.with_world(epoch) == before


def damage(folder: Path, segment: Segment) -> None:
    file = folder / segment.name
    file.write_bytes(file.read_bytes()[:-9])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive, in which archiving was once ended and begun again."""
    folder = tmp_path / "archive"
    for first, last in ((1, 10), (6, 10), (11, 20)):
        write_segment(folder, 7, entries(first, last))
    write_segment(folder, 8, entries(18, 30))
    return folder


def test_an_archive_is_verified(operator: Operator, folder: Path) -> None:
    assert operator.run("archive", str(folder)) == [
        {"epoch": 7, "first": 1, "last": 20, "files": 3},
        {"epoch": 8, "first": 18, "last": 30, "files": 1},
    ]
    newest = write_segment(folder, 8, entries(41, 50))
    code, out, said = operator.outcome("archive", str(folder))
    assert (code, len(out)) == (2, 3)
    assert "positions 31 to 40 of epoch 8 are missing" in said
    damage(folder, newest)
    damage(folder, Segment(7, 1, 10))
    code, out, said = operator.outcome("archive", str(folder))
    assert code == 2
    assert [line["first"] for line in out] == [6, 18]
    assert said.count("is damaged") == 2
    assert f"{newest.name} is damaged" in said


def test_the_files_of_an_archive_are_listed(operator: Operator, folder: Path) -> None:
    first, _, bad, last = segments(folder)
    damage(folder, bad)
    code, lines, said = operator.outcome("archive", str(folder), "--files")
    assert code == 2
    assert f"{bad.name} is damaged" in said
    assert lines[0] == {
        "file": first.name,
        **first._asdict(),
        "bytes": (folder / first.name).stat().st_size,
        "damage": None,
    }
    assert [line["file"] for line in lines if line["damage"]] == [bad.name]
    assert lines[-1]["file"] == last.name


def test_the_entries_of_an_archive_are_read_once_each(operator: Operator, folder: Path) -> None:
    lines = operator.run("archive", str(folder), "--entries")
    assert [line["position"] for line in lines] == [*range(1, 21), *range(18, 31)]
    assert json.dumps(lines[0]) == json.dumps({**lines[0], "kind": "message.sent"})
    lines = operator.run("archive", str(folder), "--entries", "--from", "19")
    assert [line["position"] for line in lines] == [19, 20, *range(19, 31)]
    damage(folder, Segment(8, 18, 30))
    code, _, said = operator.outcome("archive", str(folder), "--entries", "--from", "30")
    assert (code, "is damaged" in said) == (2, True)
    assert operator.run("archive", str(folder), "--entries", "--from", "31") == []


def test_what_is_no_archive_is_refused(operator: Operator, tmp_path: Path) -> None:
    for words in (("archive",), ("archive", str(tmp_path / "nowhere"))):
        assert "name the folder of an archive" in operator.refused(*words)


def test_archiving_is_ended(operator: Operator) -> None:
    async def begin(world: Social) -> None:
        await world.store.write(note_archived, 5)

    async def archived(world: Social) -> int | None:
        return await world.store.read(archived_up_to)

    operator.with_world(begin)
    assert operator.run("archive", "--end") == []
    assert operator.with_world(archived) is None


# What would go.


BEGIN = 1000  # where the log of the test's world begins


async def ten_old_and_a_new_one(world: Social) -> None:
    now_ms = SystemClock().now_ms()
    assert await world.head() == BEGIN
    await world.run("UPDATE log_head SET floor = position")
    await world.store.commit([Put(name=1)] * 10, now_ms - 40 * DAY)
    await world.store.commit([Put(name=1)], now_ms)
    await world.run("INSERT INTO offsets VALUES ('counters', 0, 0, 1004, 0, 0, 0)")


def test_what_would_go_is_said_and_stays(operator: Operator) -> None:
    async def positions(world: Social) -> list[int]:
        return [one.position for one in await log_of(world.store)]

    operator.with_world(ten_old_and_a_new_one)
    head = BEGIN + 11
    counters = {"who": "the consumer counters", "position": BEGIN + 4}
    (line,) = operator.run("retention")
    assert line == {
        "floor": BEGIN,
        "head": head,
        "archived": None,
        "old": head - 1,
        "goes": BEGIN + 4,
        "held_by": counters,
        "needs": [counters],
        "left_behind": [],
    }
    # What waits for it was written longer ago than twice the time.
    (line,) = operator.run("retention", "--log-keep", "15")
    assert (line["goes"], line["held_by"]) == (head - 1, None)
    assert line["left_behind"] == [counters]
    for days in ("0", "50"):
        (line,) = operator.run("retention", "--log-keep", days)
        assert (line["old"], line["goes"], line["held_by"]) == (BEGIN, BEGIN, None)
    assert operator.with_world(positions) == list(range(BEGIN + 1, head + 1))


def test_what_would_go_is_asked_for_with_the_settings_of_the_file(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.with_world(ten_old_and_a_new_one)
    (tmp_path / "sunwire.toml").write_text("log_keep = 50\nlog_level = 'debug'\n")
    monkeypatch.chdir(tmp_path)
    assert operator.run("retention")[0]["old"] == BEGIN
    monkeypatch.setenv("SUNWIRE_LOG_ARCHIVE", str(tmp_path / "archive"))
    (line,) = operator.run("retention", "--log-keep", "30")
    assert line["held_by"] == {"who": "the archive", "position": BEGIN}
