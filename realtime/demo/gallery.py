"""Whether photographs come back as they were, and to whom."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import urljoin

import httpx

from realtime.demo.check import Difference
from realtime.demo.world import World
from rpc.client import ClientOptions, dial_url, open_client
from rpc.proto import media_pb2
from rpc.proto.stubs import MediaClient

TIMEOUT = 30.0  # seconds
AT_ONCE = 100  # links asked for in one call


async def check_pictures(
    url: str, media_url: str, token: str, user_id: int, world: World
) -> list[Difference]:
    """Every original comes back to its owner as the bytes that he uploaded, a posted one to
    anybody as an image, and one of a room only to those who may read its message."""
    found: list[Difference] = []
    name = world.circles.people[user_id].username

    def tell(media_id: str, detail: str) -> None:
        found.append(Difference(name, f"photograph {media_id}", "state", detail))

    options = ClientOptions(device="a fresh look", events=0)
    async with (
        open_client(dial_url(url), token=token, options=options) as client,
        httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http,
    ):
        media = MediaClient(client)
        ours = [one for one, picture in world.pictures.items() if picture.owner_id == user_id]
        links = await _links(media, ours)
        for media_id in ours:
            if media_id not in links:
                tell(media_id, "no link for its owner")
                continue
            answer = await http.get(urljoin(media_url, links[media_id]))
            digest = hashlib.sha256(answer.content).hexdigest()
            if answer.status_code != 200 or digest != world.pictures[media_id].digest:
                tell(media_id, f"status {answer.status_code}, not the bytes that were uploaded")
        visible = world.visible_pictures(user_id)
        shown = (await _links(media, world.private_pictures)).keys()
        for media_id in sorted(shown - visible):
            tell(media_id, "shown to somebody who may not see it")
        for media_id in sorted(visible - shown):
            tell(media_id, "not shown to somebody who may see it")
        for media_id in {one for post in world.circles.posts_of(user_id) for one in post.media_ids}:
            row = await media.get_media(media_pb2.GetMediaRequest(media_id=media_id))
            answer = await http.get(urljoin(media_url, row.url))
            kind = answer.headers.get("content-type")
            if (answer.status_code, kind) != (200, "image/jpeg"):
                tell(media_id, f"status {answer.status_code}, {kind}, at its public URL")
    return found


async def _links(media: MediaClient, media_ids: Iterable[str]) -> dict[str, str]:
    wanted = list(media_ids)
    found: dict[str, str] = {}
    for start in range(0, len(wanted), AT_ONCE):
        answer = await media.link_media(
            media_pb2.LinkMediaRequest(media_ids=wanted[start : start + AT_ONCE])
        )
        found.update((link.media_id, link.url) for link in answer.links)
    return found
