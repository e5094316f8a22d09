"""What a server makes of photographs, as clients find it: links by calls, the rest over HTTP."""

from __future__ import annotations

import importlib.util
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from media.images.formats import FORMATS
from media.images.thumbhash import is_transparent
from rpc.proto import media_pb2
from tests.media import samples
from tests.real.process import ServerProcess, server_process
from tests.real.witness import CHAT, Person, sign_up

pytestmark = pytest.mark.real

VARIANT = {
    "mode": media_pb2.VARIANT_FILL,
    "width": 80,
    "height": 80,
    "focus": {"x": 0, "y": 0},
    "format": "webp",
}


def base(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.media_port}"


def opened(reply: httpx.Response) -> Image.Image:
    assert reply.status_code == 200, reply.text
    return Image.open(BytesIO(reply.content))


async def made(person: Person, media_id: str, **fields: Any) -> list[media_pb2.MediaLink]:
    answer = await person.client.call(
        "Media.LinkVariants", media_ids=[media_id], variant=VARIANT | fields
    )
    return list(answer.links)


async def test_photographs_in_every_format_and_to_order(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, httpx.AsyncClient(trust_env=False) as http:
        ann, bob = await sign_up(server), await sign_up(server, "bob")
        public = await ann.upload(samples.jpeg(3600, 2700))
        media = await bob.client.call("Media.GetMedia", media_id=public)
        assert (media.width, media.height) == (3600, 2700)
        assert media.color.startswith("#")
        assert media.thumbhash
        assert not is_transparent(media.thumbhash)

        path = f"{base(server)}/m/{public}"
        for ext, one in FORMATS.items():
            image = opened(await http.get(f"{path}/medium.{ext}"))
            assert (image.format, image.size) == (one.encoder, (640, 480))
        reply = await http.get(f"{path}/medium", headers={"Accept": "image/avif,image/*"})
        assert opened(reply).format == "AVIF"
        assert reply.headers["vary"].lower().startswith("accept")

        # To order: by anybody's link the same, and by nobody's own.
        (link,), (same,) = await made(ann, public), await made(bob, public)
        assert link == same
        image = opened(await http.get(link.url))
        assert (image.format, image.size) == ("WEBP", (80, 80))
        for bent in (link.url.partition("?")[0], link.url.replace("w-80", "w-81")):
            assert (await http.get(bent)).status_code == 403

        private = await ann.upload(samples.png(), CHAT)
        assert await made(bob, private) == []
        (own,) = await made(ann, private, format="", blur=3)
        assert opened(await http.get(own.url, headers={"Accept": "image/png"})).format == "PNG"
        assert (await http.get(own.url.replace("v=", "v=1"))).status_code == 403
        assert await server.stop(10) == 0


@pytest.mark.skipif(
    importlib.util.find_spec("pillow_heif") is None, reason="needs the extra `heif`"
)
async def test_a_photograph_of_a_telephone(tmp_path: Path) -> None:
    from tests.media.test_heif import photograph

    async with server_process(tmp_path) as server, httpx.AsyncClient(trust_env=False) as http:
        ann = await sign_up(server)
        data = photograph(6)
        media_id = await ann.upload(data)
        for name, accept in (("small", "image/heic,*/*"), ("small.jpg", "")):
            image = opened(
                await http.get(f"{base(server)}/m/{media_id}/{name}", headers={"Accept": accept})
            )
            assert (image.format, image.size) == ("JPEG", (240, 320))
        reply = await http.get(base(server) + await ann.original(media_id))
        assert reply.content == data
        assert reply.headers["content-disposition"] == "attachment"
        assert await server.stop(10) == 0
