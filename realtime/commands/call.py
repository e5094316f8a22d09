"""`call`: any method, as JSON."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from realtime.commands.common import DEFAULT_URL, Token, Url, dial_to, run, show
from rpc.client import ClientOptions, open_client
from rpc.jsonmap import find_method, request_of, to_json

app = App(name="call")


@app.default
def call(
    method: Annotated[str, Parameter(help="Service.Method, such as Chat.ListRooms")],
    request: Annotated[str, Parameter(help="the request as JSON; - reads it from stdin")] = "{}",
    /,
    *,
    url: Url = DEFAULT_URL,
    token: Token = "",
    timeout: Annotated[float, Parameter(help="seconds, connecting and retries included")] = 15.0,
) -> None:
    """Calls a method and prints the answer as JSON.

    Prints the answer as one line of JSON. By the rules of proto JSON, 64-bit numbers are
    strings, bytes are base64 and enums are names; fields are named as in the .proto files.

    A failure is one JSON object on stderr (`code`, `message`, `retryable`, `retry_after_ms`,
    `committed`, `details`) and exit code 1.
    """

    async def main() -> None:
        found = find_method(method)
        wanted = request_of(found, sys.stdin.read() if request == "-" else request)
        options = ClientOptions(device="call", events=0)
        async with open_client(dial_to(url), token=token, options=options) as client:
            answer = await client.call(found.name, wanted, found.answer, timeout=timeout)
        show(to_json(answer))

    run(main)
