"""tuspy, a client that we did not write, uploads to a real server over lines that break."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media import films
from tests.real.line import open_line
from tests.real.process import server_process
from tests.real.tus_client import tuspy
from tests.real.witness import Person

pytestmark = pytest.mark.real

MB = 1000 * 1000
VIDEO = films.padded(films.film(), 40 * MB)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(VIDEO)
    return path


@pytest.mark.parametrize("flags", [(), ("--checksum",)], ids=["plain", "checksum"])
async def test_a_video_from_a_train(tmp_path: Path, film: Path, flags: tuple[str, ...]) -> None:
    """40 MB in pieces, through three disconnections."""
    async with server_process(tmp_path / "data") as server:
        ann = Person(server, await server.sign_up("ann"))
        media_id, ticket = await ann.ticket(len(VIDEO))
        async with open_line(server.media_port, 3 * MB, 17 * MB, 33 * MB) as line:
            url = f"http://127.0.0.1:{line.port}{ticket}"
            await tuspy(url, film, "--retries", "9", *flags)
            assert line.broken == 3
        assert (await ann.client.expect_update("media")).media.id == media_id
        assert await ann.has(media_id, VIDEO)


async def test_a_client_that_was_closed_goes_on_from_where_the_killed_server_was(
    tmp_path: Path, film: Path
) -> None:
    """Both begin anew: tuspy knows the upload by its file, and the server by its parts."""
    urls = ("--urls", str(tmp_path / "urls.json"))
    async with server_process(tmp_path / "data") as server:
        ann = Person(server, await server.sign_up("ann"))
        media_id, ticket = await ann.ticket(len(VIDEO))
        url = f"http://127.0.0.1:{server.media_port}{ticket}"
        assert await tuspy(url, film, *urls, "--stop-at", str(20 * MB)) == 0
        await server.kill()
        await server.start()
        assert await tuspy(url, film, *urls) == 20 * MB
        await ann.client.reconnect()
        assert await ann.has(media_id, VIDEO)
