"""Whether photographs, films, moving images and voices come back as they were, and to whom."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import urljoin

from realtime.demo.check import Difference
from realtime.demo.playing import LINKS, open_http, play, public_urls
from realtime.demo.sources import GIF
from realtime.demo.world import World
from rpc.client import ClientOptions, dial_url, open_client
from rpc.proto import media_pb2
from rpc.proto.stubs import MediaClient

AT_ONCE = 100  # links asked for in one call
LARGE = "large"
SHARE = 5  # a moving image is at least so many times as large as its video


async def check_pictures(
    url: str, media_url: str, token: str, user_id: int, world: World
) -> list[Difference]:
    """Every original comes back to its owner as the bytes that he uploaded; what is posted is
    there for anybody, to be seen and to be played; and what is in a room for those alone who may
    read its message, by links of their own."""
    found: list[Difference] = []
    name = world.circles.people[user_id].username

    def tell(media_id: str, detail: str) -> None:
        kind = world.pictures[media_id].kind
        found.append(Difference(name, f"{kind} {media_id}", "state", detail))

    options = ClientOptions(device="a fresh look", events=0)
    async with (
        open_client(dial_url(url), token=token, options=options) as client,
        open_http() as http,
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
        for media_id in _one_of_each(world, visible):
            picture = world.pictures[media_id]
            for preset in LINKS.get(picture.kind, (LARGE,)):
                link = (await _links(media, [media_id], preset)).get(media_id, "")
                said = await play(http, urljoin(media_url, link), picture.seconds)
                if said:
                    tell(media_id, f"{said}, by a link to {preset}")
        for media_id in set(ours).intersection(world.private_pictures):
            for path in (f"/m/{media_id}/large.jpg", f"/m/{media_id}/hls/index.m3u8"):
                status = (await http.get(urljoin(media_url, path))).status_code
                if status != 404:
                    tell(media_id, f"status {status} for whoever asks for {path}")
        for media_id in {one for post in world.circles.posts_of(user_id) for one in post.media_ids}:
            row = await media.get_media(media_pb2.GetMediaRequest(media_id=media_id))
            picture = world.pictures[media_id]
            for path in public_urls(row, picture.kind):
                said = await play(http, urljoin(media_url, path), picture.seconds)
                if said:
                    tell(media_id, f"{said}, at {path}")
            if picture.kind == GIF:
                clip = await http.head(urljoin(media_url, public_urls(row, GIF)[1]))
                if int(clip.headers["content-length"]) * SHARE > row.size:
                    tell(media_id, f"a video of {clip.headers['content-length']} bytes")
    return found


def _one_of_each(world: World, media_ids: Iterable[str]) -> list[str]:
    """One of each kind and purpose: all would take long."""
    found = {world.pictures[one].kind: one for one in sorted(media_ids)}
    return list(found.values())


async def _links(media: MediaClient, media_ids: Iterable[str], preset: str = "") -> dict[str, str]:
    wanted = list(media_ids)
    found: dict[str, str] = {}
    for start in range(0, len(wanted), AT_ONCE):
        answer = await media.link_media(
            media_pb2.LinkMediaRequest(media_ids=wanted[start : start + AT_ONCE], preset=preset)
        )
        found.update((link.media_id, link.url) for link in answer.links)
    return found
