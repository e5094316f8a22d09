"""Jobs on parked tasks: run, cancelled, timed out, crashed; and the tasks are used again."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from realtime.gateway import workers as module
from realtime.gateway.workers import Cut, Worker, Workers


@asynccontextmanager
async def running() -> AsyncIterator[Workers]:
    workers = Workers()
    async with trio.open_nursery() as nursery:
        await nursery.start(workers.run)
        yield workers
        nursery.cancel_scope.cancel()


class Notes:
    """What became of jobs."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def quick(self, worker: Worker, name: str) -> None:
        self.said.append(name)

    async def long(self, worker: Worker, name: str, seconds: float = math.inf) -> None:
        try:
            await trio.sleep(seconds)
            self.said.append(name)
        finally:
            if worker.cut is not Cut.NOT:
                self.said.append(f"{name} {worker.cut.name} at {trio.current_time():g}")


async def test_jobs_run_and_their_tasks_are_used_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as workers:
        notes = Notes()
        first = workers.start(notes.quick, "a")
        await trio.testing.wait_all_tasks_blocked()
        assert (notes.said, workers.busy) == (["a"], 0)
        assert workers.start(notes.quick, "b") is first
        assert workers.start(notes.quick, "c") is not first  # that one is busy
        assert workers.busy == 2
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(notes.said) == ["a", "b", "c"]


async def test_a_job_is_cancelled_alone_and_its_worker_lives_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as workers:
        notes = Notes()
        one = workers.start(notes.long, "one")
        workers.start(notes.long, "other", 10)
        await trio.testing.wait_all_tasks_blocked()
        one.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert (notes.said, workers.busy) == (["one ASKED at 0"], 1)
        for number in range(3):  # the same task, with a fresh scope each time
            again = workers.start(notes.long, f"again {number}")
            assert again is one
            await trio.testing.wait_all_tasks_blocked()
            again.cancel()
            await trio.testing.wait_all_tasks_blocked()
        assert notes.said[1:] == [f"again {n} ASKED at 0" for n in range(3)]
        await trio.sleep(11)
        assert notes.said[-1] == "other"


@pytest.mark.parametrize("parked", [False, True])
async def test_a_job_cancelled_before_its_task_runs_is_cancelled_at_its_first_await(
    autojump_clock: trio.testing.MockClock, parked: bool
) -> None:
    async with running() as workers:
        notes = Notes()
        if parked:
            workers.start(notes.quick, "before")
            await trio.testing.wait_all_tasks_blocked()
        workers.start(notes.long, "job").cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert notes.said[-1] == "job ASKED at 0"
        assert workers.busy == 0
        workers.start(notes.quick, "after")
        await trio.testing.wait_all_tasks_blocked()
        assert notes.said[-1] == "after"


async def test_each_job_ends_at_its_deadline_whatever_came_before(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as workers:
        notes = Notes()
        workers.start(notes.long, "ten", deadline=10)
        workers.start(notes.long, "none")
        await trio.sleep(1)
        workers.start(notes.long, "three", deadline=3)
        for _ in range(50):  # many come and go: the timer is not to lose the others
            workers.start(notes.quick, "quick", deadline=trio.current_time() + 10)
            await trio.sleep(0.01)
        await trio.sleep(20)
        assert [said for said in notes.said if said != "quick"] == [
            "three DEADLINE at 3",
            "ten DEADLINE at 10",
        ]
        assert workers.busy == 1


async def test_a_deadline_that_has_passed_cancels_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as workers:
        notes = Notes()
        await trio.sleep(5)
        workers.start(notes.long, "late", deadline=4)
        await trio.sleep(1)
        assert notes.said == ["late DEADLINE at 5"]


async def test_the_first_reason_of_a_cancellation_stays(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as workers:
        notes = Notes()
        worker = workers.start(notes.long, "job")
        await trio.testing.wait_all_tasks_blocked()
        worker.cancel(Cut.DEADLINE)
        worker.cancel(Cut.ASKED)
        await trio.testing.wait_all_tasks_blocked()
        assert notes.said == ["job DEADLINE at 0"]


async def test_a_crash_is_logged_and_harms_no_other(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def crash(_: Worker) -> None:
        raise RuntimeError("boom")

    async with running() as workers:
        notes = Notes()
        workers.start(notes.long, "other", 1)
        workers.start(crash)
        await trio.sleep(2)
        assert (notes.said, workers.busy) == (["other"], 0)
    assert "job crashed" in capsys.readouterr().out


async def test_no_more_tasks_are_kept_than_said(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SPARE", 3)
    async with running() as workers:
        notes = Notes()
        for number in range(20):
            workers.start(notes.long, str(number), 1)
        await trio.sleep(2)
        assert len(notes.said) == 20
        assert len(workers._spare) == 3


async def test_what_runs_when_the_pool_ends_is_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ended: list[str] = []

    async def long(_: Worker) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("ended")

    async with running() as workers:
        workers.start(long)
        workers.start(Notes().quick, "a")
        await trio.testing.wait_all_tasks_blocked()
    assert ended == ["ended"]
    with pytest.raises(RuntimeError, match="not running"):
        workers.start(long)
