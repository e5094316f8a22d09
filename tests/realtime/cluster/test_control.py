"""What a process is told, and how it says how it is."""

from __future__ import annotations

import dataclasses
import socket
import threading
from pathlib import Path

import msgspec
import pytest
import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from realtime.cluster.child import CHILD, Control, control_socket, families_of, is_child
from realtime.cluster.control import (
    CODEC,
    WORKER,
    Ask,
    Ready,
    Report,
    Start,
    Stop,
    plain,
    read_start,
    settings_of,
)
from realtime.cluster.metrics import page
from realtime.link.channel import Channel
from realtime.link.framing import LinkError
from realtime.settings import Settings


def start_of(settings: Settings) -> Start:
    addresses: list[tuple[int, list[str | int]]] = [(2, ["127.0.0.1", 1])]
    return Start(WORKER, "1", plain(settings), 3, 4, [5], addresses, ("127.0.0.1", 2))


def test_settings_arrive_as_they_are_whatever_they_are() -> None:
    settings = Settings(data=Path("/some/where"), grace=1.5, workers=3, media_url="http://x")
    changed = {field.name for field in dataclasses.fields(Settings)}
    assert set(plain(settings)) == changed
    for one in (settings, Settings()):
        start = msgspec.msgpack.decode(msgspec.msgpack.encode(start_of(one)), type=Start)
        assert settings_of(start.settings) == one


def test_the_first_message_is_read_however_it_comes() -> None:
    start = start_of(Settings())
    data = CODEC.encode(start)
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def send() -> None:
            for at in range(len(data)):
                ours.sendall(data[at : at + 1])

        sender = threading.Thread(target=send)
        sender.start()
        assert read_start(theirs) == start
        sender.join()


@pytest.mark.parametrize("said", [b"", CODEC.encode(Stop()), b"garbage" * 100])
def test_another_beginning_is_no_start(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(said)
        with pytest.raises((OSError, LinkError)):
            read_start(theirs)


def test_only_the_first_look_finds_the_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert control_socket() is None
    ours, theirs = socket.socketpair()
    theirs.set_inheritable(True)
    monkeypatch.setenv(CHILD, str(theirs.detach()))
    assert is_child()
    found = control_socket()
    assert found is not None
    with ours, found:
        assert not found.get_inheritable()
        assert not is_child()
        assert control_socket() is None


async def test_a_process_says_when_it_is_ready_and_how_it_is() -> None:
    ours, theirs = trio.socket.socketpair()
    said: list[object] = []
    stirred = trio.Event()
    stop = trio.Event()
    metrics = CollectorRegistry()
    Gauge("busy", "How busy.", registry=metrics).set(7)

    def hear(kind: int, payload: bytes) -> None:
        nonlocal stirred
        said.append(CODEC.decode(kind, payload))
        stirred.set()
        stirred = trio.Event()

    async with trio.open_nursery() as nursery:
        channel = Channel(trio.SocketStream(ours))
        nursery.start_soon(channel.run, hear)
        control = Control(socket.socket(fileno=theirs.detach()), stop)
        async with control.running():
            with trio.fail_after(5):
                channel.post(CODEC.encode(Ask(1)))
                await stirred.wait()
                assert said.pop() == Report(1, {"process": "starting"}, [])
                control.ready(metrics, lambda: {"writer": "away"})
                await stirred.wait()
                assert said.pop() == Ready()
                channel.post(CODEC.encode(Ask(2)))
                await stirred.wait()
                report = said.pop()
                assert isinstance(report, Report)
                assert (report.number, report.missing) == (2, {"writer": "away"})
                assert [family.name for family in report.families] == ["busy"]
                channel.post(CODEC.encode(Stop()))
                await stop.wait()
        nursery.cancel_scope.cancel()


def figures(calls: int) -> Report:
    metrics = CollectorRegistry()
    counter = Counter("calls", "Calls.", ["code"], registry=metrics)
    counter.labels("OK").inc(calls)
    Gauge("busy", "How busy.", registry=metrics).set(0.5)
    Histogram("seconds", "How long.", registry=metrics, buckets=[1, 2]).observe(1.5)
    return Report(1, {}, families_of(metrics))


def test_the_figures_of_all_are_on_one_page() -> None:
    reports = {"writer": None, "1": figures(3), "2": figures(4)}
    text = page(reports, {"writer": 2, "1": 0, "2": 0}).decode()
    lines = [line for line in text.splitlines() if "_created" not in line]
    for expected in (
        'calls_total{code="OK",worker="1"} 3.0',
        'calls_total{code="OK",worker="2"} 4.0',
        'busy{worker="1"} 0.5',
        'seconds_bucket{le="2.0",worker="2"} 1.0',
        'sunwire_process_up{worker="writer"} 0.0',
        'sunwire_process_up{worker="2"} 1.0',
        'sunwire_process_deaths_total{worker="writer"} 2.0',
    ):
        assert expected in lines
    for name in ("calls_total", "busy", "seconds"):
        assert len([line for line in lines if line.startswith(f"# TYPE {name} ")]) == 1
