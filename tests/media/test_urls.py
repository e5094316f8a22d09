"""URLs of the media host: one spelling each, and no way round the signature."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.images.formats import MIMES
from media.images.presets import PRESET_NAMES
from media.urls import (
    BadSignature,
    BadUrl,
    Expired,
    MediaUrl,
    Signer,
    UploadUrl,
    options_of,
)
from rpc.proto import media_pb2
from store.records import MediaRecord, Purpose

KEY = b"k" * 32
ID = "0123456789abcdef0123456789abcdef"
signer = Signer([KEY], "https://media.example/")

ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
presets = st.sampled_from(["", *sorted(PRESET_NAMES)])
numbers = st.integers(0, 10**18)


def media(media_id: str = ID, purpose: Purpose = Purpose.CHAT, stored: bool = True) -> MediaRecord:
    return MediaRecord(
        id=media_id,
        owner_id=1,
        purpose=purpose,
        stored=stored,
        blob_hash=b"h" * 32,
        size=1,
        mime="image/jpeg",
        width=1,
        height=1,
        color="#000000",
        name="",
        created_ms=0,
        changed=1,
    )


def split(url: str) -> tuple[bytes, bytes]:
    path, _, query = url.removeprefix("https://media.example").encode().partition(b"?")
    return path, query


@given(media_id=ids, preset=presets, viewer=numbers, now=numbers, life=st.integers(1, 10**6))
def test_a_signed_link_comes_back_as_it_was_made(
    media_id: str, preset: str, viewer: int, now: int, life: int
) -> None:
    path, query = split(signer.private_url(media(media_id), viewer, preset, now + life))
    ext = "jpg" if preset else ""
    wanted = MediaUrl(media_id, preset or "original", ext, viewer, now + life)
    assert signer.parse_media(path, query, now) == wanted
    with pytest.raises(Expired):
        signer.parse_media(path, query, now + life)


@given(media_id=ids, size=numbers, now=numbers, life=st.integers(1, 10**6))
def test_a_ticket_comes_back_as_it_was_made(media_id: str, size: int, now: int, life: int) -> None:
    path, query = split(signer.upload_url(media_id, size, now + life))
    assert signer.parse_upload(path, query, now) == UploadUrl(media_id, size, now + life)
    with pytest.raises(Expired):
        signer.parse_upload(path, query, now + life)


@given(data=st.data(), upload=st.booleans())
def test_no_change_of_a_byte_is_accepted(data: st.DataObject, upload: bool) -> None:
    if upload:
        path, query = split(signer.upload_url(ID, 12345, 10**13))
    else:
        path, query = split(signer.private_url(media(), 77, "small", 10**13))
    whole = path + b"?" + query
    index = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["replace", "remove", "insert"]))
    byte = data.draw(st.binary(min_size=1, max_size=1))
    changed = {
        "replace": whole[:index] + byte + whole[index + 1 :],
        "remove": whole[:index] + whole[index + 1 :],
        "insert": whole[:index] + byte + whole[index:],
    }[kind]
    if changed == whole:
        return
    new_path, separator, new_query = changed.partition(b"?")
    if not separator or not new_query:
        return  # no longer a signed URL at all: tested below
    parse = signer.parse_upload if upload else signer.parse_media
    with pytest.raises((BadUrl, BadSignature)):
        parse(new_path, new_query, 0)


@given(path=st.binary(max_size=80), query=st.binary(max_size=120))
def test_bytes_at_random_are_refused_without_a_crash(path: bytes, query: bytes) -> None:
    with pytest.raises(BadUrl):
        signer.parse_media(b"/m/" + path, query, 0)
    with pytest.raises((BadUrl, BadSignature)):
        signer.parse_upload(b"/u/" + path, query, 0)


@pytest.mark.parametrize("ext", ["", *MIMES])
@pytest.mark.parametrize("preset", sorted(PRESET_NAMES))
def test_every_preset_has_a_public_url(preset: str, ext: str) -> None:
    path = f"/m/{ID}/{preset}" + (f".{ext}" if ext else "")
    assert signer.parse_media(path.encode(), b"", 0) == MediaUrl(ID, preset, ext)


@pytest.mark.parametrize(
    "path",
    [
        f"/m/{ID}/huge.jpg",
        f"/m/{ID}/medium.svg",
        f"/m/{ID}/medium.jpg/",
        f"/m/{ID}/medium.jpg\n",
        f"/m/{ID}/../{ID}/medium.jpg",
        f"/m/{ID}/..%2f..%2fetc%2fpasswd",
        f"/m/{ID}/%6dedium.jpg",
        f"/m/{ID}//medium.jpg",
        f"//m/{ID}/medium.jpg",
        f"/m/{ID.upper()}/medium.jpg",
        f"/m/{ID[:-1]}/medium.jpg",
        f"/m/{ID}/original.jpg",
        f"/m/{ID}/mediumxjpg",
        f"/m/{ID}/",
        f"/m/{ID}",
        "/",
        "",
    ],
)
def test_paths_that_are_none_of_ours(path: str) -> None:
    with pytest.raises(BadUrl):
        signer.parse_media(path.encode(), b"", 0)


def _signed_by_hand(path: bytes, query: bytes) -> bytes:
    """A correct signature of a query that the signer would never write."""
    digest = hmac.digest(KEY, path + b"?" + query, hashlib.sha256)
    return query + b"&s=" + urlsafe_b64encode(digest).rstrip(b"=")


@pytest.mark.parametrize(
    "query",
    [
        b"v=1&v=2&e=9999",
        b"e=9999&v=1",
        b"v=1&e=9999&e=1",
        b"v=1&e=9999&w=1",
        b"v=01&e=9999",
        b"v=+1&e=9999",
        b"v=1;e=9999",
        b"v=%31&e=9999",
        b"v=-1&e=9999",
        b"v=1",
        b"e=9999",
    ],
)
def test_even_a_well_signed_query_has_one_spelling(query: bytes) -> None:
    path = f"/m/{ID}/original".encode()
    with pytest.raises(BadSignature):
        signer.parse_media(path, _signed_by_hand(path, query), 0)


def test_the_hand_made_signature_is_a_good_one() -> None:
    path = f"/m/{ID}/original".encode()
    found = signer.parse_media(path, _signed_by_hand(path, b"v=1&e=9999"), 0)
    assert found == MediaUrl(ID, "original", "", 1, 9999)


def test_a_signature_counts_for_its_own_path_alone() -> None:
    _, query = split(signer.private_url(media(), 1, "small", 10**13))
    with pytest.raises(BadSignature):
        signer.parse_media(f"/m/{ID}/original".encode(), query, 0)
    _, ticket = split(signer.upload_url(ID, 1, 10**13))
    with pytest.raises(BadSignature):
        signer.parse_media(f"/m/{ID}/original".encode(), ticket, 0)


def test_keys_can_be_replaced_while_old_links_live() -> None:
    path, query = split(signer.private_url(media(), 1, "small", 10**13))
    assert Signer([b"n" * 32, KEY]).parse_media(path, query, 0).viewer_id == 1
    with pytest.raises(BadSignature):
        Signer([b"n" * 32]).parse_media(path, query, 0)
    with pytest.raises(ValueError, match="16 bytes"):
        Signer([b"short"])


def test_only_stored_public_media_have_a_public_url() -> None:
    assert signer.public_url(media(purpose=Purpose.POST)) == f"/m/{ID}/medium.jpg"
    assert signer.public_url(media(purpose=Purpose.CHAT)) == ""
    assert signer.public_url(media(purpose=Purpose.AVATAR, stored=False)) == ""


# Options.

FIT, FILL, CROP = media_pb2.VARIANT_FIT, media_pb2.VARIANT_FILL, media_pb2.VARIANT_CROP

variants = st.one_of(
    st.builds(
        media_pb2.Variant,
        mode=st.just(FIT),
        width=st.integers(1, 4096),
        height=st.integers(0, 4096),
        enlarge=st.booleans(),
        blur=st.integers(0, 100),
        frame=st.integers(0, 9999),
        format=st.sampled_from(["", *MIMES]),
    ),
    st.builds(
        media_pb2.Variant,
        mode=st.sampled_from([FILL, CROP]),
        width=st.integers(1, 3000),
        height=st.integers(1, 3000),
        focus=st.builds(media_pb2.FocalPoint, x=st.floats(0, 1), y=st.floats(0, 1)),
        quality=st.integers(0, 100),
        format=st.just("webp"),
    ),
    st.builds(
        media_pb2.Variant,
        mode=st.just(CROP),
        width=st.integers(0, 4096),
        box=st.builds(
            media_pb2.CropBox,
            left=st.integers(0, 65535),
            top=st.integers(0, 65535),
            width=st.integers(1, 65535),
            height=st.integers(1, 65535),
        ),
        format=st.just("avif"),
    ),
).filter(lambda variant: variant.width * variant.height < 9_000_000)


@given(media_id=ids, variant=variants, viewer=numbers, now=numbers)
def test_a_link_to_options_comes_back_as_it_was_made(
    media_id: str, variant: media_pb2.Variant, viewer: int, now: int
) -> None:
    """Bound to its viewer where the object is private; for everybody and ever where it is not."""
    options = options_of(variant)
    private = split(signer.variant_url(media(media_id), variant, viewer, now + 1))
    wanted = MediaUrl(media_id, "", variant.format, viewer, now + 1, options=options)
    assert signer.parse_media(*private, now) == wanted
    with pytest.raises(Expired):
        signer.parse_media(*private, now + 1)
    public = split(signer.variant_url(media(media_id, Purpose.POST), variant, viewer, now))
    wanted = MediaUrl(media_id, "", variant.format, options=options)
    assert signer.parse_media(*public, now + 10**9) == wanted


@given(variant=variants, purpose=st.sampled_from([Purpose.POST, Purpose.CHAT]), data=st.data())
def test_no_change_of_a_byte_of_options_is_accepted(
    variant: media_pb2.Variant, purpose: Purpose, data: st.DataObject
) -> None:
    path, query = split(signer.variant_url(media(purpose=purpose), variant, 77, 10**13))
    whole = path + b"?" + query
    index = data.draw(st.integers(0, len(whole) - 1))
    piece = data.draw(st.sampled_from([b"", b"0", b"1", b",", b"-", b"&", b"?", b"%", b"w-9"]))
    changed = whole[:index] + piece + whole[index + data.draw(st.integers(0, 3)) :]
    if changed == whole:
        return
    new_path, _, new_query = changed.partition(b"?")
    with pytest.raises((BadUrl, BadSignature)):
        signer.parse_media(new_path, new_query, 0)


def test_options_need_a_signature() -> None:
    for ext in ("", ".jpg", ".avif"):
        with pytest.raises(BadSignature, match="need"):
            signer.parse_media(f"/m/{ID}/fit,w-10{ext}".encode(), b"", 0)


@pytest.mark.parametrize(
    "options",
    [
        "fit,w-010",
        "fit,h-10,w-10",
        "fit,w-10,w-10",
        "fit,w-10,x-1",
        "fit,w-4097",
        "fill,w-4096,h-4096",
        "fit,w-10,q-101",
        "fit",
        "fit,w-10,blur-0",
    ],
)
def test_even_well_signed_options_have_one_spelling_and_limits(options: str) -> None:
    path = f"/m/{ID}/{options}.jpg".encode()
    signature = urlsafe_b64encode(hmac.digest(KEY, path, hashlib.sha256)).rstrip(b"=")
    with pytest.raises(BadUrl):
        signer.parse_media(path, b"s=" + signature, 0)
    with pytest.raises(BadUrl):
        signer.parse_media(path, _signed_by_hand(path, b"v=1&e=9999"), 0)


def test_leave_to_make_a_picture_is_no_leave_to_see_another() -> None:
    """The two kinds of signatures do not stand for each other, nor for other paths."""
    variant = media_pb2.Variant(mode=FIT, width=10, format="jpg")
    path, public = split(signer.variant_url(media(purpose=Purpose.POST), variant, 7, 10**13))
    same, private = split(signer.variant_url(media(), variant, 7, 10**13))
    assert path == same
    signature = public.removeprefix(b"s=")
    for query in (b"v=7&e=9999999999999&s=" + signature, b"v=7&" + public, public + b"&s=x"):
        with pytest.raises(BadSignature):
            signer.parse_media(path, query, 0)
    with pytest.raises(BadSignature):
        signer.parse_media(path, b"s=" + private.rpartition(b"s=")[2], 0)
    with pytest.raises(BadSignature):
        signer.parse_media(f"/m/{ID}/original".encode(), public, 0)
    with pytest.raises(BadSignature):
        signer.parse_media(path.replace(b"w-10", b"w-11"), public, 0)


@pytest.mark.parametrize(
    "variant",
    [
        media_pb2.Variant(width=10),
        media_pb2.Variant(mode=99, width=10),  # type: ignore[arg-type]
        media_pb2.Variant(mode=FIT),
        media_pb2.Variant(mode=FIT, width=10, format="svg"),
        media_pb2.Variant(mode=FIT, width=10, quality=50),
        media_pb2.Variant(mode=FIT, width=10, quality=50, format="png"),
        media_pb2.Variant(mode=FIT, width=10, box=media_pb2.CropBox(width=1, height=1)),
        media_pb2.Variant(
            mode=FILL, width=10, height=10, focus=media_pb2.FocalPoint(x=float("nan"))
        ),
        media_pb2.Variant(mode=FILL, width=10, height=10, focus=media_pb2.FocalPoint(y=1.01)),
        media_pb2.Variant(mode=FILL, width=4096, height=4096),
        media_pb2.Variant(mode=CROP, box=media_pb2.CropBox(left=-1, width=1, height=1)),
    ],
)
def test_what_makes_no_sense_is_not_signed(variant: media_pb2.Variant) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        signer.variant_url(media(), variant, 1, 10**13)


@pytest.mark.parametrize(
    ("ext", "name"), [("avif", "small.avif"), ("", "small"), ("jpg", "small.jpg")]
)
def test_a_private_preset_in_another_format(ext: str, name: str) -> None:
    path, query = split(signer.private_url(media(), 1, "small", 10**13, ext))
    assert path.endswith(name.encode())
    assert signer.parse_media(path, query, 0) == MediaUrl(ID, "small", ext, 1, 10**13)
