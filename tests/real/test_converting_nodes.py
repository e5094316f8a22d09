"""Two servers on one MariaDB and one folder of blobs: the same variant at once, and a deletion."""

from __future__ import annotations

from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio
from PIL import Image

from realtime.testing import new_key
from tests.contracts.mysql import Admin
from tests.media import samples
from tests.media.sockets import get
from tests.real.mariadb import url_of
from tests.real.process import server_process
from tests.real.witness import CHAT, Person, sign_up
from tests.store.mysql.conftest import admin

__all__ = ["admin"]

pytestmark = pytest.mark.real


async def test_two_servers_convert_the_same_and_forget_the_same(
    admin: Admin, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(admin.database())
        store = ("--store", url_of(address))
        one = await stack.enter_async_context(server_process(tmp_path / "one", *store))
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "blobs").symlink_to(tmp_path / "one" / "blobs")
        two = await stack.enter_async_context(server_process(tmp_path / "two", *store))
        ann = await sign_up(one)
        media_id = await ann.upload(samples.jpeg(2400, 1800))
        there = Person(two, ann.client)
        answers: list[bytes] = []

        async def ask(person: Person, path: str) -> None:
            answers.append(await person.http(get(path, close=True)))

        for name in ("large.jpg", "small.webp"):
            answers.clear()
            async with trio.open_nursery() as nursery:
                for person in (ann, there) * 3:
                    nursery.start_soon(ask, person, f"/m/{media_id}/{name}")
            bodies = {answer.partition(b"\r\n\r\n")[2] for answer in answers}
            assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
            (body,) = bodies
            Image.open(BytesIO(body)).load()

        ben = await two.sign_up("ben")
        shown = await ann.upload(samples.jpeg(600, 400), CHAT)
        room = (await ann.client.call("Chat.OpenDirect", user_id=ben.user_id)).room.id
        sent = await ann.client.call(
            "Chat.SendMessage", room_id=room, client_id=new_key(), text="", media_ids=[shown]
        )
        links = await ben.call("Media.LinkMedia", media_ids=[shown], preset="medium")
        parts = urlsplit(links.links[0].url)
        path = f"{parts.path}?{parts.query}"
        for _ in range(2):
            assert (await there.http(get(path, close=True))).startswith(b"HTTP/1.1 200 ")
        await ann.client.call("Chat.DeleteMessage", message_id=sent.id, for_everyone=True)
        for person in (there, ann):
            assert (await person.http(get(path, close=True))).startswith(b"HTTP/1.1 404 ")
        assert await one.stop(10) == await two.stop(10) == 0
