"""The IETF's resumable uploads, sentence by sentence of draft-ietf-httpbis-resumable-upload-05."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.media import samples
from tests.media.host import NOW, Host, Reply, open_host

JPEG = samples.jpeg()
HALF = len(JPEG) // 2
REST = len(JPEG) - HALF
PROBLEMS = "https://iana.org/assignments/http-problem-types#"


async def post(host: Host, path: str, data: bytes, complete: str, **headers: str) -> Reply:
    sizes = {"Content_Length": str(len(data))} | headers
    return await host.request("POST", path, data, Upload_Complete=complete, **sizes)


async def patch(
    host: Host, path: str, offset: int, data: bytes, complete: str, **headers: Any
) -> Reply:
    fields = {
        "Upload_Complete": complete,
        "Upload_Offset": str(offset),
        "Content_Type": "application/partial-upload",
        "Content_Length": str(len(data)),
        **headers,
    }
    wanted = {name: value for name, value in fields.items() if value}
    return await host.request("PATCH", path, data, **wanted)


async def offset_of(host: Host, path: str) -> str:
    return (await host.request("HEAD", path)).headers["upload-offset"]


async def test_an_upload_in_one_request(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        made = await post(host, host.ticket(media), JPEG, "?1", Upload_Length=str(len(JPEG)))
        assert (made.status, made.json["id"]) == (201, media.id)
        assert made.headers["location"] == host.ticket(media)
        assert made.headers["upload-offset"] == str(len(JPEG))
        assert made.headers.get("upload-complete") != "?0"
        assert made.headers["upload-draft-interop-version"] == "6"
        head = await host.request("HEAD", host.ticket(media))
        assert (head.status, head.headers["upload-complete"]) == (204, "?1")


async def test_an_upload_as_a_series_of_parts(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        made = await post(host, host.ticket(media), b"", "?0")
        assert (made.status, made.headers["upload-complete"]) == (201, "?0")
        path = made.headers["location"]
        assert made.headers["upload-offset"] == "0"
        assert made.headers["upload-limit"] == f"max-size={len(JPEG)}, expires=1"
        half = await patch(host, path, 0, JPEG[:HALF], "?0")
        assert (half.status, half.headers["upload-complete"]) == (201, "?0")
        assert half.headers["upload-offset"] == str(HALF)
        head = await host.request("HEAD", path)
        assert (head.status, head.headers["cache-control"]) == (204, "no-store")
        assert head.headers["upload-offset"] == str(HALF)
        assert head.headers["upload-complete"] == "?0"
        assert head.headers["upload-length"] == str(len(JPEG))
        done = await patch(host, path, HALF, JPEG[HALF:], "?1")
        assert (done.status, done.json["id"]) == (201, media.id)
        assert done.headers["upload-complete"] == "?1"
        assert (await host.row(media.id)).blob_hash == hashlib.sha256(JPEG).digest()


async def test_the_last_byte_does_not_complete_an_upload(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        path = host.ticket(media)
        made = await post(host, path, JPEG, "?0")
        assert (made.status, made.headers["upload-complete"]) == (201, "?0")
        head = await host.request("HEAD", path)
        assert head.headers["upload-offset"] == str(len(JPEG))
        assert head.headers["upload-complete"] == "?0"
        assert not (await host.row(media.id)).stored
        done = await patch(host, path, len(JPEG), b"", "?1")
        assert (done.status, done.json["id"]) == (201, media.id)


async def test_what_contradicts_itself_or_the_ticket(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        path = host.ticket(media)
        size = str(len(JPEG))
        # Two sizes that differ, or one that is not the recorded one.
        assert (await post(host, path, JPEG + b"x", "?1", Upload_Length=size)).status == 400
        assert (await post(host, path, JPEG[:HALF], "?1", Upload_Length=size)).status == 400
        assert (await post(host, path, JPEG[:HALF], "?1")).status == 400
        assert (await post(host, path, b"", "?0", Upload_Length="1")).status == 400
        more = await post(host, path, b"", "?0", Upload_Length=str(len(JPEG) + 1))
        assert more.status == 413
        # What a creation has to have, and has not.
        assert (await host.request("POST", path, JPEG)).status == 400
        for complete in ("1", "?2", "true", ""):
            assert (await post(host, path, JPEG, complete)).status == 400, complete
        assert (await post(host, path, JPEG, "?0", Upload_Offset="0")).status == 400
        assert await offset_of(host, path) == "0"
        assert (await post(host, path, JPEG[:HALF], "?0;a=b")).status == 201  # parameters are well
        for wrong, status in (
            ({"Content_Type": "application/octet-stream"}, 415),
            ({"Content_Type": ""}, 415),
            ({"Upload_Offset": "-1"}, 400),
            ({"Upload_Offset": ""}, 400),
            ({"Upload_Complete": ""}, 400),
        ):
            refused = await patch(host, path, HALF, JPEG[HALF:], "?1", **wrong)
            assert refused.status == status, wrong
            # Whatever is refused, an upload that goes on is said to be where it is.
            assert refused.headers["upload-offset"] == str(HALF), wrong
        for name in ("Upload_Offset", "Upload_Complete", "Upload_Length"):
            refused = await host.request("HEAD", path, b"", **{name: "?0"})
            assert refused.status == 400, name
        for name in ("Upload_Offset", "Upload_Complete"):
            refused = await host.request("DELETE", path, b"", **{name: "?0"})
            assert refused.status == 400, name
        assert await offset_of(host, path) == str(HALF)


@pytest.mark.parametrize("announced", [True, False], ids=["length", "chunked"])
async def test_more_bytes_than_were_recorded(tmp_path: Path, announced: bool) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        path = host.ticket(media)
        await post(host, path, JPEG[:HALF], "?0")
        sizes = {} if announced else {"Content_Length": ""}
        for complete in ("?0", "?1"):
            refused = await patch(host, path, HALF, JPEG[HALF:] + b"x", complete, **sizes)
            assert refused.status == 400
        assert await offset_of(host, path) == str(HALF)


async def test_an_end_that_comes_too_soon(tmp_path: Path) -> None:
    """Said to be the last, of no announced length: what came is kept, and more is wanted."""
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        path = host.ticket(media)
        await post(host, path, b"", "?0")
        refused = await patch(host, path, 0, JPEG[:HALF], "?1", Content_Length="")
        assert (refused.status, refused.headers["upload-offset"]) == (400, str(HALF))
        assert (await patch(host, path, HALF, JPEG[HALF:], "?1")).status == 201


async def test_problem_types(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        path = host.ticket(media)
        await post(host, path, JPEG[:HALF], "?0")
        refused = await patch(host, path, 1, b"x", "?0")
        assert (refused.status, refused.headers["upload-offset"]) == (409, str(HALF))
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json["type"] == PROBLEMS + "mismatching-upload-offset"
        assert refused.json["expected-offset"] == HALF
        assert refused.json["provided-offset"] == 1
        assert refused.code == "CONFLICT"
        await patch(host, path, HALF, JPEG[HALF:], "?1")
        for offset in (0, len(JPEG)):
            refused = await patch(host, path, offset, b"", "?1")
            assert refused.status == 400
            assert refused.json["type"] == PROBLEMS + "completed-upload"


async def test_an_upload_that_is_not_active(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media, other = await host.reserve(JPEG), await host.reserve(JPEG)
        path, late = host.ticket(media), host.ticket(other)
        await post(host, path, JPEG[:HALF], "?0")
        assert (await host.request("DELETE", path)).status == 204
        host.clock.ms = NOW + 1000
        for gone in (path, late):
            assert (await host.request("HEAD", gone)).status == 404
            assert (await patch(host, gone, HALF, JPEG[HALF:], "?1")).status == 404
            assert (await host.request("DELETE", gone)).status == 404


async def test_limits_are_told_before_an_upload_begins(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        told = await host.request("OPTIONS", host.ticket(media))
        assert told.headers["upload-limit"] == f"max-size={len(JPEG)}"
        most = host.settings.max_upload_bytes
        told = await host.request("OPTIONS", "/u/anything")
        assert (told.status, told.headers["upload-limit"]) == (204, f"max-size={most}")


async def test_bytes_that_are_refused_leave_no_upload(tmp_path: Path) -> None:
    """An offset never decreases: what is lost or refused ends the upload."""
    async with open_host(tmp_path) as host:
        broken = JPEG[:HALF]
        media = await host.reserve(broken)
        path = host.ticket(media)
        await post(host, path, broken[:100], "?0")
        refused = await patch(host, path, 100, broken[100:], "?1")
        assert (refused.status, "upload-offset" in refused.headers) == (422, False)
        assert (await host.request("HEAD", path)).status == 404
