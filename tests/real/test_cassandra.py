"""Servers whose blobs are in a real Cassandra."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.contracts.cassandra import ask, new_address, node, open_blobs
from tests.media import samples
from tests.real.process import ServerProcess, server_process
from tests.real.test_start import ANYWHERE, refused


@asynccontextmanager
async def open_server(data: Path, *arguments: str) -> AsyncIterator[ServerProcess]:
    """A server on an empty blob store."""
    async with open_blobs() as blobs:
        url = f"cassandra://{node()}/{blobs.address.keyspace}"
        async with server_process(data, "--blobs", url, *arguments) as server:
            yield server
        assert len(await ask(blobs, "SELECT digest FROM {k}.blobs")) == 1
    assert not (data / "blobs").exists()


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")], ids=["one", "workers"])
async def test_a_photograph_goes_up_and_comes_down(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    async with open_server(tmp_path / "data", *arguments) as server:
        ann = await server.sign_up("ann")
        data = samples.jpeg()
        ticket = await ann.call("Media.CreateUpload", purpose=1, size=len(data))
        async with httpx.AsyncClient() as http:
            stored = await http.put(ticket.url, content=data)
            assert stored.status_code == 201, stored.text
            base = ticket.url.split("/u/")[0]
            image = await http.get(base + stored.json()["url"])
            assert image.headers["content-type"] == "image/jpeg"
            link = (await ann.call("Media.LinkMedia", media_ids=[ticket.media_id])).links[0].url
            assert (await http.get(link)).content == data
            part = await http.get(link, headers={"range": "bytes=10-19"})
            assert part.content == data[10:20]


async def refused_by(data: Path, *arguments: str) -> str:
    """The sentence of a server that does not start."""
    return await refused("serve", *ANYWHERE, "--data", str(data), *arguments, folder=data.parent)


async def test_a_server_makes_the_tables_that_it_needs_unless_it_may_not(tmp_path: Path) -> None:
    address = new_address()
    url = f"cassandra://{node()}/{address.keyspace}"
    async with server_process(tmp_path / "first"):
        pass  # it has its database
    assert "python -m realtime migrate" in await refused_by(
        tmp_path / "first", "--blobs", url, "--migrate", "check"
    )
    async with (
        server_process(tmp_path / "one", "--blobs", url),
        server_process(tmp_path / "two", "--blobs", url),
    ):
        pass
    async with open_blobs() as blobs:
        await blobs._cluster.run(f"DROP KEYSPACE {address.keyspace}")


async def test_a_url_that_is_none(tmp_path: Path) -> None:
    said = await refused_by(tmp_path / "data", "--blobs", "cassandra://ann:secret@/x")
    assert said.startswith("--blobs must be folder, or the URL of a cluster")
    assert "secret" not in said
