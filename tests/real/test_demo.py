"""The demo on a real server process: everything arrives."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from cassandra.cluster import Cluster

from tests.contracts.cassandra import node
from tests.real.process import ROOT

pytestmark = pytest.mark.real


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "realtime", "demo", *arguments]


@pytest.fixture(name="blobs", params=["folder", "cassandra"])
def _blobs(request: pytest.FixtureRequest) -> Iterator[str]:
    """As `--blobs` takes it. A keyspace of its own, which goes afterwards."""
    if request.param == "folder":
        yield "folder"
        return
    keyspace = f"sunwire_demo_{secrets.token_hex(6)}"
    host, _, port = node().rpartition(":")
    yield f"cassandra://{node()}/{keyspace}"
    with Cluster([host], port=int(port), protocol_version=5) as cluster:
        cluster.connect().execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=30)


async def test_a_small_demo_loses_nothing(tmp_path: Path, blobs: str) -> None:
    keep = tmp_path / "kept"
    with trio.fail_after(150):
        done = await trio.run_process(
            command(
                *("--json", "--users", "4", "--seed", "11", "--keep", str(keep)),
                *("--blobs", blobs),
            ),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=ROOT,
        )
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["differences"] == []
    assert found["error"] == ""
    assert (done.returncode, done.stderr) == (0, b"")
    assert found["ok"] is True
    assert found["expected"] == found["received"] > 200
    assert [one["device"] for one in found["devices"]] == [
        "ann/phone",
        "ann/laptop",
        "ben/phone",
        "cleo/phone",
        "dan/phone",
    ]
    for device in found["devices"]:
        assert device["expected"] == device["received"]
        assert all(device["received"].values())
        assert device["reconnects"] > 0  # the server's end alone is one
    assert found["blobs"] == blobs.partition(":")[0]
    assert found["server_kills"] == 1
    assert found["connections_cut"] > 4
    done_things = found["done"]
    assert done_things["sign_ups"] == 4
    assert done_things["posts"] == 12
    assert [done_things[name] for name in ("films", "gifs", "voices")] == [3, 2, 4]
    assert done_things["attachments_taken_back"] > 0
    for name in ("messages", "edits", "photographs", "receipts", "follows", "unfollows"):
        assert done_things[name] > 0, name
    for name in ("likes", "unlikes", "comments", "comment_deletes", "post_deletes", "replies"):
        assert done_things[name] > 0, name
    assert (keep / "data" / "sunwire.db").exists()
    assert (keep / "data" / "blobs").exists() == (blobs == "folder")
    assert '"serving"' in (keep / "server.log").read_text()


async def test_too_little_time_is_a_clear_error(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    with trio.fail_after(60):
        done = await trio.run_process(
            command("--json", "--users", "3", "--deadline", "0.2", "--keep", str(keep)),
            capture_stdout=True,
            check=False,
            cwd=ROOT,
        )
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["ok"] is False
    assert found["error"] == "the server starts: not over after 0.2 seconds"


async def test_an_interrupted_demo_leaves_no_server_behind(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    process = await trio.lowlevel.open_process(
        command("--users", "3", "--keep", str(keep)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stderr is not None
    said = b""
    with trio.fail_after(60):
        async with process.stderr:
            while b"signs up" not in said:
                said += await process.stderr.receive_some()
            lines = (keep / "server.log").read_text().splitlines()
            serving = next(one for one in map(json.loads, lines) if one["event"] == "serving")
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 1
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", serving["websocket"][1])
