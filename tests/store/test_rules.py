"""The permission rules, over every combination of what they are asked.

What is allowed is written out by hand, and the refusals are held to what every rule must keep:
who may not know of a row is told that there is none, and more power never means less leave.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import rules
from store.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from store.records import Purpose, Role, RoomKind

Rule = Callable[..., DomainError | None]

NONE, MEMBER, ADMIN, OWNER = Role
DIRECT, GROUP = RoomKind
WINDOW = rules.EDIT_WINDOW_MS

# Each parameter is one of these; numbers and texts at their edges.
SAID = ("a", " \U0001f41f ")
DOMAINS: dict[str, tuple[Any, ...]] = {
    "age_ms": (0, 1, WINDOW, WINDOW + 1, 10 * WINDOW),
    "text": ("", " ", "\n\t\u2003", *SAID),
}
OF_TYPE: dict[Any, tuple[Any, ...]] = {
    bool: (False, True),
    Role: tuple(Role),
    RoomKind: tuple(RoomKind),
    Purpose: tuple(Purpose),
}


def is_rule(value: object) -> bool:
    return (
        inspect.isfunction(value)
        and value.__module__ == rules.__name__
        and get_type_hints(value)["return"] == DomainError | None
    )


RULES: dict[str, Rule] = {name: rule for name, rule in vars(rules).items() if is_rule(rule)}


def cases(rule: Rule) -> Iterator[dict[str, Any]]:
    """Every combination of arguments."""
    hints = get_type_hints(rule)
    names = list(inspect.signature(rule).parameters)
    for values in itertools.product(*(DOMAINS.get(n) or OF_TYPE[hints[n]] for n in names)):
        yield dict(zip(names, values, strict=True))


def ask(rule: Rule, case: dict[str, Any]) -> DomainError | None:
    parameters = inspect.signature(rule).parameters.values()
    by_place = [case[p.name] for p in parameters if p.kind is not p.KEYWORD_ONLY]
    by_name = {p.name: case[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY}
    return rule(*by_place, **by_name)


Answer = Callable[..., type[DomainError] | None]
ANSWERS: dict[str, Answer] = {}
"""What each rule must say to every case: the class of its error, or None for leave."""


def answers(*names: str) -> Callable[[Answer], Answer]:
    def keep(answer: Answer) -> Answer:
        ANSWERS.update(dict.fromkeys(names, answer))
        return answer

    return keep


# Rooms.


@answers("read_room")
def members_read(role: Role) -> type[DomainError] | None:
    return NotFound if role is NONE else None


@answers("send")
def members_write_where_neither_has_blocked_the_other(
    role: Role, closed: bool
) -> type[DomainError] | None:
    if role is NONE:
        return NotFound
    return Forbidden if closed else None


@answers("add_members")
def any_member_of_a_group_adds(kind: RoomKind, role: Role) -> type[DomainError] | None:
    if role is NONE:
        return NotFound
    return Invalid if kind is DIRECT else None


@answers("remove_member")
def members_leave_and_are_removed_by_those_above(
    kind: RoomKind, role: Role, target: Role, self_: bool
) -> type[DomainError] | None:
    if role is NONE:
        return NotFound
    if kind is DIRECT:
        return Invalid
    if self_ or (role, target) in {(ADMIN, MEMBER), (OWNER, MEMBER), (OWNER, ADMIN)}:
        return None
    return NotFound if target is NONE else Forbidden


@answers("change_room")
def admins_change_a_group(kind: RoomKind, role: Role) -> type[DomainError] | None:
    if role is NONE:
        return NotFound
    if kind is DIRECT:
        return Invalid
    return None if role in (ADMIN, OWNER) else Forbidden


# Messages.


@answers("read_message")
def a_message_is_read_by_whom_it_is_visible_to(
    role: Role, visible: bool
) -> type[DomainError] | None:
    return None if role is not NONE and visible else NotFound


@answers("edit_message")
def a_message_is_edited_by_its_sender_for_two_days(
    role: Role, visible: bool, mine: bool, deleted: bool, age_ms: int, closed: bool
) -> type[DomainError] | None:
    if role is NONE or not visible:
        return NotFound
    if not mine or closed:
        return Forbidden
    return Conflict if deleted or age_ms in (WINDOW + 1, 10 * WINDOW) else None


@answers("delete_message")
def a_message_is_deleted_by_its_sender_and_in_a_group_by_those_above_him(
    kind: RoomKind, role: Role, visible: bool, mine: bool, sender: Role
) -> type[DomainError] | None:
    above = {
        (ADMIN, NONE),  # the sender has left
        (ADMIN, MEMBER),
        (OWNER, NONE),
        (OWNER, MEMBER),
        (OWNER, ADMIN),
    }
    if role is NONE or not visible:
        return NotFound
    return None if mine or (kind is GROUP and (role, sender) in above) else Forbidden


# Posts, comments, follows.


@answers("read_post")
def a_post_is_there_until_it_is_deleted_or_hidden(
    deleted: bool, hidden: bool
) -> type[DomainError] | None:
    return NotFound if deleted or hidden else None


@answers("change_post")
def a_post_is_its_authors(mine: bool, deleted: bool, hidden: bool) -> type[DomainError] | None:
    if deleted or hidden:
        return NotFound
    return None if mine else Forbidden


@answers("post_content")
def a_post_says_or_shows_something(text: str, media: bool) -> type[DomainError] | None:
    return None if media or text in SAID else Invalid


@answers("comment_content")
def a_comment_says_something(text: str) -> type[DomainError] | None:
    return None if text in SAID else Invalid


@answers("reply_to_comment")
def a_reply_answers_a_living_comment_on_the_same_post(
    same_post: bool, deleted: bool, hidden: bool
) -> type[DomainError] | None:
    return None if same_post and not deleted and not hidden else NotFound


@answers("edit_comment")
def a_comment_is_edited_by_its_writer(
    mine: bool, deleted: bool, post_deleted: bool, hidden: bool
) -> type[DomainError] | None:
    if deleted or post_deleted or hidden:
        return NotFound
    return None if mine else Forbidden


@answers("delete_comment")
def a_comment_is_deleted_by_its_writer_and_by_the_author_of_the_post(
    mine: bool, my_post: bool, deleted: bool, post_deleted: bool, hidden: bool
) -> type[DomainError] | None:
    if deleted or post_deleted:
        return NotFound
    if mine or my_post:
        return None
    return NotFound if hidden else Forbidden


# People.


@answers("see_user")
def who_is_blocked_does_not_find_who_has_blocked_him(blocked: bool) -> type[DomainError] | None:
    return NotFound if blocked else None


@answers("meet_user")
def two_meet_while_neither_has_blocked_the_other(
    blocks: bool, blocked: bool
) -> type[DomainError] | None:
    if blocked:
        return NotFound
    return Forbidden if blocks else None


@answers("follow")
def one_follows_others_whom_one_may_meet(
    self_: bool, blocks: bool, blocked: bool
) -> type[DomainError] | None:
    return Invalid if self_ else two_meet_while_neither_has_blocked_the_other(blocks, blocked)


@answers("block")
def nobody_blocks_himself(self_: bool) -> type[DomainError] | None:
    return Invalid if self_ else None


# Media.


@answers("attach_media")
def what_is_attached_is_ones_own_and_there_and_meant_for_it(
    mine: bool, stored: bool, purpose: Purpose, wanted: Purpose
) -> type[DomainError] | None:
    if not mine:
        return NotFound
    if not stored:
        return Conflict
    return None if purpose is wanted else Invalid


@answers("view_media")
def private_media_are_seen_by_their_owner_and_in_the_room_they_were_sent_to(
    mine: bool, public: bool, in_my_room: bool
) -> type[DomainError] | None:
    return None if mine or public or in_my_room else NotFound


# Every rule.


RULE_NAMES = sorted(RULES)


def test_no_rule_is_left_out() -> None:
    assert ANSWERS.keys() == RULES.keys()
    assert {"send", "view_media"} <= RULES.keys()  # and rules are recognised


@pytest.mark.parametrize("name", RULE_NAMES)
def test_a_rule_answers_every_case_as_it_is_written_here(name: str) -> None:
    for case in cases(RULES[name]):
        refusal = ask(RULES[name], case)
        assert (refusal if refusal is None else type(refusal)) is ANSWERS[name](**case), case


def test_a_refusal_of_content_names_its_field() -> None:
    for refusal in (rules.post_content("", media=False), rules.comment_content("")):
        assert refusal is not None
        assert refusal.details == {"field": "text"}


@pytest.mark.parametrize("name", RULE_NAMES)
def test_an_answer_depends_on_nothing_else(name: str) -> None:
    for case in cases(RULES[name]):
        first, second = ask(RULES[name], case), ask(RULES[name], case)
        assert type(first) is type(second)
        if first is not None and second is not None:
            assert first is not second  # it will be raised, and carries a traceback then
            assert (first.message, first.details) == (second.message, second.details)
            assert first.message


def raised(name: str, parameter: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of cases that differ in one parameter: lower, higher."""
    for case in cases(RULES[name]):
        for other in cases(RULES[name]):
            rest = {k: v for k, v in case.items() if k != parameter}
            if case[parameter] < other[parameter] and rest.items() <= other.items():
                yield case, other


