"""Whom a text mentions, and since when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.changes.accounts import UpdateProfile
from store.changes.comments import DeleteComment, EditComment
from store.changes.posts import DeletePost, EditPost
from store.mentions import MOST, mentioned
from store.queries.mentions import mentioned_since
from store.rules import USERNAME
from tests.store.social import ANN, BEN, CAT, DAN, Social


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@ann", ["ann"]),
        ("look, @Ann and @BEN.d!", ["ann", "ben.d"]),
        ("@ann @ANN @ann", ["ann"]),
        ("(@ann) '@ben' \"@cat\" *@dan*", ["ann", "ben", "cat", "dan"]),
        ("_@ann_ is seen", ["ann"]),
        ("@ann's, @ben/@cat, @dan-", ["ann", "ben", "cat", "dan"]),
        ("@ann. @ben... @cat..d @dan,", ["ann", "ben", "cat", "dan"]),
        ("\n@ann\n", ["ann"]),
        # Scripts without spaces, marks of direction, keyboards with a wide at sign, pictures.
        ("你好@ann你好", ["ann"]),
        ("안녕＠annさん", ["ann"]),
        ("مرحبا@ann", ["ann"]),
        ("\u200f@ann\u200e", ["ann"]),
        ("🐟@ann🐟", ["ann"]),
        # Parts of longer words, and of addresses.
        ("ann@ben.org", []),
        ("@ann@ben.org @@ann", []),
        ("jürgenü@ann", []),
        ("u\u0308@ann", []),
        ("@annä @ann\u0301 @annж @ann٣", []),
        ("@anne\u2019s", ["anne"]),
        ("https://example.org/@ann?to=@ben ftp://@cat", []),
        # Letters that fold into those of names, or look like them.
        ("@ann\u017f @\uff41nn @\u212aim @аnn", []),
        # No names.
        ("@ @. @an @_ann @.ann @@", []),
        ("@" + "a" * 30, ["a" * 30]),
        ("@" + "a" * 31, []),
        ("", []),
    ],
)
def test_mentioned(text: str, names: list[str]) -> None:
    assert mentioned(text) == names


@given(st.text(st.sampled_from("@＠aA1._ /:\u0301äжж你-") | st.characters()))
def test_whatever_the_text_names_are_well_formed_and_in_it(text: str) -> None:
    names = mentioned(text)
    assert len(names) == len(set(names)) <= MOST
    for name in names:
        assert USERNAME.fullmatch(name)
        assert f"@{name}" in text.lower().replace("＠", "@")


@given(st.from_regex(USERNAME, fullmatch=True), st.text(), st.text())
def test_a_name_that_stands_alone_is_found_in_any_text(name: str, one: str, other: str) -> None:
    before, after = (part.replace("@", "").replace("＠", "") for part in (one, other))
    assert mentioned(f"{before} @{name} {after}") == [name]


def test_of_too_many_the_first_count() -> None:
    names = [f"user{number}" for number in range(MOST + 5)]
    assert mentioned(" ".join(f"@{name}" for name in names)) == names[:MOST]


async def since(world: Social, post: int, comment: int = 0) -> dict[int, int]:
    found = await world.store.read(mentioned_since, [(post, comment)])
    return found.get((post, comment), {})


async def test_a_mention_holds_since_the_text_has_it(world: Social) -> None:
    post = await world.post(ANN, "@user2 @User3 @user4 @nobody @user2")
    assert await since(world, post.id) == dict.fromkeys((BEN, CAT, DAN), post.id)
    edit = EditPost(user_id=ANN, post_id=post.id, text="@user3 @user1")
    edited = await world.do(edit)
    assert await since(world, post.id) == {CAT: post.id, ANN: edited.changed}
    await world.do(EditPost(user_id=ANN, post_id=post.id, text="none"))
    assert await since(world, post.id) == {}
    again = await world.do(edit)
    assert await since(world, post.id) == dict.fromkeys((CAT, ANN), again.changed)
    await world.do(DeletePost(user_id=ANN, post_id=post.id))
    assert await since(world, post.id) == {}


async def test_mentions_of_comments_are_their_own(world: Social) -> None:
    post = await world.post(ANN, "@user2")
    one, other = [await world.comment(CAT, post.id, text) for text in ("@user2", "@user4")]
    edited = await world.do(EditComment(user_id=CAT, comment_id=one.id, text="@user2 @user1"))
    assert await since(world, post.id) == {BEN: post.id}
    assert await since(world, post.id, one.id) == {BEN: one.id, ANN: edited.changed}
    await world.do(DeleteComment(user_id=ANN, comment_id=one.id))
    assert await since(world, post.id, one.id) == {}
    assert await since(world, post.id, other.id) == {DAN: other.id}


async def test_a_name_is_looked_up_when_it_is_said(world: Social) -> None:
    before = await world.post(ANN, "@user2 @benny")
    await world.do(UpdateProfile(user_id=BEN, username="benny"))
    after = await world.post(ANN, "@user2 @benny")
    assert await since(world, before.id) == {BEN: before.id}
    assert await since(world, after.id) == {BEN: after.id}
