"""Accounts: signing up, and the profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store import rules
from store.changes.avatars import check_avatar
from store.changes.base import Key, SingleChange
from store.changes.sessions import Grant, NewSession, SecretChange, open_session
from store.changes.uses import swap
from store.errors import Conflict, Invalid, NotFound
from store.log import Kind, Stream, WriteTransaction
from store.queries.users import user_id_by_address, user_id_by_username


class SignUp(SecretChange[Grant], frozen=True, kw_only=True):
    """A user with his first session. The address and the username belong to nobody else."""

    RESULT: ClassVar[type[Grant]] = Grant

    address: str  # proven, and normalised
    username: str
    name: str
    password: str = ""  # a hash; empty: none
    session: NewSession

    def excludes(self) -> Sequence[Key]:
        return (("address", self.address), ("username", self.username.casefold()))

    async def apply_one(self, tx: WriteTransaction) -> Grant:
        name = _checked_name(self.name)
        if await user_id_by_address(tx, self.address) is not None:
            raise Conflict("there is an account with this address", field="address")
        await _check_username(tx, self.username, 0)
        user_id = tx.position + 1  # the entry's own position is the user's id and stream
        entry = await tx.append(Kind.USER_CREATED, Stream.user(user_id), actor_id=user_id)
        await tx.run(
            "INSERT INTO users (id, username, username_key, name, about, avatar_id, password, "
            "created_ms, changed) VALUES (?, ?, ?, ?, '', '', ?, ?, ?)",
            (
                user_id,
                self.username,
                self.username.casefold(),
                name,
                self.password,
                tx.now_ms,
                entry.position,
            ),
        )
        await tx.run(
            "INSERT INTO addresses (address, user_id) VALUES (?, ?)", (self.address, user_id)
        )
        return await open_session(tx, user_id, self.session)


class UpdateProfile(SingleChange[int], frozen=True, kw_only=True):
    """Name, username, about, avatar; None leaves a field as it is. What changes nothing leaves
    no entry. Answers with the user's id."""

    RESULT: ClassVar[type[int]] = int

    user_id: int
    name: str | None = None
    username: str | None = None
    about: str | None = None
    avatar_id: str | None = None

    def excludes(self) -> Sequence[Key]:
        user: Key = ("user", self.user_id)
        return (user,) if self.username is None else (user, ("username", self.username.casefold()))

    async def apply_one(self, tx: WriteTransaction) -> int:
        found = await tx.rows(
            "SELECT name, username, about, avatar_id FROM users WHERE id = ?", (self.user_id,)
        )
        if not found:
            raise NotFound("no such user")
        name, username, about, avatar_id = before = found[0]
        if self.name is not None:
            name = _checked_name(self.name)
        if self.username is not None and self.username != username:
            await _check_username(tx, self.username, self.user_id)
            username = self.username
        if self.about is not None:
            about = self.about
        if self.avatar_id is not None and self.avatar_id != avatar_id:
            await check_avatar(tx, self.user_id, self.avatar_id)
            await swap(tx, avatar_id, self.avatar_id)
            avatar_id = self.avatar_id
        if (name, username, about, avatar_id) == before:
            return self.user_id
        entry = await tx.append(
            Kind.PROFILE_CHANGED,
            Stream.user(self.user_id),
            actor_id=self.user_id,
            subject_id=self.user_id,
        )
        await tx.run(
            "UPDATE users SET name = ?, username = ?, username_key = ?, about = ?, "
            "avatar_id = ?, changed = ? WHERE id = ?",
            (
                name,
                username,
                username.casefold(),
                about,
                avatar_id,
                entry.position,
                self.user_id,
            ),
        )
        return self.user_id


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise Invalid("a name is needed", field="name")
    return name


async def _check_username(tx: WriteTransaction, username: str, user_id: int) -> None:
    """Raises unless the username is well-formed and free, or this user's own."""
    if problem := rules.username_problem(username):
        raise Invalid(f"this username is {problem}", field="username", reason=problem)
    if await user_id_by_username(tx, username) not in (None, user_id):
        raise Conflict("this username is taken", field="username", reason="taken")
