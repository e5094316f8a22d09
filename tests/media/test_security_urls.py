"""The security record of the field, line by line, as far as it is of URLs: what went wrong
elsewhere, tried here. `test_security_files` has what is of files.

What a line needs more tests for has them beside its module: `test_urls`, `test_options`.
"""

from __future__ import annotations

import ast
import hmac
import importlib
import pkgutil
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import media
from media import urls
from media.errors import MediaRefused
from media.images.geometry import plan
from media.images.options import MAX_OUTPUT_PIXELS, BadOptions, parse
from media.urls import BadSignature, BadUrl, Signer
from rpc.proto import media_pb2
from store.blobs import LocalBlobs
from store.records import Purpose
from tests.media import samples
from tests.media.host import NOW, open_host
from tests.media.test_urls import ID, KEY, signer, split
from tests.media.test_urls import media as record

CHAT_LINK = split(signer.private_url(record(), 77, "small", 10**13))
STREAM_LINK = split(signer.private_url(record(), 77, "hls", 10**13))
MADE_LINK = split(
    signer.variant_url(
        record(purpose=Purpose.POST),
        media_pb2.Variant(mode=media_pb2.VARIANT_FIT, width=10, format="jpg"),
        77,
        0,
    )
)
LINKS = {"preset": CHAT_LINK, "stream": STREAM_LINK, "options": MADE_LINK}


# Signatures (thumbor, 2026: what was signed and what was served were two texts, for the signature
# had been cut out of the URL by replacing it).


@pytest.mark.parametrize("kind", LINKS)
@given(data=st.data())
def test_a_signature_cannot_be_moved_or_repeated(kind: str, data: st.DataObject) -> None:
    """Any piece of a good URL put in once more, anywhere, leaves none that is taken."""
    path, query = LINKS[kind]
    whole = path + (b"?" + query if query else b"")
    start = data.draw(st.integers(0, len(whole) - 1))
    piece = whole[start : data.draw(st.integers(start + 1, len(whole)))]
    at = data.draw(st.integers(0, len(whole)))
    changed = whole[:at] + piece + whole[at:]
    new_path, _, new_query = changed.partition(b"?")
    with pytest.raises((BadUrl, BadSignature)):
        signer.parse_media(new_path, new_query, 0)


def test_what_is_verified_is_the_bytes_that_came() -> None:
    """No unescaping, no other case, no other order between the check and the reading."""
    path, query = CHAT_LINK
    for new_path, new_query in (
        (path.replace(b"/m/", b"/%6d/"), query),
        (path.replace(b"small", b"smal%6c"), query),
        (path.replace(b"small", b"SMALL"), query),
        (path, query.replace(b"v=77", b"v=7%37")),
        (path, query.replace(b"&", b"&amp;")),
        (path, query.replace(b"&", b";")),
        (path, query.replace(b"s=", b"S=")),
        (path, query + b"&"),
        (path, b"&" + query),
        (path, b"v=77&" + query),
        (path, query + b"&v=78"),
        (path + b"?", query),
        (path + b"/", query),
    ):
        with pytest.raises((BadUrl, BadSignature)):
            signer.parse_media(new_path, new_query, 0)


def test_signatures_are_compared_in_constant_time_with_every_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[Any, Any]] = []

    def compare(one: Any, other: Any) -> bool:
        seen.append((one, other))
        return same(one, other)

    same = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    Signer([KEY, b"o" * 32, b"p" * 32]).parse_media(*CHAT_LINK, 0)
    assert len(seen) == 3
    assert all(len(one) == len(other) == 43 for one, other in seen)


# Paths (thumbor, 2026: checked, and then changed).


@pytest.mark.parametrize(
    "rest",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..\\..\\etc\\passwd",
        "small.jpg/../../original",
        "small.jpg%00.png",
        "fit,w-10/../original.jpg",
        "....//....//etc/passwd",
        "/etc/passwd",
        "hls/../original",
        "hls/..%2f..%2fsecret.m4s",
    ],
)
async def test_no_path_leads_elsewhere(tmp_path: Path, rest: str) -> None:
    """Nor when it is signed: the grammar knows no dots and slashes but its own."""
    (tmp_path / "secret.m4s").write_bytes(b"SECRET")
    async with open_host(tmp_path) as host:
        stored = await host.stored(samples.jpeg())
        path = f"/m/{stored.id}/{rest}"
        assert (await host.get(path)).status == 404
        raw = path.encode()
        for query in (b"", b"v=1&e=9999999999999"):
            message = raw + b"?" + query if query else raw
            signature = urls._signature(b"k" * 32, message)
            signed = (query + b"&s=" if query else b"s=") + signature
            with pytest.raises(BadUrl):
                host.signer.parse_media(raw, signed, NOW)


