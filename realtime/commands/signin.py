"""`signin`: a token for an address, by code or by password."""

from __future__ import annotations

import platform
import re
import secrets
from typing import Annotated

from cyclopts import App, Parameter

from realtime.commands.common import DEFAULT_URL, Url, ask, dial_to, run, say, show
from rpc.client import Client, ClientOptions, open_client
from rpc.errors import CallError, Code
from rpc.proto import auth_pb2, users_pb2
from rpc.proto.stubs import AuthClient, UsersClient

app = App(name="signin")

TIMEOUT = 30.0  # seconds, of each call


@app.default
def signin(
    *,
    url: Url = DEFAULT_URL,
    address: Annotated[str, Parameter(help="e-mail address, or phone number with +country")],
    code: Annotated[
        str, Parameter(help="a code that was sent before; otherwise one is requested and asked for")
    ] = "",
    username: Annotated[
        str, Parameter(help="of a new account; otherwise made of the address")
    ] = "",
    name: Annotated[str, Parameter(help="of a new account")] = "",
    password: Annotated[
        str, Parameter(help="signs in without a code; or becomes a new account's")
    ] = "",
    json: Annotated[
        bool,
        Parameter(
            negative="",
            help="print an object with `token`, `user_id`, `session_id`, `username`, `expires_ms`",
        ),
    ] = False,
) -> None:
    """Signs in (or up) and prints the session's token.

    Prints the token alone on stdout; prompts go to stderr, and the code is read from stdin.

    An address that is new is signed up.
    """

    async def main() -> None:
        options = ClientOptions(device=platform.node()[:100] or "terminal", events=0)
        async with open_client(dial_to(url), options=options) as client:
            answer = await sign_in(
                client, address, code=code, username=username, name=name, password=password
            )
        if json:
            show(
                {
                    "token": answer.token,
                    "user_id": answer.user.id,
                    "session_id": answer.session_id,
                    "username": answer.user.username,
                    "expires_ms": answer.expires_ms,
                }
            )
        else:
            print(answer.token)

    run(main)


async def sign_in(
    client: Client,
    address: str,
    *,
    code: str = "",
    username: str = "",
    name: str = "",
    password: str = "",
) -> auth_pb2.SignedIn:
    """Signs an open client in, asking on the terminal for what is missing."""
    auth = AuthClient(client)
    if password and not code:
        request = auth_pb2.SignInWithPasswordRequest(login=address, password=password)
        try:
            return await auth.sign_in_with_password(request, timeout=TIMEOUT)
        except CallError as error:
            if error.code != Code.UNAUTHENTICATED:
                raise
            say("No account has this address and password; a code will tell.")
    if not code:
        sent = await auth.request_code(
            auth_pb2.RequestCodeRequest(address=address), timeout=TIMEOUT
        )
        code = await ask(f"The code of {sent.code_length} digits sent to {address}: ")
    answer = await auth.sign_in_with_code(
        auth_pb2.SignInWithCodeRequest(address=address, code=code), timeout=TIMEOUT
    )
    if answer.token:
        return answer
    username = username or await _free_username(client, address)
    return await auth.sign_up(
        auth_pb2.SignUpRequest(
            ticket=answer.sign_up_ticket,
            username=username,
            name=name or username,
            password=password,
        ),
        timeout=TIMEOUT,
    )


async def _free_username(client: Client, address: str) -> str:
    users = UsersClient(client)
    for candidate in candidates(address):
        checked = await users.check_username(
            users_pb2.CheckUsernameRequest(username=candidate), timeout=TIMEOUT
        )
        if checked.available:
            say(f"Your username is {candidate}.")
            return candidate
    raise ValueError("no username could be made of the address: give one with --username")


def candidates(address: str) -> list[str]:
    """Usernames for an address, the plainest first."""
    local = address.partition("@")[0].lower() if "@" in address else ""
    plain = re.sub(r"[^a-z0-9]+", ".", local).strip(".")[:24].rstrip(".")
    if len(plain) < 3:
        plain = f"user{plain}"
    return [plain, *(f"{plain}{secrets.randbelow(10**digits)}" for digits in (2, 3, 4, 6))]
