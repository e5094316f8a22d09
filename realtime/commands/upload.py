"""`upload`: a file, through a ticket, to the media host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from realtime.commands.common import DEFAULT_URL, MediaUrl, Token, Url, dial_to, run, show
from rpc.client import ClientOptions, open_client
from rpc.client.media import upload as upload_file
from rpc.jsonmap import to_json
from rpc.proto import models_pb2

app = App(name="upload")

PATIENCE = 30.0  # seconds without a byte that came
PURPOSES = {
    "post": models_pb2.PURPOSE_POST,
    "avatar": models_pb2.PURPOSE_AVATAR,
    "chat": models_pb2.PURPOSE_CHAT,
}


@app.default
def upload(
    file: Annotated[Path, Parameter(help="the photograph")],
    /,
    *,
    url: Url = DEFAULT_URL,
    token: Token,
    media_url: MediaUrl = "",
    purpose: Annotated[
        Literal["post", "avatar", "chat"], Parameter(help="where it will be shown")
    ] = "post",
) -> None:
    """Uploads a file and prints its media object as JSON.

    Prints the object as one line of JSON: `id`, `purpose`, `mime`, `size` (bytes), `width`
    and `height` (pixels), `color`, `thumbhash` (base64), `url` (empty for private media).

    A failure is one JSON object on stderr and exit code 1.
    """

    async def main() -> None:
        options = ClientOptions(device="upload", events=0)
        async with open_client(dial_to(url), token=token, options=options) as client:
            media = await upload_file(
                client, file, PURPOSES[purpose], media_url=media_url, patience=PATIENCE
            )
        show(to_json(media))

    run(main)
