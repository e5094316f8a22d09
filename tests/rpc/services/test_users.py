"""Users and profiles, as callers meet them."""

from __future__ import annotations

import pytest

from rpc.errors import Code
from rpc.proto.users_pb2 import (
    CheckUsernameRequest,
    GetMeRequest,
    GetProfileRequest,
    GetUsersRequest,
    UpdateProfileRequest,
)
from store.records import Purpose
from tests.rpc.services.accounts import open_house, with_password
from tests.rpc.services.kit import refused
from tests.store.social import NOBODY


async def test_a_profile_is_found_by_id_and_by_name() -> None:
    async with open_house() as house:
        ann, joined = await house.join("ann")
        ben, _ = await house.join("ben")
        me = await ann.users.get_me(GetMeRequest())
        assert me.user == joined.user
        assert me.changed == joined.user.id
        for request in (
            GetProfileRequest(user_id=joined.user.id),
            GetProfileRequest(username="ann"),
            GetProfileRequest(username="ANN"),
        ):
            assert await ben.users.get_profile(request) == me
        await house.kit.world.follow(ben.user_id, ann.user_id)
        seen = await ben.users.get_profile(GetProfileRequest(username="ann"))
        assert (seen.followed_by_me, seen.follows_me) == (True, False)
        seen = await ann.users.get_profile(GetProfileRequest(username="ben"))
        assert (seen.followed_by_me, seen.follows_me) == (False, True)


async def test_profiles_that_are_not_there() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        for request in (
            GetProfileRequest(user_id=NOBODY),
            GetProfileRequest(user_id=0),
            GetProfileRequest(username="nobody"),
            GetProfileRequest(username=""),
        ):
            async with refused(Code.NOT_FOUND):
                await ann.users.get_profile(request)
        async with refused(Code.INVALID_ARGUMENT, "user_id"):
            await ann.users.get_profile(GetProfileRequest())
        stranger = house.device()
        async with refused(Code.UNAUTHENTICATED):
            await stranger.users.get_profile(GetProfileRequest(username="ann"))
        async with refused(Code.UNAUTHENTICATED):
            await stranger.users.get_me(GetMeRequest())
        async with refused(Code.UNAUTHENTICATED):
            await stranger.users.update_profile(UpdateProfileRequest(name="x"))


async def test_users_come_in_the_order_asked_for() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        ben, _ = await house.join("ben")
        ids = [ben.user_id, NOBODY, ann.user_id, ben.user_id]
        answer = await ann.users.get_users(GetUsersRequest(user_ids=ids))
        assert [one.username for one in answer.users] == ["ben", "ann"]
        async with refused(Code.INVALID_ARGUMENT, "user_ids"):
            await ann.users.get_users(GetUsersRequest(user_ids=range(1, 202)))


async def test_only_the_fields_that_are_set_change() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        picture = await house.kit.world.photograph(ann.user_id, Purpose.AVATAR)
        request = UpdateProfileRequest(
            name=" Ann Lee ", username="Ann.Lee", about="sea", avatar_media_id=picture
        )
        first, second = await house.kit.repeated(ann, ann.users.update_profile, request)
        assert first == second == await ann.users.get_me(GetMeRequest())
        assert (first.user.name, first.user.username, first.about) == ("Ann Lee", "Ann.Lee", "sea")
        assert first.user.avatar.id == picture
        kept = await ann.users.update_profile(UpdateProfileRequest(about="sky"))
        assert kept.user == first.user
        assert (kept.about, kept.changed > first.changed) == ("sky", True)
        cleared = await ann.users.update_profile(UpdateProfileRequest(about="", avatar_media_id=""))
        assert (cleared.about, cleared.user.HasField("avatar")) == ("", False)
        assert cleared.user.name == "Ann Lee"


async def test_what_changes_nothing_leaves_no_entry() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        before = await ann.users.get_me(GetMeRequest())
        head = await house.kit.world.head()
        for request in (
            UpdateProfileRequest(),
            UpdateProfileRequest(name="Ann", username="ann", about="", avatar_media_id=""),
        ):
            assert await ann.users.update_profile(request) == before
        assert await house.kit.world.head() == head


async def test_what_a_profile_may_not_become() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        await house.join("ben")
        world = house.kit.world
        async with refused(Code.INVALID_ARGUMENT, "name"):
            await ann.users.update_profile(UpdateProfileRequest(name=" "))
        for bad in ("", "a", "support", "a b c"):
            async with refused(Code.INVALID_ARGUMENT, "username"):
                await ann.users.update_profile(UpdateProfileRequest(username=bad))
        async with refused(Code.CONFLICT, "username"):
            await ann.users.update_profile(UpdateProfileRequest(username="BEN"))
        bens = await world.photograph(NOBODY, Purpose.AVATAR)
        for media_id, code in (
            ("f" * 32, Code.NOT_FOUND),
            (bens, Code.NOT_FOUND),
            (await world.photograph(ann.user_id, Purpose.AVATAR, stored=False), Code.CONFLICT),
            (await world.photograph(ann.user_id, Purpose.CHAT), Code.INVALID_ARGUMENT),
        ):
            async with refused(code):
                await ann.users.update_profile(UpdateProfileRequest(avatar_media_id=media_id))
        # A refusal of one field leaves the others alone too.
        async with refused(Code.CONFLICT, "username"):
            await ann.users.update_profile(UpdateProfileRequest(about="new", username="ben"))
        assert (await ann.users.get_me(GetMeRequest())).about == ""


async def test_a_username_that_was_given_up_is_free() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        ben, _ = await house.join("ben")
        await ann.users.update_profile(UpdateProfileRequest(username="ANN"))  # one's own, respelt
        await ann.users.update_profile(UpdateProfileRequest(username="anna"))
        await ben.users.update_profile(UpdateProfileRequest(username="Ann"))
        answer = await house.device().auth.sign_in_with_password(with_password("ann"))
        assert answer.user.id == ben.user_id


@pytest.mark.parametrize(
    ("username", "reason"),
    [
        ("free", ""),
        ("Free.Name_1", ""),
        ("ann", "taken"),
        ("aNN", "taken"),
        ("admin", "reserved"),
        ("ADMIN", "reserved"),
        ("a", "malformed"),
        ("ann ", "malformed"),
        ("\u017fam", "malformed"),  # folds into "sam", and looks like it
    ],
)
async def test_whether_a_username_is_free(username: str, reason: str) -> None:
    async with open_house() as house:
        await house.join("ann")
        answer = await house.device().users.check_username(CheckUsernameRequest(username=username))
        assert (answer.available, answer.reason) == (not reason, reason)


async def test_one_s_own_username_is_free_for_oneself() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        answer = await ann.users.check_username(CheckUsernameRequest(username="Ann"))
        assert answer.available