def files_below(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


async def test_names_of_files_are_made_by_the_server(tmp_path: Path) -> None:
    """What a client calls his file is kept as text, and names nothing."""
    blobs = LocalBlobs(tmp_path / "blobs")
    async with open_host(tmp_path, blobs=blobs) as host:
        data = samples.jpeg()
        pending = await host.reserve(data, name="../../../evil.php\0.jpg")
        assert (await host.put(host.ticket(pending), data)).status == 201
        assert (await host.get(f"/m/{pending.id}/small.jpg")).status == 200
    names = files_below(tmp_path)
    assert len(names) >= 2
    for name in names:
        assert re.fullmatch(r"[0-9a-z./-]+", name), name
        assert "evil" not in name


# Regular expressions (thumbor, 2026: filters that took exponential time).


def ways(tree: Any) -> float:
    """In how many ways an expression can be matched at most, whatever the text: a bound on what
    backtracking may try. Infinite where something may be repeated without an end."""
    found = 1.0
    for name, value in tree:
        match str(name):
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, inner = value
                if most is re._constants.MAXREPEAT:  # type: ignore[attr-defined]
                    return float("inf")
                found *= (most - least + 1) * ways(inner) ** (most if ways(inner) > 1 else 1)
            case "BRANCH":
                found *= sum(ways(branch) for branch in value[1])
            case "SUBPATTERN":
                found *= ways(value[-1])
            case "LITERAL" | "NOT_LITERAL" | "IN" | "ANY" | "AT":
                pass
            case other:
                raise AssertionError(f"{other}: count it")
    return found


def test_the_grammar_of_urls_takes_bounded_time() -> None:
    """Not measured but counted: no expression repeats anything without an end, and what remains
    to be tried is little. Text of any length is refused after that much of it."""
    from media.images import options

    patterns = [one for one in vars(urls).values() if isinstance(one, re.Pattern)]
    patterns += options._PARAMETERS.values()
    assert len(patterns) > 10
    for pattern in patterns:
        tree = re._parser.parse(pattern.pattern)  # type: ignore[attr-defined]
        assert ways(tree) < 100_000, pattern.pattern


def test_the_count_finds_what_is_dangerous() -> None:
    for pattern in (r"(a+)+$", r"(a|a)*b", r"(?:a{1,30}){1,30}", r"\d+"):
        assert ways(re._parser.parse(pattern)) > 100_000, pattern  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["w-1,", "fit,", "0", ",", "-", "f-1-1,", "q-1"])
def test_long_urls_are_refused(text: str) -> None:
    for begin in ("", "fit,", "fill,w-1,h-1,"):
        with pytest.raises(BadOptions):
            parse(begin + text * 100_000, "jpg")
        with pytest.raises(BadUrl):
            signer.parse_media(f"/m/{ID}/{begin}{text * 100_000}.jpg".encode(), b"", 0)
    with pytest.raises(BadSignature):
        signer.parse_media(CHAT_LINK[0], b"v=" + b"1" * 100_000, 0)


# Sizes (thumbor, 2026: a cap on width and height that filters went round).


@settings(max_examples=300)
@given(
    mode=st.sampled_from(["fit", "fill", "crop"]),
    numbers=st.lists(st.integers(0, 5000), min_size=2, max_size=2),
    rest=st.sampled_from(
        ["", ",up", ",f-0-1000,up", ",box-0-0-1-65535", ",box-0-0-1-65535,up", ",up,blur-100"]
    ),
    width=st.integers(1, 16_384),
    height=st.integers(1, 16_384),
)
def test_no_options_make_more_pixels_than_the_cap(
    mode: str, numbers: list[int], rest: str, width: int, height: int
) -> None:
    sizes = "".join(
        f",{name}-{number}" for name, number in zip("wh", numbers, strict=True) if number
    )
    try:
        options = parse(mode + sizes + rest, "jpg")
        made = plan(options, width, height)
    except (BadOptions, MediaRefused):
        return
    assert made.size[0] * made.size[1] <= MAX_OUTPUT_PIXELS


# Remote fetching (imgproxy, repeatedly; SSRF).

CLIENTS = {
    "aiohttp",
    "ftplib",
    "http.client",
    "httpcore",
    "httpx",
    "requests",
    "smtplib",
    "urllib.request",
    "urllib3",
    "websockets",
}
DIALS = {"connect", "create_connection", "open_tcp_stream", "open_ssl_over_tcp_stream", "urlopen"}


def test_media_has_no_client_of_anything() -> None:
    """No module of it imports one, or calls what opens a connection to somewhere."""
    for found in pkgutil.walk_packages(media.__path__, "media."):
        module = importlib.import_module(found.name)
        assert module.__file__ is not None
        for node in ast.walk(ast.parse(Path(module.__file__).read_bytes())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{one.name}" for one in node.names] + [node.module or ""]
            elif isinstance(node, ast.Attribute):
                assert node.attr not in DIALS, f"{found.name} line {node.lineno}"
            for name in names:
                assert not any(name == one or name.startswith(f"{one}.") for one in CLIENTS), name
                assert not name.startswith("rpc.client"), name


@pytest.mark.parametrize(
    "ref",
    [
        "http://169.254.169.254/latest/meta-data",
        "http:%2f%2f127.0.0.1",
        "https://example.com/a.jpg",
        "file:///etc/passwd",
        "local:///etc/passwd",
        "//example.com/a.jpg",
        "plain/http://example.com/a.jpg",
        "aHR0cDovL2V4YW1wbGUuY29t",
        "data:image/png;base64,AAAA",
        "s3://bucket/key",
    ],
)
async def test_a_reference_that_is_a_url_is_no_reference(
    tmp_path: Path, ref: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dial(*args: object) -> None:
        raise AssertionError("somebody is called")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, dial)
    monkeypatch.setattr(socket, "getaddrinfo", dial)
    async with open_host(tmp_path) as host:
        stored = await host.stored(samples.jpeg())
        for path in (f"/m/{ref}/small.jpg", f"/m/{ref}", f"/m/{stored.id}/{ref}", f"/{ref}"):
            assert (await host.get(path)).status in (400, 404), path
        assert (await host.get(f"/m/{stored.id}/small.jpg?url=http://example.com")).status == 403
