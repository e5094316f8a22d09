"""What the load generator makes of what comes back."""

from __future__ import annotations

import time

import pytest

from realtime.bench import load as module
from realtime.bench.load import Load, Task
from realtime.bench.population import Person
from realtime.bench.run import percentile
from rpc.proto.frames_pb2 import Failure, Result, ServerBatch, ServerFrame, Update
from rpc.proto.models_pb2 import Message


class FakeLinks:
    def __init__(self) -> None:
        self.sent: list[int] = []

    def send(self, number: int, message: bytes) -> None:
        self.sent.append(number)


def _load(kind: str, **wanted: float) -> Load:
    people = [Person(1, "a", 9), Person(2, "b", 9)]
    load = Load(Task(kind=kind, host="", port=0, server_pid=0, people=people, **wanted))  # type: ignore[arg-type]
    load._links = FakeLinks()  # type: ignore[assignment]
    load._measuring = True
    return load


def _update(number: int, actor_id: int) -> bytes:
    update = Update(actor_id=actor_id, message=Message(text=f"{number} xxx"))
    return ServerBatch(frames=[ServerFrame(update=update)]).SerializeToString()


def _result(call_id: int) -> bytes:
    return ServerBatch(frames=[ServerFrame(result=Result(id=call_id))]).SerializeToString()


def test_a_direct_message_counts_once_at_the_other_side() -> None:
    load = _load("sends")
    load._fire(0, time.perf_counter())
    load._sending = False
    load._arrived(0, _update(1, actor_id=1) + _result(1))  # the sender's own copy
    assert (load.figures.calls, load.figures.deliveries, load._missing()) == (1, 0, 1)
    load._arrived(1, _update(1, actor_id=1))
    assert (load.figures.deliveries, load.figures.doubled, load._missing()) == (1, 0, 0)
    load._arrived(1, _update(1, actor_id=1))
    assert load.figures.doubled == 1


def test_an_unanswered_call_is_missing() -> None:
    load = _load("calls")
    load._fire(0, time.perf_counter())
    assert load._missing() == 1
    load._sending = False
    load._arrived(0, _result(1))
    assert load._missing() == 0


def test_an_answer_makes_the_next_call_unless_there_is_a_rate() -> None:
    load = _load("calls")
    load._fire(1, time.perf_counter())
    load._arrived(1, _result(1))
    assert load._links.sent == [1, 1]  # type: ignore[attr-defined]
    load = _load("calls", rate=10.0)
    load._fire(1, time.perf_counter())
    load._arrived(1, _result(1))
    assert load._links.sent == [1]  # type: ignore[attr-defined]


def test_a_refused_message_is_counted_and_not_waited_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    load = _load("sends")
    load._fire(0, time.perf_counter())
    load._sending = False
    frame = ServerFrame(failure=Failure(id=1, message="no"))
    load._arrived(0, ServerBatch(frames=[frame]).SerializeToString())
    assert (load.figures.failed, load._missing()) == (1, 0)
    assert "a call failed" in capsys.readouterr().err


def test_a_room_expects_every_message_at_every_member() -> None:
    load = _load("fanout")
    load._fire(0, time.perf_counter())
    load._sending = False
    load._arrived(0, _result(1) + _update(1, actor_id=1))
    assert load._missing() == 1
    load._arrived(1, _update(1, actor_id=1))
    assert load._missing() == 0


@pytest.mark.parametrize("checked", [0, 16])
def test_a_double_at_one_does_not_hide_a_loss_at_another(
    monkeypatch: pytest.MonkeyPatch, checked: int
) -> None:
    monkeypatch.setattr(module, "CHECKED", checked)
    monkeypatch.setattr(module, "PATIENCE", 0)
    load = _load("fanout")
    load._fire(0, time.perf_counter())
    load._sending = False
    for _ in range(2):
        load._arrived(0, _update(1, actor_id=1))
    load._arrived(0, _result(1))
    load._settle()
    assert (load.figures.lost, load.figures.doubled) == (1, 1)


def test_percentile() -> None:
    assert percentile([], 0.5) == 0
    assert percentile([3.0], 0.99) == 3
    assert percentile([float(n) for n in range(100)], 0.99) == 99
    assert percentile([float(n) for n in range(100)], 0.5) == 50
