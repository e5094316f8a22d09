"""Prints the posts of those one follows: the latest first, then each as it is published.

    python -m examples.tail_home --token "$(python -m realtime signin --address me@example.org)"

Signals may be missing, so a signal only says that there is something new: the program then
loads what it does not have. After a lost connection `CaughtUp` says the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import trio
from cyclopts import App, Parameter

from rpc.client import Client, ClientOptions, dial_url, events, open_client
from rpc.errors import CallError
from rpc.proto import models_pb2, pages_pb2
from rpc.proto.stubs import PagesClient

app = App(name="tail-home")


async def home_posts(client: Client) -> AsyncIterator[models_pb2.Post]:
    """The home timeline's newest page in the order of publishing, then every post that follows."""
    newest = 0
    async for event in client.events:
        match event:
            case events.Connected(resumed=False) | events.Resynced():
                known = 0
            case events.SignalReceived(signal) if signal.HasField("home_changed"):
                known = signal.home_changed.newest_post_id
            case events.CaughtUp(home_newest_post_id):
                known = home_newest_post_id
            case _:
                continue
        if known and known <= newest:
            continue
        try:
            posts = await posts_after(client, newest)
        except CallError as error:
            if not error.retryable:
                raise
            continue  # the connection is lost: CaughtUp will come
        for post in posts:
            newest = post.id
            yield post


async def posts_after(client: Client, newest: int) -> list[models_pb2.Post]:
    """Posts of the timeline above an id, the oldest first; of an empty one, the first page."""
    found: list[models_pb2.Post] = []
    after = b""
    while True:
        page = await PagesClient(client).home(pages_pb2.HomeRequest(after=after))
        found += [post for post in page.posts if post.id > newest]
        after = page.next
        if not newest or not after or page.posts[-1].id <= newest:
            return found[::-1]


@app.default
def main(
    *,
    token: Annotated[str, Parameter(help="a session's token, as `signin` prints it")],
    url: str = "ws://127.0.0.1:7400",
) -> None:
    async def run() -> None:
        options = ClientOptions(device="tail home")
        async with open_client(dial_url(url), token=token, options=options) as client:
            async for post in home_posts(client):
                photographs = f" [{len(post.media)} photographs]" if post.media else ""
                print(f"@{post.author.username}: {post.text}{photographs}", flush=True)

    trio.run(run)


if __name__ == "__main__":
    app()
