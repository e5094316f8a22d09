"""`chat`: the interactive client."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from realtime.commands.common import DEFAULT_URL, MediaUrl, Token, Url, dial_to, run
from realtime.commands.signin import sign_in
from realtime.terminal.app import ChatApp
from realtime.terminal.tty import raw_terminal, require_terminal
from rpc.client import (
    ClientOptions,
    Dial,
    MemoryState,
    SqliteState,
    StateStore,
    open_client,
)

app = App(name="chat")


@app.default
def chat(
    *,
    url: Url = DEFAULT_URL,
    token: Token = "",
    address: Annotated[
        str, Parameter(help="signs in (or up) with this e-mail address or phone number first")
    ] = "",
    username: Annotated[str, Parameter(help="of a new account")] = "",
    data: Annotated[
        Path | None,
        Parameter(
            help="folder of this user's local state: the token, the cursor, and messages that "
            "could not be sent yet; without it they are forgotten at the end"
        ),
    ] = None,
    media_url: MediaUrl = "",
) -> None:
    """Chats in the terminal: rooms, photographs, posts.

    A full-screen client for two and more people. /help shows the commands; Ctrl-D leaves.

    Without a connection it goes on: what is written is queued and sent later.
    """

    async def main() -> None:
        require_terminal()
        dial = dial_to(url)
        found = token or _kept_token(data)
        if not found:
            if not address:
                raise ValueError("who are you? give --address or --token")
            found = await _sign_in(dial, address, username)
            _keep_token(data, found)
        with _state(data) as state:
            options = ClientOptions(device=f"chat on {platform.node()}"[:100])
            async with open_client(dial, token=found, state=state, options=options) as client:
                with raw_terminal() as terminal:
                    await ChatApp(client, terminal, media_url).run()
                if client.stopped is not None and data is not None:
                    (data / "token").unlink(missing_ok=True)  # it will not be taken again

    run(main)


async def _sign_in(dial: Dial, address: str, username: str) -> str:
    options = ClientOptions(device=f"chat on {platform.node()}"[:100], events=0)
    async with open_client(dial, options=options) as client:
        return (await sign_in(client, address, username=username)).token


@contextlib.contextmanager
def _state(data: Path | None) -> Iterator[StateStore]:
    if data is None:
        yield MemoryState()
        return
    os.close(_open_private(data, "chat.db", os.O_RDWR))  # SQLite keeps the mode for its own files
    state = SqliteState(data / "chat.db")
    try:
        yield state
    finally:
        state.close()


def _kept_token(data: Path | None) -> str:
    if data is None:
        return ""
    with contextlib.suppress(FileNotFoundError):
        return (data / "token").read_text().strip()
    return ""


def _keep_token(data: Path | None, token: str) -> None:
    if data is None:
        return
    with os.fdopen(_open_private(data, "token", os.O_WRONLY | os.O_TRUNC), "w") as out:
        out.write(token)


def _open_private(folder: Path, name: str, flags: int) -> int:
    """Makes the file, and the folder if need be, so that nobody else may look into it, not
    even for an instant."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(folder / name, flags | os.O_CREAT, 0o600)
