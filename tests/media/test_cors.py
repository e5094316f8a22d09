"""Web pages: what browsers are told of who may read and upload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from media.cors import Cors
from tests.media import host as hosts
from tests.media import samples
from tests.media.host import OWNER, open_host

APP, OTHER_PAGE = "https://app.example", "https://other.example"
ALLOW, EXPOSE = "access-control-allow-origin", "access-control-expose-headers"


@pytest.fixture(params=hosts.WAYS, autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "WAY", request.param)


async def test_every_page_may_read_what_is_served(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(samples.jpeg())
        for path, status in (
            (f"/m/{media.id}/small.jpg", 200),
            (host.link(media, OWNER), 200),
            ("/m/nothing", 404),
        ):
            for origin in ({"Origin": APP}, {}):  # a cache may have it for either
                reply = await host.get(path, **origin)
                assert (reply.status, reply.headers[ALLOW]) == (status, "*")
                assert "ETag" in reply.headers[EXPOSE]
                assert "vary" not in reply.headers
            assert "access-control-allow-credentials" not in reply.headers


async def test_only_the_named_pages_may(tmp_path: Path) -> None:
    async with open_host(tmp_path, origins=(APP, "https://www.example")) as host:
        media = await host.stored(samples.jpeg())
        path = f"/m/{media.id}/small.jpg"
        for origin in (APP, "https://www.example"):
            reply = await host.get(path, Origin=origin)
            assert (reply.headers[ALLOW], reply.headers["vary"]) == (origin, "Origin")
        for fields in ({"Origin": OTHER_PAGE}, {"Origin": "null"}, {"Origin": f"{APP}.evil"}, {}):
            reply = await host.get(path, **fields)
            assert (reply.status, reply.headers["vary"]) == (200, "Origin")
            assert ALLOW not in reply.headers
        preflight = await host.request(
            "OPTIONS", path, Origin=OTHER_PAGE, Access_Control_Request_Method="GET"
        )
        assert ALLOW not in preflight.headers


async def test_no_page_may(tmp_path: Path) -> None:
    async with open_host(tmp_path, origins=()) as host:
        media = await host.stored(samples.jpeg())
        path = f"/m/{media.id}/small.jpg"
        reply = await host.get(path, Origin=APP)
        assert not any(name.startswith("access-control") for name in reply.headers)
        asked: Any = {"Origin": APP, "Access_Control_Request_Method": "GET"}
        assert (await host.request("OPTIONS", path, **asked)).status == 405


async def test_preflights_of_both_kinds(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(samples.jpeg())
        read = await host.request(
            "OPTIONS",
            f"/m/{media.id}/small.jpg",
            Origin=APP,
            Access_Control_Request_Method="GET",
            Access_Control_Request_Headers="range",
        )
        assert (read.status, read.headers[ALLOW], read.body) == (204, "*", b"")
        assert "Range" in read.headers["access-control-allow-headers"]
        write = await host.request(
            "OPTIONS", host.ticket(media), Origin=APP, Access_Control_Request_Method="PATCH"
        )
        assert (write.status, write.headers[ALLOW]) == (204, "*")
        assert "PATCH" in write.headers["access-control-allow-methods"]
        for name in (
            "Content-Type",
            "Tus-Resumable",
            "Upload-Length",
            "Upload-Offset",
            "Upload-Metadata",
            "Upload-Checksum",
            "Upload-Concat",
            "Upload-Complete",
            "Upload-Draft-Interop-Version",
        ):
            assert name in write.headers["access-control-allow-headers"]
        assert int(write.headers["access-control-max-age"]) > 0


async def test_what_an_upload_answers_can_be_read_by_its_page(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        data = samples.jpeg()
        media = await host.reserve(data)
        reply = await host.request(
            "POST",
            host.ticket(media),
            Origin=APP,
            Tus_Resumable="1.0.0",
            Upload_Length=str(len(data)),
        )
        assert (reply.status, reply.headers[ALLOW]) == (201, "*")
        exposed = reply.headers[EXPOSE].split(", ")
        said = {name.lower() for name in reply.headers}
        assert said & {name.lower() for name in exposed} >= {
            "location",
            "tus-resumable",
            "upload-expires",
        }
        assert {"Upload-Offset", "Upload-Length", "Upload-Complete"} < set(exposed)
        refused = await host.put(f"/u/{'f' * 32}?x", data, Origin=APP)
        assert (refused.status, refused.headers[ALLOW]) == (403, "*")


def test_answers_that_differ_have_keys_that_differ() -> None:
    cors = Cors([APP])
    assert cors.key(APP) == APP
    assert cors.key(OTHER_PAGE) is cors.key(None) is None
    assert Cors(["*", APP]).key(APP) is Cors([]).key(APP) is None