def of(parameter: str) -> list[str]:
    """The rules that have this parameter."""
    return [name for name in RULE_NAMES if parameter in inspect.signature(RULES[name]).parameters]


@pytest.mark.parametrize(
    ("name", "parameter"),
    [(name, p) for p in ("role", "mine", "visible", "my_post", "stored") for name in of(p)],
)
def test_more_power_never_means_less_leave(name: str, parameter: str) -> None:
    pairs = list(raised(name, parameter))
    assert pairs
    for lower, higher in pairs:
        if ask(RULES[name], lower) is None:
            assert ask(RULES[name], higher) is None, (lower, higher)


@pytest.mark.parametrize(
    ("name", "parameter"), [(n, p) for p in ("deleted", "post_deleted") for n in of(p)]
)
def test_nothing_is_done_to_what_is_deleted(name: str, parameter: str) -> None:
    for case in cases(RULES[name]):
        if case[parameter]:
            assert ask(RULES[name], case) is not None, case


@pytest.mark.parametrize("name", of("hidden"))
def test_what_is_hidden_looks_as_if_it_were_not_there(name: str) -> None:
    for hidden, case in raised(name, "hidden"):
        refusal, without = ask(RULES[name], case), ask(RULES[name], hidden)
        if without is not None or refusal is not None:
            assert isinstance(refusal, NotFound | None)


