"""The commands of `log` for its epoch and its archive."""

from __future__ import annotations

import json
from pathlib import Path

from realtime.startup import data_folder
from store.archive import Segment, write_segment
from store.log import read_head
from store.retention import archived_up_to, note_archived
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


def test_an_archive_is_verified_and_read(operator: Operator, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    for first, last in ((1, 10), (11, 20), (31, 40)):
        write_segment(folder, 7, entries(first, last))
    newest = write_segment(folder, 8, entries(41, 50))
    assert operator.run("archive", str(folder)) == [
        {"epoch": 7, "first": 1, "last": 20, "files": 2},
        {"epoch": 7, "first": 31, "last": 40, "files": 1},
        {"epoch": 8, "first": 41, "last": 50, "files": 1},
    ]
    lines = operator.run("archive", str(folder), "--entries")
    assert [line["position"] for line in lines] == [*range(1, 21), *range(31, 51)]
    assert json.dumps(lines[0]) == json.dumps({**lines[0], "kind": "message.sent"})
    damage(folder, newest)
    assert f"{newest.name} is damaged" in operator.refused("archive", str(folder))


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
