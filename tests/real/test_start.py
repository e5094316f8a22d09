"""What keeps a server from starting is said in a sentence, with exit code 2 and no traceback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from realtime.settings import Settings
from tests.media.sockets import get, read_all
from tests.real.process import ROOT, ServerProcess, server_process
from tests.real.witness import sign_up

pytestmark = pytest.mark.real

ANYWHERE = ("--listen", "127.0.0.1:0", "--media", "127.0.0.1:0", "--ops", "127.0.0.1:0")
STARTUP = 30.0  # seconds, on a busy machine


async def refused(*arguments: str, folder: Path, within: Sequence[str] = ()) -> str:
    """The one sentence that `python -m realtime …` says when it does not start."""
    with trio.fail_after(STARTUP):
        done = await trio.run_process(
            [*within, sys.executable, "-m", "realtime", *arguments],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    *logs, sentence = done.stderr.decode().splitlines()
    assert done.returncode == 2, done.stderr
    assert done.stdout == b""
    assert all(json.loads(line)["event"] in ("open files", "migrated") for line in logs), logs
    return sentence.removeprefix("sunwire: ")


async def test_a_broken_settings_file(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text('listen = "127.0')
    said = await refused("--config", "broken.toml", "serve", folder=tmp_path)
    assert said.startswith("the settings file broken.toml is not TOML: ")


async def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    within: tuple[str, ...] = ()
    if os.geteuid() == 0:  # who may write everywhere, unless he gives that up
        if shutil.which("setpriv") is None:
            pytest.skip("root, without setpriv")
        within = ("setpriv", "--bounding-set=-dac_override")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    for data in (closed, closed / "below"):
        said = await refused(
            *("serve", *ANYWHERE, "--data", str(data)), folder=tmp_path, within=within
        )
        assert f"the data folder {data} cannot be written (permission denied)" in said


async def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        here = f"127.0.0.1:{taken.getsockname()[1]}"
        said = await refused(
            *("serve", *ANYWHERE[:2], "--media", here, *ANYWHERE[4:], "--data", "data"),
            folder=tmp_path,
        )
    words = f"the media listener cannot have {here}: the port is in use (the setting is --media)"
    assert said == words


async def test_a_data_folder_has_one_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with server_process(data) as server:
        ann = await server.sign_up("ann")
        assert server.process is not None
        said = await refused("serve", *ANYWHERE, "--data", str(data), folder=tmp_path)
        assert f"in use by another server (process {server.process.pid})" in said
        assert (await ann.call("Users.GetMe")).user.username == "ann"
        await server.kill()
        await server.start()  # a lock goes with its process, however that went
        await ann.reconnect()


async def test_what_is_stored_is_for_its_user_alone(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    async with server_process(data) as server:
        ann = await sign_up(server)
        answer = await ann.http(get(ann.photograph, close=True))  # converted, and cached
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert await server.stop(within=15) == 0
        entries = [data, *data.rglob("*")]
        assert {path.name for path in entries} >= {"sunwire.db", "lock", "blobs", "cache"}
        assert len(entries) > 10
        open_ones = [path for path in entries if path.stat().st_mode & 0o077]
        assert open_ones == []

        (data / "sunwire.db").chmod(0o644)  # as an older version made it
        data.chmod(0o755)
        await server.start()
        assert (data / "sunwire.db").stat().st_mode & 0o077 == 0
        assert data.stat().st_mode & 0o777 == 0o755  # its owner's choice, but he is told
        assert server.line("data folder open to everyone")["level"] == "warning"


async def test_the_limit_of_open_files(tmp_path: Path) -> None:
    """Raised from the soft limit to the hard one; before it is reached, who comes is refused
    politely, who is there goes on, and the server can still say how it is."""
    limit = ("sh", "-c", 'ulimit -Sn 64; ulimit -Hn 160; exec "$@"', "sh")
    async with (
        server_process(tmp_path, "--handshake", "3", within=limit) as server,
        AsyncExitStack() as streams,
    ):

        async def connect(port: int) -> trio.SocketStream:
            return await streams.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))

        assert server.line("open files")["limit"] == 160
        assert server.line("open files")["before"] == 64
        ann = await server.sign_up("ann")
        crowd = [await connect(server.port) for _ in range(150)]
        answers = [await first_bytes(stream) for stream in crowd[-20:]]
        assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in answers), answers
        assert (await ann.call("Users.GetMe")).user.username == "ann"
        assert (await first_bytes(await connect(server.media_port))).startswith(b"HTTP/1.1 503 ")
        asking = await connect(server.ops_port)
        await asking.send_all(get("/metrics"))
        assert b"sunwire_refused_total" in await read_all(asking)
        assert server.line("too many open files")["limit"] == 160
        await streams.aclose()
        await until_signed_up(server, "bob")
        assert [line for line in server.lines if line.get("level", "error") == "error"] == []


async def until_signed_up(server: ServerProcess, name: str) -> None:
    """As soon as the server has noticed that others have left."""
    with trio.fail_after(15):
        while True:
            try:
                await server.sign_up(name)
                return
            except OSError:
                await trio.sleep(0.02)


async def first_bytes(stream: trio.SocketStream) -> bytes:
    with trio.fail_after(5):
        return bytes(await stream.receive_some(100))


async def test_too_few_files(tmp_path: Path) -> None:
    said = await refused(
        *("serve", *ANYWHERE, "--data", "data"),
        folder=tmp_path,
        within=("sh", "-c", 'ulimit -n 100; exec "$@"', "sh"),
    )
    assert "only 100 files may be open at once, and 128 are the least" in said


def test_the_default_data_folder_is_ignored_by_git() -> None:
    folder = Settings().data
    assert folder == ROOT / "data"
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a clone")
    for path in (folder / "sunwire.db", folder / "blobs" / "blobs" / "ab"):
        subprocess.run(["git", "check-ignore", "-q", str(path)], cwd=ROOT, check=True)