@pytest.mark.parametrize("name", of("role"))
def test_a_stranger_and_one_who_has_left_never_learn_whether_it_exists(name: str) -> None:
    """Every refusal of theirs is the same, word for word."""
    told = {
        (type(refusal), str(refusal), *(refusal.details.items() if refusal else ()))
        for case in cases(RULES[name])
        if case["role"] is NONE
        for refusal in [ask(RULES[name], case)]
    }
    (answer,) = told
    assert answer[0] is NotFound
    assert len(answer) == 2


@pytest.mark.parametrize("name", of("visible"))
def test_what_is_not_visible_is_as_if_it_were_not_there(name: str) -> None:
    rule = RULES[name]
    told = {str(ask(rule, case)) for case in cases(rule) if not case["visible"]}
    strangers = {str(ask(rule, case)) for case in cases(rule) if case["role"] is NONE}
    assert told == strangers == {"no such message"}


@given(st.integers(0, 1 << 62), st.booleans())
def test_the_time_to_edit_ends_once(age_ms: int, deleted: bool) -> None:
    refusal = rules.edit_message(
        MEMBER, True, mine=True, deleted=deleted, age_ms=age_ms, closed=False
    )
    assert (refusal is None) == (age_ms <= WINDOW and not deleted)
    assert WINDOW == 48 * 3600 * 1000


# Usernames.

NAMES = st.text(
    st.sampled_from("abAB01._-\u017f\u212a\u00df\u00e9 ") | st.characters(), min_size=0, max_size=34
)


@given(NAMES | st.from_regex(rules.USERNAME, fullmatch=True))
def test_an_allowed_username_is_plain(username: str) -> None:
    if rules.username_problem(username):
        return
    assert 3 <= len(username) <= 30
    assert username.isascii()
    assert username.casefold() == username.lower()
    assert set(username.lower()) <= set("abcdefghijklmnopqrstuvwxyz0123456789._")
    assert username[0].isalnum()
    assert username[-1].isalnum()
    assert not any(pair in username for pair in ("..", "__", "._", "_."))
    assert username.lower() not in rules.RESERVED_USERNAMES


@given(NAMES)
def test_case_makes_no_difference_to_a_username(username: str) -> None:
    if username.isascii():
        problems = {rules.username_problem(f(username)) for f in (str.upper, str.lower, str.title)}
        assert problems == {rules.username_problem(username)}


@pytest.mark.parametrize(
    ("username", "problem"),
    [
        ("ann", ""),
        ("a.b", ""),
        ("a_1", ""),
        ("a" * 30, ""),
        ("a" * 31, "malformed"),
        ("ab", "malformed"),
        ("", "malformed"),
        ("_ab", "malformed"),
        ("ab.", "malformed"),
        ("a..b", "malformed"),
        ("a b", "malformed"),
        ("ann\n", "malformed"),
        ("\u017fam", "malformed"),  # folds into "sam"
        ("admin", "reserved"),
        ("AdMiN", "reserved"),
        ("admins", ""),
    ],
)
def test_what_is_wrong_with_a_username(username: str, problem: str) -> None:
    assert rules.username_problem(username) == problem
