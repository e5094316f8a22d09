"""What the client's commands share: flags, output, and how they fail."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, NoReturn

import trio
from cyclopts import Parameter

from rpc.client import Dial, dial_urls
from rpc.client.media import UploadError
from rpc.errors import CallError
from rpc.jsonmap import error_to_json

DEFAULT_URL = ("ws://127.0.0.1:7400",)

Url = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        help="the server's websocket, ws:// or wss://; of a server of several nodes all of them, "
        "each with a --url of its own or separated by commas",
    ),
]
Token = Annotated[str, Parameter(help="a session's token, as `signin` prints it")]
MediaUrl = Annotated[
    str, Parameter(help="the media host, when the one that the server names is not reachable")
]


def dial_to(url: Sequence[str]) -> Dial:
    """Dials what `--url` names. Raises `ValueError`."""
    return dial_urls(one for given in url for one in given.split(",") if one)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Runs a command under Trio. A failure is one JSON object on stderr (`code`, `message`, …)
    and exit code 1; an interruption is exit code 130."""
    try:
        trio.run(main)
    except BaseException as raised:
        error: BaseException = raised
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, CallError):
            fail(error_to_json(error))
        if isinstance(error, UploadError):
            fail({"code": "UPLOAD", "message": error.message, "status": error.status})
        if isinstance(error, ValueError | OSError):
            fail({"code": "INVALID_ARGUMENT", "message": str(error)})
        if isinstance(error, KeyboardInterrupt):
            sys.exit(130)
        raise


async def end_on_signal(
    scope: trio.CancelScope,
    word: str = "",
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Cancels the scope at SIGINT and SIGTERM, and says the word on stderr."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            if word:
                say(word)
            scope.cancel()


def fail(error: dict[str, Any]) -> NoReturn:
    print(json.dumps(error), file=sys.stderr)
    sys.exit(1)


def say(text: str) -> None:
    """To whoever sits at the terminal: stdout is for the answer alone."""
    print(text, file=sys.stderr, flush=True)


async def ask(prompt: str) -> str:
    """A line from stdin. Raises `ValueError` at its end."""
    print(prompt, end="", file=sys.stderr, flush=True)
    line: str = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    if not line:
        raise ValueError("nothing was entered")
    return line.strip()


def show(value: object) -> None:
    """One line of JSON on stdout."""
    print(json.dumps(value, ensure_ascii=False), flush=True)
