"""Users and their profiles."""

from __future__ import annotations

from rpc.context import CallContext
from rpc.errors import CallError, Code
from rpc.proto import models_pb2, users_pb2
from rpc.proto.stubs import UsersService
from rpc.views import Views
from store import rules
from store.changes.accounts import UpdateProfile
from store.queries.users import profile, seen_users, user_id_by_username
from store.records import ProfileRecord
from store.transaction import Transaction


class Users(UsersService):
    """Profiles are public; a user changes his own alone."""

    def __init__(self, views: Views) -> None:
        self._views = views

    async def get_me(self, ctx: CallContext, request: users_pb2.GetMeRequest) -> models_pb2.Profile:
        return await self._profile(ctx, ctx.user_id)

    async def get_profile(
        self, ctx: CallContext, request: users_pb2.GetProfileRequest
    ) -> models_pb2.Profile:
        who = request.WhichOneof("who")
        if who is None:
            raise CallError(Code.INVALID_ARGUMENT, "whose profile?", details={"field": "user_id"})
        if who == "user_id":
            return await self._profile(ctx, request.user_id)
        found = await ctx.read(_profile_by_username, request.username, ctx.user_id)
        return self._known(found)

    async def get_users(
        self, ctx: CallContext, request: users_pb2.GetUsersRequest
    ) -> users_pb2.GetUsersResponse:
        found = await ctx.read(seen_users, ctx.user_id, tuple(request.user_ids))
        return users_pb2.GetUsersResponse(
            users=[
                self._views.user(found[user_id])
                for user_id in dict.fromkeys(request.user_ids)
                if user_id in found
            ]
        )

    async def update_profile(
        self, ctx: CallContext, request: users_pb2.UpdateProfileRequest
    ) -> models_pb2.Profile:
        await ctx.commit(
            UpdateProfile(
                op=ctx.op,
                user_id=ctx.user_id,
                name=request.name if request.HasField("name") else None,
                username=request.username if request.HasField("username") else None,
                about=request.about if request.HasField("about") else None,
                avatar_id=request.avatar_media_id if request.HasField("avatar_media_id") else None,
            )
        )
        return await self._profile(ctx, ctx.user_id)

    async def check_username(
        self, ctx: CallContext, request: users_pb2.CheckUsernameRequest
    ) -> users_pb2.CheckUsernameResponse:
        reason = rules.username_problem(request.username)
        if not reason:
            owner = await ctx.read(user_id_by_username, request.username)
            reason = "" if owner in (None, ctx.user_id) else "taken"
        return users_pb2.CheckUsernameResponse(available=not reason, reason=reason)

    async def _profile(self, ctx: CallContext, user_id: int) -> models_pb2.Profile:
        return self._known(await ctx.read(profile, user_id, ctx.user_id))

    def _known(self, found: ProfileRecord | None) -> models_pb2.Profile:
        if found is None:
            raise CallError(Code.NOT_FOUND, "no such user")
        return self._views.profile(found)


async def _profile_by_username(
    tx: Transaction, username: str, viewer_id: int
) -> ProfileRecord | None:
    user_id = await user_id_by_username(tx, username)
    return None if user_id is None else await profile(tx, user_id, viewer_id)
