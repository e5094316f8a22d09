"""The docs say what the code says: links, names, and every table with something to count."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio.testing

import realtime.testing
from realtime.doctor import CHECKS
from realtime.gateway.limits import GatewayLimits
from realtime.settings import Settings
from realtime.testing import FaultyStream, Line, TestClient, TestServer, open_test_server
from rpc.dispatch import CallLimits
from rpc.errors import TABLE, Close
from rpc.proto import frames_pb2, options_pb2
from rpc.rates import Rate
from rpc.registry import methods
from rpc.wire import MAX_FRAMES
from store.log import Kind
from store.projections.counters import CountersProjection
from store.projections.home import HomeProjection
from store.projections.notifications import NotificationsProjection

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])
Table = list[list[str]]


def tables(page: str) -> dict[str, Table]:
    """The tables of a page by the words of their first heading cell, code marks taken off."""
    found: dict[str, Table] = {}
    rows: Table = []
    for line in [*(DOCS / page).read_text().splitlines(), ""]:
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip()[1:-1])
            rows.append([plain(cell) for cell in cells])
        elif rows:
            assert rows[0][0] not in found, f"two tables begin with {rows[0][0]!r}"
            found[rows[0][0]] = rows[2:]
            rows = []
    return found


def plain(cell: str) -> str:
    """A cell's text; one that is code as a whole, without the marks."""
    return re.sub(r"^`([^`]*)`$", r"\1", cell.strip()).replace("\\|", "|")


def columns(table: Table, *numbers: int) -> list[tuple[str, ...]]:
    return [tuple(row[number] for number in numbers) for row in table]


def yes(value: bool) -> str:
    return "yes" if value else "no"


def amount(value: Any) -> str:
    """A number as the docs write it."""
    if isinstance(value, Rate):
        return f"{value.per_second:,g} a second, {value.burst:,g} at once"
    if isinstance(value, int) and value >= 1024 and not value % 1024:
        for unit in ("KiB", "MiB", "GiB"):
            value //= 1024
            if value < 1024 or value % 1024:
                return f"{value:,} {unit}"
    return f"{value:,g}"


def kinds(message: Any, oneof: str) -> list[str]:
    return [field.name for field in message.DESCRIPTOR.oneofs_by_name[oneof].fields]


# Links and names.


def anchor(heading: str) -> str:
    """As the usual renderers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, part = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name} links to {target}"
        if part:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
            assert part in [anchor(heading) for heading in headings], f"no #{part} in {file.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_commands_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"`((?:[\w.]+/)+[\w.]*)`", text):
        if path.split("/")[0] in ("realtime", "rpc", "media", "store", "tests", "docs", "examples"):
            assert (ROOT / path).exists(), f"{page.name} names {path}"
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for target in re.findall(r"(?:`|^)make ([a-z]+)", text, re.M):
        assert target in targets, f"{page.name} says make {target}"
    commands = known_commands()
    for command in re.findall(r"python -m realtime (\w+)", text):
        assert command in commands, f"{page.name} says python -m realtime {command}"
    for module in re.findall(r"python -m ([\w]+\.[\w.]*\w)", text):
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").exists() or path.is_dir(), f"{page.name} says {module}"


def known_commands() -> set[str]:
    from realtime.__main__ import app

    return {name for name in app if not name.startswith("-")}


def test_the_index_names_every_page() -> None:
    linked = set(re.findall(r"\]\((\w[\w-]*\.md)\)", (DOCS / "README.md").read_text()))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"README.md"}


NOT_THERE = ("Chat", "SetRole")  # the example of adding-a-call.md


def test_calls_that_are_named_exist() -> None:
    services = {name.partition(".")[0] for name in methods()}
    for page in PAGES:
        for service, method in re.findall(r"\b([A-Z]\w+)\.([A-Z]\w+)\b", page.read_text()):
            if service in services and (service, method) != NOT_THERE:
                assert f"{service}.{method}" in methods(), f"{page.name}: {service}.{method}"


# protocol.md


def test_every_frame_is_described() -> None:
    found = tables("protocol.md")
    client, server = found["from the client"], found["from the server"]
    assert columns(client, 0) == [(kind,) for kind in kinds(frames_pb2.ClientFrame, "frame")]
    assert {row[0] for row in server} == set(kinds(frames_pb2.ServerFrame, "frame"))


def test_every_update_signal_and_resync_is_described() -> None:
    found = tables("protocol.md")
    assert columns(found["update"], 0) == [(kind,) for kind in kinds(frames_pb2.Update, "body")]
    assert columns(found["signal"], 0) == [(kind,) for kind in kinds(frames_pb2.Signal, "body")]
    reasons = frames_pb2.Resync.Reason.keys()[1:]
    assert columns(found["reason"], 0) == [(reason,) for reason in reasons]


def sent_close_codes() -> set[Close]:
    """The codes that some line of the server's sources sends."""
    text = "".join(path.read_text() for path in sources("realtime", "rpc"))
    return {code for code in Close if f"Close.{code.name}" in text} | {Close.GOING_AWAY}


def sources(*packages: str) -> Iterator[Path]:
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "errors.py" and not {"proto", "client"} & set(path.parts):
                yield path


def test_close_codes_are_those_of_the_server() -> None:
    table = tables("protocol.md")["code"]
    assert columns(table, 0, 1, 2) == [
        (str(int(code)), code.name, yes(code.may_reconnect)) for code in Close
    ]
    silent = {int(row[0]) for row in table if "not sent by this version" in row[3]}
    assert silent == {int(code) for code in set(Close) - sent_close_codes()}


