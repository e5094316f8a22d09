"""A server of several processes: who they are, and who is at which worker."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from realtime.testing.client import TestClient
from tests.real.process import ServerProcess, server_process


def pids(server: ServerProcess) -> dict[str, int]:
    """Every process that the supervisor has started last, by its name."""
    started = [line for line in server.lines if line["event"] == "process started"]
    return {line["name"]: line["pid"] for line in started}


def kill(server: ServerProcess, name: str) -> None:
    """kill -9 of one process."""
    os.kill(pids(server)[name], signal.SIGKILL)


def living(processes: dict[str, int]) -> list[str]:
    """Those that have not ended."""
    found = []
    for name, pid in processes.items():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state != "Z":
            found.append(name)
    return found


async def wait_gone(processes: dict[str, int], within: float = 5) -> None:
    with trio.move_on_after(within):
        while living(processes):  # noqa: ASYNC110 - nobody tells of processes that are not ours
            await trio.sleep(0.01)
    assert living(processes) == []


async def page(server: ServerProcess, path: str) -> str:
    """An answer of the operations port."""
    stream = await trio.open_tcp_stream("127.0.0.1", server.ops_port)
    async with stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return b"".join([bytes(part) async for part in stream]).decode()


async def sample(server: ServerProcess, name: str, worker: str) -> float:
    found = re.search(
        rf'^{name}{{worker="{worker}"}} (.*?)\r?$', await page(server, "/metrics"), re.M
    )
    return float(found[1]) if found else -1


async def wait_up(server: ServerProcess, name: str, within: float = 20) -> None:
    """Returns when a process says how it is."""
    with trio.fail_after(within):
        while await sample(server, "sunwire_process_up", name) != 1:  # noqa: ASYNC110
            await trio.sleep(0.05)


def worker_of(client: TestClient) -> str:
    """The name of the worker that has welcomed the client."""
    found = re.search(r"\(worker (\d+)\)", client.server)
    assert found, client.server
    return found[1]


async def go_to(client: TestClient, worker: str) -> None:
    """Connects again until it is at that worker, and resumes there."""
    with trio.fail_after(20):
        while True:
            await client.disconnect()
            try:
                await client.connect(resume=bool(client.cursor))
            except (OSError, trio.BrokenResourceError):
                await trio.sleep(0.05)
                continue
            if worker_of(client) == worker:
                break
    if client.token:
        await client.expect("caught_up")


@asynccontextmanager
async def two_workers(
    data: Path, *arguments: str, program: Sequence[str] = ("realtime", "serve")
) -> AsyncIterator[ServerProcess]:
    async with server_process(data, "--workers", "2", *arguments, program=program) as server:
        yield server
        processes = pids(server)
        if server.process is not None and server.process.poll() is None:
            await server.kill()
        await wait_gone(processes)
