"""The commands of `log` over a database that a server has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.__main__ import app as command_line
from store.projections.consuming import consume, set_aside
from store.projections.counters import CountersProjection
from store.projections.offsets import Role
from tests.realtime.commands.operating import Operator, operator
from tests.store.social import ANN, BEN, CAT, Social

__all__ = ["operator"]


async def some_likes(world: Social) -> int:
    """A post and two likes: three entries, of which the consumer has taken two."""
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.step("counters")
    await world.like(CAT, post.id)
    return post.id


async def two_letters(world: Social) -> None:
    for name, position in (("counters", 7), ("home", 5), ("home", 6)):
        await world.run(
            "INSERT INTO set_aside VALUES (?, 0, ?, '', 0, 'no', 9)",
            name,
            position,
        )


def test_show_prints_the_latest_entries_or_those_from_a_position(operator: Operator) -> None:
    post = operator.with_world(some_likes)
    lines = operator.run("show")
    assert [(line["position"], line["kind"]) for line in lines] == [
        (post, "post.created"),
        (post + 1, "post.liked"),
        (post + 2, "post.liked"),
    ]
    assert lines[2] == {
        "position": post + 2,
        "at_ms": lines[2]["at_ms"],
        "kind": "post.liked",
        "stream": f"user:{CAT}",
        "sequence": 1,
        "actor_id": CAT,
        "subject_id": post,
        "other_id": ANN,
    }
    assert operator.run("show", "--limit", "1") == lines[2:]
    assert operator.run("show", "--from", str(post), "--limit", "2") == lines[:2]
    assert operator.run("show", "--from", str(post + 1)) == lines[1:]


def test_show_picks_by_kind_and_stream(operator: Operator) -> None:
    post = operator.with_world(some_likes)

    def positions(*arguments: str) -> list[int]:
        return [line["position"] for line in operator.run("show", *arguments)]

    assert positions("--kind", "post.created") == [post]
    assert positions("--kind", "post.created", "--kind", "post.liked", "--limit", "2") == [
        post + 1,
        post + 2,
    ]
    assert positions("--stream", f"user:{BEN}") == [post + 1]
    assert positions("--stream", "room:1") == []
    assert "post.liked" in operator.refused("show", "--kind", "post.love")
    assert "room:ID" in operator.refused("show", "--stream", "ann")


def test_show_reads_on_past_a_portion(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.commands.log.show.PORTION", 2)
    post = operator.with_world(some_likes)
    found = operator.run("show", "--from", "1", "--limit", "100")
    assert [line["position"] for line in found] == [post, post + 1, post + 2]


def test_lag_is_counted_from_the_first_entry_that_a_consumer_has_yet_to_take(
    operator: Operator,
) -> None:
    post = operator.with_world(some_likes)
    lines = {line.pop("consumer"): line for line in operator.run("lag")}
    assert set(lines) == {"home", "counters", "notifications"}
    counters, home = lines["counters"], lines["home"]
    assert counters["seconds_behind"] > 1e6  # this log was written long ago
    del counters["seconds_behind"]
    assert counters == {
        "position": post + 1,
        "head": post + 2,
        "generation": 0,
        "building": False,
        "seeded": None,
        "entries_behind": 1,
        "dead": 0,
        "parked": 0,
        "paused": False,
        "stopped": False,
        "known": True,
    }
    assert (home["position"], home["entries_behind"]) == (0, 3)


def test_what_is_none_of_its_business_does_not_put_a_consumer_behind(operator: Operator) -> None:
    async def work(world: Social) -> None:
        post = await world.post(ANN)
        await world.step("home")
        await world.like(BEN, post.id)

    operator.with_world(work)
    (home,) = (line for line in operator.run("lag") if line["consumer"] == "home")
    assert (home["entries_behind"], home["seconds_behind"]) == (0, 0)
    assert home["position"] < home["head"]


def test_lag_names_a_consumer_that_no_code_knows(operator: Operator) -> None:
    async def work(world: Social) -> None:
        await some_likes(world)
        await world.run("INSERT INTO offsets VALUES ('search', 0, 0, 1, 0, 0, 0)")

    operator.with_world(work)
    assert {line["consumer"]: line["known"] for line in operator.run("lag")} == {
        "counters": True,
        "home": True,
        "notifications": True,
        "search": False,
    }


def test_dead_lists_what_was_set_aside(operator: Operator) -> None:
    operator.with_world(two_letters)
    found = operator.run("dead")
    assert found[0] == {
        "consumer": "counters",
        "generation": 0,
        "position": 7,
        "key": "",
        "state": "failed",
        "error": "no",
        "at_ms": 9,
    }
    assert [line["position"] for line in found] == [7, 5, 6]
    assert operator.run("dead", "home") == found[1:]
    assert operator.run("dead", "home", "--limit", "1") == found[1:2]
    assert operator.run("dead", "search") == []


def test_where_there_is_no_database_it_says_so_and_makes_none(operator: Operator) -> None:
    assert "no database" in operator.refused("lag")
    assert list(operator.folder.iterdir()) == []


def test_a_database_of_another_version_is_refused(operator: Operator) -> None:
    (operator.folder / "sunwire.db").touch()
    assert "migrate" in operator.refused("lag")
    (operator.folder / "sunwire.db").unlink()

    async def age(world: Social) -> None:
        await world.run("DELETE FROM migrations WHERE number > 3")

    operator.with_world(age)
    assert "older than this version" in operator.refused("lag")


def test_the_settings_file_names_the_database(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.with_world(some_likes)
    file = tmp_path / "other.toml"
    # What else the file sets is for `serve`.
    file.write_text(f'data = "{operator.folder}"\nlog_level = "debug"\n')
    with pytest.raises(SystemExit):
        command_line.meta(["log", "lag", "--config", str(file)])
    assert capsys.readouterr().out.count("\n") == 3


# What an operator asks for.


async def one_failed(world: Social) -> int:
    """A like that has failed, and an unlike that waits behind it. Returns the post."""
    post = await world.post(ANN)
    await world.step("counters")
    like = await world.like(BEN, post.id)
    counters = world.invisible[1]
    await world.store.write(set_aside, counters, like.changed, "no", 9)
    await world.like(BEN, post.id, False)
    await world.like(CAT, post.id)
    await world.step("counters")
    return post.id


async def consumed(world: Social) -> list[tuple[int, ...]]:
    """What a server makes of it."""
    while (await world.step("counters")).read:
        pass
    return await world.rows("SELECT likes FROM post_counts")


def test_what_failed_is_retried_with_what_waits_behind_it(operator: Operator) -> None:
    post = operator.with_world(one_failed)
    assert [line["state"] for line in operator.run("dead", "counters", "--parked")] == [
        "failed",
        "parked",
        "parked",
    ]
    (failed,) = operator.run("dead")
    assert (failed["position"], failed["key"]) == (post + 1, f"p{post}")
    (lag,) = (line for line in operator.run("lag") if line["consumer"] == "counters")
    assert (lag["dead"], lag["parked"], lag["stopped"]) == (1, 2, False)
    assert operator.run("dead", "counters", str(post + 1), "--retry") == []
    assert operator.run("dead", "counters")[0]["state"] == "to be retried"
    assert operator.with_world(consumed) == [(1,)]
    assert operator.run("dead", "--parked") == []


def test_what_failed_is_discarded_or_all_of_it_retried(operator: Operator) -> None:
    post = operator.with_world(one_failed)
    operator.run("dead", "counters", "--retry")
    assert operator.run("dead", "counters")[0]["state"] == "to be retried"
    operator.run("dead", "counters", str(post + 1), "--discard")
    assert [line["state"] for line in operator.run("dead", "--parked")] == [
        "to be retried",
        "parked",
    ]


def test_what_makes_no_sense_is_refused_with_a_sentence(operator: Operator) -> None:
    post = operator.with_world(one_failed)
    for words, why in (
        (("dead", "counters", str(post + 2), "--retry"), "waits behind"),
        (("dead", "counters", "99", "--discard"), "not set aside"),
        (("dead", "counters", "--discard"), "needs the position"),
        (("dead", "counters", "1", "--discard", "--retry"), "exclude"),
        (("dead", "search", "--retry"), "no consumer 'search': counters, home, notifications"),
        (("pause", "search"), "no consumer 'search'"),
        (("resume", "search"), "no consumer 'search'"),
        (("replay", "search", "--from", "1"), "no consumer 'search'"),
        (("replay", "counters", "--from", "1"), "twice"),
        (("replay", "home", "--from", "0"), "begins at 1"),
        (("replay", "home", "--from", "9999"), "nothing to repeat"),
        (("rebuild", "notifications"), "log replay notifications --from 1"),
        (("rebuild", "counters", "--cancel"), "not being built"),
        (("forget", "counters"), "is a consumer of this version"),
        (("forget", "search"), "nothing is known"),
    ):
        assert why in operator.refused(*words)


def test_a_consumer_is_paused_and_resumed(operator: Operator) -> None:
    async def like(world: Social) -> int:
        post = await world.post(ANN)
        await world.like(BEN, post.id)
        return (await world.step("counters")).read

    def paused() -> bool:
        (lag,) = (line for line in operator.run("lag") if line["consumer"] == "counters")
        return bool(lag["paused"])

    operator.with_world(some_likes)
    operator.run("pause", "counters")
    assert operator.with_world(like) == 0
    assert paused()
    operator.run("resume", "counters")
    assert operator.with_world(like) > 0
    assert not paused()


def test_entries_are_taken_once_more(operator: Operator) -> None:
    async def post(world: Social) -> int:
        found = await world.post(ANN)
        await world.project()
        return found.id

    async def project(world: Social) -> int:
        return (await world.step("home")).read

    position = operator.with_world(post)
    operator.run("replay", "home", "--from", str(position))
    assert operator.with_world(project) == 1


def test_rows_are_built_anew(operator: Operator) -> None:
    async def build(world: Social) -> list[tuple[int, ...]]:
        counters = world.invisible[1]
        assert isinstance(counters, CountersProjection)
        await world.store.write(consume, counters, 100, 0, 0, None, Role.BUILDING)
        return await world.rows("SELECT role, generation FROM offsets ORDER BY generation")

    operator.with_world(some_likes)
    operator.run("rebuild", "counters")
    found = [line for line in operator.run("lag") if line["consumer"] == "counters"]
    assert [(line["building"], line["generation"]) for line in found] == [(False, 0), (True, 1)]
    operator.run("rebuild", "counters", "--cancel")
    operator.run("rebuild", "counters")
    assert operator.with_world(build) == [
        (Role.LEAVING, 0),
        (Role.LEAVING, 1),
        (Role.LIVE, 2),
    ]


def test_a_consumer_of_an_older_version_is_forgotten(operator: Operator) -> None:
    async def add(world: Social) -> None:
        await world.run("INSERT INTO offsets VALUES ('search', 0, 0, 1, 0, 0, 0)")

    operator.with_world(add)
    operator.run("forget", "search")
    assert "search" not in [line["consumer"] for line in operator.run("lag")]
