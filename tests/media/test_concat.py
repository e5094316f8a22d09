"""Uploads that are made of others, by tus's concatenation."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import BadRequest, MediaError, NotAllowed
from media.uploads.concat import MAX_PIECES, join, parse_concat
from media.uploads.resumable import PARTIAL, Upload
from store.collect import BLOB_GRACE_MS, TICKET_GRACE_MS, collect
from store.queries.media import media_by_id
from store.queries.upload_partials import MAX_PARTIALS, join_of, join_partials, partials_of
from store.records import MediaRecord
from tests.media import samples
from tests.media.host import NOW, OTHER, Host, Reply, open_host

JPEG = samples.jpeg()
HALF = len(JPEG) // 2


async def tus(host: Host, method: str, path: str, data: bytes = b"", **headers: str) -> Reply:
    wanted = {"Tus_Resumable": "1.0.0", "Content_Type": "application/offset+octet-stream"}
    return await host.request(method, path, data, **(wanted | headers))


async def create(host: Host, media: MediaRecord, length: int) -> str:
    """The URL of a new partial upload."""
    made = await tus(
        host, "POST", host.ticket(media), Upload_Concat="partial", Upload_Length=str(length)
    )
    assert (made.status, made.headers["upload-concat"]) == (201, "partial"), made
    return made.headers["location"]


async def patch(host: Host, path: str, data: bytes, offset: int = 0) -> Reply:
    return await tus(host, "PATCH", path, data, Upload_Offset=str(offset))


async def partial(host: Host, media: MediaRecord, data: bytes) -> str:
    path = await create(host, media, len(data))
    assert (await patch(host, path, data)).status == 204
    return path


async def final(host: Host, media: MediaRecord, *pieces: str) -> Reply:
    concat = "final;" + " ".join(pieces)
    return await tus(host, "POST", host.ticket(media), Upload_Concat=concat)


async def test_two_partial_uploads_become_one(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        options = await host.request("OPTIONS", host.ticket(media))
        assert "concatenation" in options.headers["tus-extension"].split(",")
        second, first = await create(host, media, len(JPEG) - HALF), await create(host, media, HALF)
        # Both at once, each in pieces.
        await patch(host, second, JPEG[HALF:-9])
        await patch(host, first, JPEG[:9])
        head = await tus(host, "HEAD", first)
        assert (head.status, head.headers["upload-concat"]) == (200, "partial")
        assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("9", str(HALF))
        assert "upload-expires" in head.headers
        assert (await final(host, media, first, second)).status == 400  # they are not whole
        await patch(host, first, JPEG[9:HALF], 9)
        await patch(host, second, JPEG[-9:], len(JPEG) - HALF - 9)
        made = await final(host, media, first, second)
        assert (made.status, made.headers["location"]) == (201, host.ticket(media))
        assert (await host.row(media.id)).blob_hash == hashlib.sha256(JPEG).digest()

        head = await tus(host, "HEAD", host.ticket(media))
        assert head.headers["upload-concat"] == f"final;{first} {second}"
        assert head.headers["upload-offset"] == head.headers["upload-length"] == str(len(JPEG))
        assert (await patch(host, host.ticket(media), b"", len(JPEG))).status == 403
        assert (await tus(host, "HEAD", first)).status == 404  # not needed any more
        # An answer that was lost is given again; another one is not.
        assert (await final(host, media, first, second)).status == 201
        assert (await final(host, media, second, first)).status == 409


async def test_a_partial_upload_begins_with_its_creation_and_may_be_used_twice(
    tmp_path: Path,
) -> None:
    data = JPEG + bytes(300) * 2  # what follows a photograph is nothing to its decoder
    async with open_host(tmp_path) as host:
        media = await host.reserve(data)
        zeros = await tus(
            host,
            "POST",
            host.ticket(media),
            bytes(300),
            Content_Length="300",
            Upload_Concat="partial",
            Upload_Length="300",
        )
        assert (zeros.status, zeros.headers["upload-offset"]) == (201, "300")
        photograph = await partial(host, media, JPEG)
        twice = zeros.headers["location"]
        absolute = f"https://elsewhere.test{twice}"  # by whatever name the host was reached
        assert (await final(host, media, photograph, absolute, twice)).status == 201
        assert (await host.row(media.id)).blob_hash == hashlib.sha256(data).digest()


async def test_only_partial_uploads_of_the_same_ticket_are_joined(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        mine, also_mine = await host.reserve(JPEG), await host.reserve(JPEG)
        others = await host.reserve(JPEG, owner_id=OTHER)
        good = await partial(host, mine, JPEG[:HALF])
        rest = [await partial(host, one, JPEG[HALF:]) for one in (also_mine, others)]
        for foreign in (*rest, host.ticket(mine), host.ticket(others)):
            assert (await final(host, mine, good, foreign)).status == 403, foreign
        forged = good.replace("&s=", "&s=A")[:-1]
        assert (await final(host, mine, good, forged)).status == 403
        # A URL of another ticket's partial upload, as if it were this one's.
        moved = rest[1].replace(others.id, mine.id)
        assert (await patch(host, moved, b"x")).status == 403
        assert not (await host.row(mine.id)).stored
        # Its end in time is the ticket's.
        host.clock.ms = NOW + 1000
        assert (await tus(host, "HEAD", good)).status == 410
        late = host.ticket(mine, expires_ms=NOW + 2000)
        asked = {"Upload_Concat": f"final;{good}"}
        assert (await tus(host, "POST", late, b"", **asked)).status == 403


async def test_refusals_change_nothing(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        ticket = host.ticket(media)
        first = await partial(host, media, JPEG[:HALF])

        async def asked(data: bytes = b"", **headers: str) -> int:
            return (await tus(host, "POST", ticket, data, **headers)).status

        for wrong in ("final", "final;", "Partial", f"final; {first}", "final;\xff", ""):
            assert await asked(Upload_Concat=wrong) == 400, wrong
        assert await asked(Upload_Concat="final;/m/nowhere") == 400
        assert await asked(Upload_Concat="final;http://[/x") == 400
        assert await asked(Upload_Concat="partial") == 400  # without a length
        assert await asked(Upload_Concat="partial", Upload_Length="0") == 400
        assert await asked(Upload_Concat="partial", Upload_Length=str(len(JPEG) + 1)) == 413
        assert await asked(Upload_Concat=f"final;{first}") == 400  # half of it
        both = {"Upload_Concat": f"final;{first}"}
        assert await asked(b"", Upload_Length=str(HALF), **both) == 400
        assert await asked(b"x", Content_Length="1", **both) == 400
        assert (await tus(host, "POST", first, Upload_Length="1")).status == 400
        assert (await host.put(first, JPEG[:HALF])).status == 404
        assert (await host.request("HEAD", first)).status == 404  # in the other protocol
        assert (await tus(host, "HEAD", first)).headers["upload-offset"] == str(HALF)
        # Of a body of the wrong type nothing is left.
        before = await host.store.read(partials_of, media.id)
        begun = {"Upload_Concat": "partial", "Upload_Length": "9"}
        assert await asked(b"x", Content_Length="1", Content_Type="text/plain", **begun) == 415
        assert await host.store.read(partials_of, media.id) == before


async def test_bytes_of_its_own_and_of_others_do_not_mix(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        pieces = [await partial(host, media, JPEG[:HALF]), await partial(host, media, JPEG[HALF:])]
        await patch(host, host.ticket(media), JPEG[:9])
        assert (await final(host, media, *pieces)).status == 409
        assert (await patch(host, host.ticket(media), JPEG[9:], 9)).status == 204
        assert (await host.row(media.id)).stored
        assert (await patch(host, pieces[0], b"")).status == 404
        assert (await tus(host, "POST", host.ticket(media), Upload_Concat="partial",
                          Upload_Length="9")).status == 409  # fmt: skip


async def test_a_partial_upload_is_terminated_alone(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        kept, gone = await partial(host, media, JPEG[:HALF]), await partial(host, media, b"x")
        assert (await tus(host, "DELETE", gone)).status == 204
        assert (await tus(host, "DELETE", gone)).status == 404
        assert (await tus(host, "HEAD", gone)).status == 404
        assert (await tus(host, "HEAD", kept)).status == 200
        assert (await final(host, media, kept, gone)).status == 404


async def test_what_a_ticket_may_hold_is_bounded(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        lost = [await partial(host, media, JPEG) for _ in range(2)]  # whose answers were lost
        more = await create(host, media, 9)
        assert (await patch(host, more, b"x")).status == 400
        await tus(host, "DELETE", lost[0])
        assert (await patch(host, more, b"x")).status == 204
        for _ in range(MAX_PARTIALS - 2):
            await create(host, media, 1)
        refused = await tus(
            host, "POST", host.ticket(media), Upload_Concat="partial", Upload_Length="1"
        )
        assert refused.status == 400


async def said(host: Host, media: MediaRecord, *pieces: str) -> str:
    """As a server that dies right after it has written down what an upload is made of."""
    concat = "final;" + " ".join(pieces)
    ids = [one.partition("?")[0].rpartition("/")[2] for one in pieces]
    await host.store.write(join_partials, media.id, concat, ids)
    return concat


async def test_an_upload_that_was_said_to_be_made_of_others_is_made_at_the_next_look(
    tmp_path: Path,
) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        pieces = [await partial(host, media, JPEG[:HALF]), await partial(host, media, JPEG[HALF:])]
        concat = await said(host, media, *pieces)
        # Until then nobody takes a stone out of it, or adds one.
        assert (await tus(host, "DELETE", pieces[0])).status == 409
        assert (await patch(host, host.ticket(media), JPEG)).status == 403
        begun = {"Upload_Concat": "partial", "Upload_Length": "9"}
        assert (await tus(host, "POST", host.ticket(media), b"", **begun)).status == 409
        head = await tus(host, "HEAD", host.ticket(media))
        assert (head.status, head.headers["upload-concat"]) == (200, concat)
        assert (await host.row(media.id)).stored


async def test_bytes_that_are_refused_end_the_ticket(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        text = b"no photograph" * 9
        media = await host.reserve(text)
        piece = await partial(host, media, text)
        assert (await final(host, media, piece)).status == 415
        assert (await tus(host, "HEAD", piece)).status == 404
        assert (await tus(host, "HEAD", host.ticket(media))).status == 404
        assert await host.store.read(partials_of, media.id) == []


async def test_partial_uploads_are_kept_as_long_as_their_ticket(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.reserve(JPEG)
        piece = await partial(host, media, JPEG[:HALF])
        await said(host, media, piece)
        await collect(host.store, host.blobs, NOW)
        assert await host.holds(JPEG[:HALF])
        late = 4 * 10**12  # both clocks are behind it
        assert late > NOW + TICKET_GRACE_MS + BLOB_GRACE_MS
        await collect(host.store, host.blobs, late)  # its ticket
        assert await host.store.read(media_by_id, [media.id]) == {}
        assert await host.store.read(partials_of, media.id) == []
        assert await host.store.read(join_of, media.id) is None
        await collect(host.store, host.blobs, late)  # what nothing refers to now
        assert not await host.holds(JPEG[:HALF])


async def test_the_owner_is_told_of_all_partial_uploads_together(tmp_path: Path) -> None:
    data = JPEG + bytes(1_500_000)
    async with open_host(tmp_path) as host:
        media = await host.reserve(data)
        for at in (0, 500_000, 1_000_000):
            await partial(host, media, data[at : at + 500_000])
        received = [one[2] for one in host.progress]
        assert received == sorted(received)
        assert received[-1] > 1_200_000
        assert {one[3] for one in host.progress} == {len(data)}


# The pure parts.

urls = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@given(st.lists(urls, min_size=1, max_size=MAX_PIECES))
def test_what_is_joined_is_read_as_it_was_written(pieces: list[str]) -> None:
    assert list(parse_concat("final;" + " ".join(pieces)).urls) == pieces


@given(st.text())
def test_any_header_is_read_or_refused(header: str) -> None:
    try:
        concat = parse_concat(header)
    except BadRequest:
        return
    assert concat.is_partial == (header == PARTIAL)
    assert all(url and " " not in url and url.isascii() for url in concat.urls)


def test_too_many_pieces() -> None:
    with pytest.raises(BadRequest):
        parse_concat("final;" + " ".join("x" * (MAX_PIECES + 1)))


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20))))
def test_pieces_make_a_whole_when_they_are_whole_and_come_to_its_length(
    length: int, sizes: list[tuple[int, int]]
) -> None:
    pieces = [Upload(size, min(size, come), 0, PARTIAL) for size, come in sizes]
    good = all(one.finished for one in pieces) and sum(one.length for one in pieces) == length
    try:
        made = join(Upload(length, 0, 1000), pieces, "final;x")
    except MediaError:
        assert not good
        return
    assert good
    assert made.finished
    with pytest.raises(NotAllowed):
        made.begin(length, 0, 0)
