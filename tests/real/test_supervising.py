"""A process is started, asked, started again, and ended, whatever it does itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
import trio

from realtime.cluster import process as supervising
from realtime.cluster.control import WORKER, Start, plain
from realtime.cluster.process import Process
from realtime.settings import Settings
from realtime.startup import StartError

pytestmark = pytest.mark.real

PROGRAM = """
import os, signal, sys, time
from realtime.cluster.child import control_socket, end_with_supervisor
from realtime.cluster.control import CODEC, Ask, Ready, Report, Stop, read_start
from realtime.link.framing import FrameDecoder
control = control_socket()
start = read_start(control)
end_with_supervisor(start)
control.settimeout(None)
decoder = FrameDecoder()

def heard():
    while data := control.recv(65536):
        for kind, payload in decoder.feed(data):
            yield CODEC.decode(kind, payload)

def say(message):
    control.sendall(CODEC.encode(message))

"""
OBEDIENT = """
say(Ready())
for message in heard():
    if isinstance(message, Ask):
        say(Report(message.number, {"is": str(os.getpid())}, []))
    if isinstance(message, Stop):
        sys.exit(0)
"""
STUBBORN = """
say(Ready())
for message in heard():
    pass
"""


class Supervised:
    def __init__(self, process: Process, nursery: trio.Nursery) -> None:
        self.process = process
        self.nursery = nursery

    async def pid(self) -> int:
        """Of the present life, once it answers."""
        with trio.fail_after(20):
            while (report := await self.process.ask()) is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
        return int(report.missing["is"])


@asynccontextmanager
async def supervised(monkeypatch: pytest.MonkeyPatch, program: str) -> AsyncIterator[Supervised]:
    """A process that runs the program."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", PROGRAM + program])
    lifeline, ours = os.pipe()
    lock = os.open(os.devnull, os.O_RDONLY)

    def start(role: str, name: str) -> Start:
        return Start(role, name, plain(Settings()), lifeline, lock, [], [], ("127.0.0.1", 1))

    try:
        async with trio.open_nursery() as nursery:
            process = Process(WORKER, "1", start)
            nursery.start_soon(process.keep)
            yield Supervised(process, nursery)
            nursery.cancel_scope.cancel()
    finally:
        for one in (lifeline, ours, lock):
            os.close(one)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_is_asked_and_ends_when_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with supervised(monkeypatch, OBEDIENT) as one:
        pid = await one.pid()
        assert one.process.ready.is_set()
        one.process.stop()
        with trio.fail_after(5):
            await one.process.wait_ended()
        assert not lives(pid)
        assert await one.process.ask() is None
        assert one.process.deaths == 0
        assert not one.process.kill()


async def test_one_that_dies_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "BACKOFF", (0.01, 0.02))
    with structlog.testing.capture_logs() as logs:
        async with supervised(monkeypatch, OBEDIENT) as one:
            lives_of = []
            for _ in range(3):
                lives_of.append(await one.pid())
                os.kill(lives_of[-1], signal.SIGKILL)
                with trio.fail_after(5):
                    while one.process.up:  # noqa: ASYNC110
                        await trio.sleep(0.01)
            lives_of.append(await one.pid())
            assert len(set(lives_of)) == 4
            assert one.process.deaths == 3
    died = [line for line in logs if line["event"] == "process died"]
    assert [(line["name"], line["how"], line["again"]) for line in died] == [
        ("1", "by SIGKILL", 0.02),  # it has not lived for long
    ] * 3
    assert not any(lives(pid) for pid in lives_of)


async def test_one_that_has_never_served_is_an_error_of_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(StartError, match=r"process 1 did not start \(with exit code 3\)")
    ):
        async with supervised(monkeypatch, "sys.exit(3)"):
            await trio.sleep(20)


async def test_one_that_does_not_come_to_serve_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervising, "UP_WITHIN", 0.5)
    with pytest.RaisesGroup(pytest.RaisesExc(StartError, match="by SIGKILL")):
        async with supervised(monkeypatch, "time.sleep(60)"):
            await trio.sleep(20)


async def test_one_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "ANSWER", 0.1)
    async with supervised(monkeypatch, STUBBORN) as one:
        with trio.fail_after(20):
            await one.process.ready.wait()
        assert await one.process.ask() is None
        one.process.stop()
        with trio.move_on_after(0.2):
            await one.process.wait_ended()
        assert one.process.kill()
        with trio.fail_after(5):
            await one.process.wait_ended()
        assert one.process.deaths == 0


async def test_one_that_hangs_is_killed_and_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervising, "HUNG", 0.3)
    monkeypatch.setattr(supervising, "LOOK", 0.05)
    with structlog.testing.capture_logs() as logs:
        async with supervised(monkeypatch, OBEDIENT) as one:
            pid = await one.pid()
            await trio.sleep(0.6)
            assert await one.pid() == pid, "it answers"
            os.kill(pid, signal.SIGSTOP)
            with trio.fail_after(5):
                while lives(pid):  # noqa: ASYNC110
                    await trio.sleep(0.01)
            assert await one.pid() != pid
    said = [line["event"] for line in logs if line["log_level"] == "error"]
    assert said == ["process hangs", "process died"]


async def test_it_ends_with_its_supervisor_even_where_it_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The supervisor's end of the pipe is closed when it dies, however that is."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", PROGRAM + BUSY])
    lifeline, ours = os.pipe()
    lock = os.open(os.devnull, os.O_RDONLY)

    def start(role: str, name: str) -> Start:
        return Start(role, name, plain(Settings()), lifeline, lock, [], [], ("127.0.0.1", 1))

    async with trio.open_nursery() as nursery:
        process = Process(WORKER, "1", start)
        nursery.start_soon(process.keep)
        with trio.fail_after(20):
            await process.ready.wait()
        process._stopping = True
        os.close(ours)
        with trio.fail_after(5):
            await process.wait_ended()
    for one in (lifeline, lock):
        os.close(one)


BUSY = """
say(Ready())
while True:
    pass
"""