def test_errors_are_those_of_the_table() -> None:
    assert [tuple(row) for row in tables("protocol.md")["number"]] == [
        (
            str(int(code)),
            frames_pb2.Code.Name(code),
            meaning.fault.value,
            yes(meaning.retryable),
            meaning.action,
        )
        for code, meaning in TABLE.items()
    ]


def test_limits_are_those_of_the_code() -> None:
    expected = [
        (field.name, amount(getattr(limits, field.name)))
        for limits in (GatewayLimits(), CallLimits())
        for field in dataclasses.fields(limits)
    ]
    assert columns(tables("protocol.md")["limit"], 0, 1) == expected
    assert f"more than {MAX_FRAMES} frames in a batch" in (DOCS / "protocol.md").read_text()


def test_calls_are_those_of_the_descriptors() -> None:
    assert [tuple(row) for row in tables("protocol.md")["call"]] == [
        (
            name,
            "anyone" if method.policy.access == options_pb2.ACCESS_OPEN else "signed in",
            str(method.policy.cost or 1),
            "op_key" if method.policy.mutating else "",
        )
        for name, method in sorted(methods().items())
    ]


async def test_what_the_page_says_of_handshakes_and_sizes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    text = (DOCS / "protocol.md").read_text()
    async with open_test_server() as server:
        stream = server.stream()
        await stream.send_all(
            b"GET /any HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        status = (await stream.receive_some()).split()[1].decode()
        assert f"without it the handshake is refused with HTTP {status}" in text
        stream = server.stream()
        await stream.send_all(
            b"GET /any HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: sunwire.v1\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        answer = (await stream.receive_some()).lower()
        assert b" 101 " in answer
        assert b"deflate" not in answer
        client = await server.connect()
        await client.send_bytes(b"x" * (GatewayLimits().max_message + 1))
        code = (await client.expect_closed()).code
        assert f"ends the connection with the websocket's own {code}" in text


# log.md


def test_kinds_and_consumers_are_those_of_the_log() -> None:
    found = tables("log.md")
    assert columns(found["kind"], 0) == [(str(kind),) for kind in Kind]
    assert {row[1] for row in found["kind"]} == {"room", "user"}
    consumers: list[type[Any]] = [HomeProjection, CountersProjection, NotificationsProjection]
    assert columns(found["consumer"], 0) == [(one.name,) for one in consumers]


# operating.md (tests/real/test_operating.py compares the metrics, and runs the commands)


def test_settings_are_those_of_the_code() -> None:
    hints = typing.get_type_hints(Settings, include_extras=True)
    expected = []
    for field in dataclasses.fields(Settings):
        value = field.default
        expected.append(
            (
                "--" + field.name.replace("_", "-"),
                f"{value:g}" if isinstance(value, float) else str(value),
                hints[field.name].__metadata__[0].help,
            )
        )
    found = columns(tables("operating.md")["flag"], 0, 1, 2)
    data = [row[0] for row in expected].index("--data")  # its default is a sentence
    assert (found[data][0], found[data][2]) == (expected[data][0], expected[data][2])
    del found[data], expected[data]
    assert found == expected


def test_checks_are_those_of_the_doctor() -> None:
    assert columns(tables("operating.md")["check"], 0) == [(name,) for name in CHECKS]


def test_the_lines_of_the_log_that_call_for_action_are_explained() -> None:
    said = {
        (event, level)
        for path in sources("realtime", "rpc", "media", "store")
        for level, event in re.findall(
            r"log\.(warning|error|exception|critical)\(\s*\"([^\"]+)\"", path.read_text()
        )
    }
    assert set(columns(tables("operating.md")["event"], 0, 1)) == said


# harness.md


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)


def examples() -> Iterator[Any]:
    """The tests on the page, each in the namespace of its block."""
    for block in blocks("harness.md"):
        space: dict[str, Any] = {}
        exec(compile(block, "docs/harness.md", "exec"), space)
        for name, value in space.items():
            if name.startswith("test_"):
                yield pytest.param(value, id=name.removeprefix("test_"))


@pytest.mark.parametrize("example", list(examples()))
async def test_the_examples_of_the_harness_run(
    autojump_clock: trio.testing.MockClock, example: Any
) -> None:
    await example(autojump_clock)


def test_every_word_of_the_harness_is_explained() -> None:
    text = (DOCS / "harness.md").read_text()
    prose = re.sub(r"^```python\n.*?^```", "", text, flags=re.M | re.S)
    examples = "\n".join(blocks("harness.md"))
    words = set(realtime.testing.__all__)
    for kind in (TestClient, TestServer, FaultyStream, Line):
        words |= {name for name in vars(kind) if not name.startswith("_")} - STREAM_WORDS
    words |= {"token", "cursor", "frames", "updates", "closed", "stream", "user_id", "session_id"}
    words |= {"device_id", "core", "sender", "down", "dials", "delay", "delay_received"}
    words |= {"cut_after", "cut_after_received"}
    for word in words:
        assert re.search(rf"`[^`]*\b{word}\b[^`]*`", prose), f"{word} is not explained"
        assert re.search(rf"\b{word}\b", examples), f"{word} has no example"


STREAM_WORDS = {
    *("send_all", "wait_send_all_might_not_block", "receive_some", "send_eof", "aclose"),
    "read",  # run by the harness itself
}
"""Public because of what they implement."""
