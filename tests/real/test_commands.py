"""The client's commands as processes, against a real server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from realtime.testing.process import free_ports
from tests.real.process import ROOT, ServerProcess, server_process

pytestmark = pytest.mark.real


class Commands:
    """Runs `python -m realtime …` against one server."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.url = f"ws://127.0.0.1:{server.port}"

    def open(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "realtime", *arguments, "--url", self.url]

    async def run(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        with trio.fail_after(30):
            done = await trio.run_process(
                self.open(*arguments),
                stdin=stdin.encode(),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=ROOT,
            )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    async def sign_in(self, name: str) -> str:
        """A token, by the code that the prompt asks for."""
        address = f"{name}@example.org"
        process = await trio.lowlevel.open_process(
            self.open("signin", "--address", address),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        async with process.stdin, process.stdout:
            code = await self.server.code(address, within=20)
            await process.stdin.send_all(f"{code}\n".encode())
            token = b"".join([piece async for piece in process.stdout])
        assert await process.wait() == 0
        return token.decode().strip()

    async def call(self, token: str, method: str, **request: Any) -> Any:
        code, out, err = await self.run("call", "--token", token, method, json.dumps(request))
        assert code == 0, err
        return json.loads(out)


@asynccontextmanager
async def commands(data: Path, *arguments: str) -> AsyncIterator[Commands]:
    async with server_process(data, *arguments) as server:
        yield Commands(server)


async def test_signing_in_and_calling(tmp_path: Path) -> None:
    async with commands(tmp_path) as run:
        token = await run.sign_in("ada.lovelace")
        me = await run.call(token, "Users.GetMe")
        assert me["user"]["username"] == "ada.lovelace"  # made of the address
        assert me["followers"] == "0"

        code, out, err = await run.run("call", "--token", token, "Chat.SendMesage", "{}")
        assert (code, out) == (1, "")
        assert "Chat.SendMessage" in json.loads(err)["message"]
        code, _, err = await run.run("call", "--token", token, "Chat.GetRoom", '{"room_id": 5}')
        assert (code, json.loads(err)["code"]) == (1, "NOT_FOUND")
        code, _, err = await run.run("call", "--token", "wrong", "Users.GetMe")
        assert (code, json.loads(err)["code"]) == (1, "UNAUTHENTICATED")

        code, out, _ = await run.run(
            *("signin", "--json", "--address", "bob@example.org", "--password", "correct horse"),
            *("--code", "000000"),
        )
        assert (code, out) == (1, "")  # nobody sent that code
        assert token not in "".join(map(str, run.server.lines))


async def test_of_several_urls_one_that_answers_will_do(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        ada = await server.sign_up("ada")
        dead = f"ws://127.0.0.1:{free_ports(1)[0]}"
        alive = f"ws://127.0.0.1:{server.port}"
        for flags, url in (
            (("--url", dead, "--url", alive), ""),
            (("--url", f"{dead},{alive}"), ""),
            ((), f"{dead},{alive}"),
        ):
            with trio.fail_after(30):
                done = await trio.run_process(
                    [sys.executable, "-m", "realtime", "call", *flags, "Users.GetMe"],
                    capture_stdout=True,
                    cwd=ROOT,
                    env={**os.environ, "SUNWIRE_TOKEN": ada.token, "SUNWIRE_URL": url},
                )
            assert json.loads(done.stdout)["user"]["username"] == "ada"


async def test_tail_prints_updates_and_resumes_at_its_cursor(tmp_path: Path) -> None:
    async with commands(tmp_path) as run:
        ada, bob = await run.server.sign_up("ada"), await run.server.sign_up("bob")
        tail = await open_tail(run, bob.token)
        with trio.fail_after(30):
            lines = JsonLines(tail)
            assert (await lines.next())["type"] == "connected"
            room = await ada.call("Chat.OpenDirect", user_id=bob.user_id)
            send = {"room_id": room.room.id, "client_id": b"12345678", "text": "hello"}
            await ada.call("Chat.SendMessage", **send)
            seen = await lines.until(lambda kinds: "checkpoint" in kinds[kinds.index("update") :])
            cursor = seen[-1]["cursor"]
            (update,) = [line for line in seen if line["type"] == "update"]
            assert update["stream"] == f"room:{room.room.id}"
            assert update["body"] == "message"
            assert update["message"]["text"] == "hello"
            assert any(line["type"] == "room_joined" for line in seen)
            os.kill(tail.pid, signal.SIGINT)
            assert await tail.wait() == 0
            await lines.close()

        await ada.call("Chat.SendMessage", **{**send, "client_id": b"87654321", "text": "again"})
        code, out, err = await run.run(
            *("tail", "--token", bob.token, "--cursor", cursor, "--count", "1")
        )
        assert code == 0, err
        last = json.loads(out.splitlines()[-1])
        assert (last["type"], last["message"]["text"]) == ("update", "again")
        assert last["sequence"] == update["sequence"] + 1


async def open_tail(run: Commands, token: str) -> trio.Process:
    return await trio.lowlevel.open_process(
        run.open("tail", "--token", token), stdout=subprocess.PIPE, cwd=ROOT
    )


class JsonLines:
    """The lines of a process's stdout, one by one."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdout is not None
        self._stdout = process.stdout
        self._rest = b""

    async def next(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            data = await self._stdout.receive_some()
            assert data, "the output has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    async def until(self, enough: Callable[[list[str]], bool]) -> list[dict[str, Any]]:
        """Lines until the list of their types is enough; a ValueError of it means no."""
        seen: list[dict[str, Any]] = []
        while True:
            seen.append(await self.next())
            with contextlib.suppress(ValueError):
                if enough([line["type"] for line in seen]):
                    return seen

    async def close(self) -> None:
        await self._stdout.aclose()
