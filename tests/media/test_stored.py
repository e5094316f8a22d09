"""Originals in files, which the workers read by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from media.errors import MediaRefused
from media.images.presets import PRESETS
from media.images.rendering import ImageLimits, render
from media.images.sniff import ImageType
from media.serving.stored import render as render_stored
from store.blobs import BlobInfo, LocalBlobs
from store.blobs.manifest import Manifest, chunk_digest
from tests.contracts.blobs import digest_of
from tests.media import samples
from tests.media.host import open_host

SMALL, LIMITS = PRESETS["small"], ImageLimits()


class Counted(LocalBlobs):
    """Counts what the server itself reads."""

    opened = 0

    @asynccontextmanager
    async def open(self, digest: bytes) -> AsyncIterator[Any]:
        self.opened += 1
        async with super().open(digest) as blob:
            yield blob


async def test_the_server_reads_no_original_for_a_variant(tmp_path: Path) -> None:
    blobs = Counted(tmp_path / "blobs")
    async with open_host(tmp_path, blobs=blobs) as host:
        media = await host.stored(samples.jpeg())
        before = blobs.opened
        reply = await host.get(f"/m/{media.id}/small.jpg")
        assert reply.status == 200
        assert blobs.opened == before
        assert reply.body == render(samples.jpeg(), ImageType.JPEG, SMALL, "jpg", LIMITS)


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
async def test_damage_is_found_and_nothing_made_of_it(tmp_path: Path, damage: str) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    async with open_host(tmp_path, blobs=blobs) as host:
        media = await host.stored(samples.jpeg())
        path = blobs.file(media.blob_hash)
        assert path is not None
        whole = path.read_bytes()
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(b"?" + whole[1:] if damage == "flipped" else whole[:-1])
        assert render_stored(path, media.blob_hash, SMALL, "jpg", LIMITS) is None
        with structlog.testing.capture_logs() as logs:
            reply = await host.get(f"/m/{media.id}/small.jpg")
        assert (reply.status, [entry["event"] for entry in logs]) == (500, ["media request failed"])
        path.write_bytes(whole)
        assert (await host.get(f"/m/{media.id}/small.jpg")).status == 200


def written(path: Path, data: bytes) -> bytes:
    """A blob's file, as the store writes it."""
    manifest = Manifest(BlobInfo(digest_of(data), len(data)), [chunk_digest(data)]).encode()
    path.write_bytes(data + manifest + len(manifest).to_bytes(4, "big"))
    return digest_of(data)


def test_what_is_no_image_is_left_to_the_server(tmp_path: Path) -> None:
    digest = written(tmp_path / "blob", b"no image at all")
    assert render_stored(tmp_path / "blob", digest, SMALL, "jpg", LIMITS) is None


def test_an_image_that_is_broken_is_refused(tmp_path: Path) -> None:
    digest = written(tmp_path / "blob", samples.jpeg()[:600])
    with pytest.raises(MediaRefused):
        render_stored(tmp_path / "blob", digest, SMALL, "jpg", LIMITS)
