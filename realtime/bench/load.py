"""The load generator: a process of its own, told what to do by one JSON object on stdin.

It answers with one JSON object on stdout. `python -m realtime bench` starts it.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable

import msgspec

from realtime.bench import links as wire
from realtime.bench.links import Link, Links, encode
from realtime.bench.population import Person
from rpc.proto.chat_pb2 import SendMessageRequest, SetActivityRequest
from rpc.proto.frames_pb2 import ACTIVITY_TYPING, Call, ClientFrame, ServerFrame
from rpc.proto.users_pb2 import GetMeRequest

PATIENCE = 20.0  # seconds for what is under way at the end of the window to arrive
CHECKED = 16  # receivers of a room whose every update is read in full


class Task(msgspec.Struct, kw_only=True):
    """What to do. `rate` is of the whole generator, in messages a second; 0 means as fast as
    the answers allow, with `in_flight` calls on each connection."""

    kind: str
    host: str
    port: int
    server_pid: int
    people: list[Person]
    cpu: int = -1
    warm_up: float = 1.0  # seconds
    seconds: float = 5.0
    in_flight: int = 1
    rate: float = 0.0
    method: str = "inline"
    size: int = 100  # characters of a message's text


class Figures(msgspec.Struct, kw_only=True):
    """What was seen in the measured window. Latencies are in ms, CPU in shares of one core."""

    seconds: float = 0.0
    calls: int = 0
    deliveries: int = 0
    lost: int = 0
    doubled: int = 0
    failed: int = 0
    call_ms: list[float] = msgspec.field(default_factory=list)
    delivery_ms: list[float] = msgspec.field(default_factory=list)
    server_cpu: float = 0.0
    load_cpu: float = 0.0
    connected_per_second: float = 0.0
    server_kib_before: int = 0
    server_kib_after: int = 0


class Load:
    """Keeps calls in flight and sees what comes back."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.figures = Figures()
        self._measuring = False
        self._number = 0
        self._started: list[dict[int, float]] = [{} for _ in task.people]
        self._sent_at: dict[int, float] = {}  # number in a message's text -> when it was due
        self._seen: list[set[int]] = [set() for _ in task.people]
        self._sent = [0] * len(task.people)  # messages of each that were not refused
        self._counts = [0] * len(task.people)  # messages that came to each
        self._sending = True
        self._fire: Callable[[int, float], None] = {
            "calls": self._call,
            "sends": self._message,
            "fanout": self._message,
        }.get(task.kind, self._call)

    # Going out

    def _call(self, number: int, due: float) -> None:
        self._number += 1
        if self.task.method == "inline":
            request = SetActivityRequest(
                room_id=self.task.people[number].room_id, activity=ACTIVITY_TYPING
            )
            call = Call(method="Chat.SetActivity", payload=request.SerializeToString())
        else:
            call = Call(method="Users.GetMe", payload=GetMeRequest().SerializeToString())
        self._put(number, call, due)

    def _message(self, number: int, due: float) -> None:
        self._number += 1
        request = SendMessageRequest(
            room_id=self.task.people[number].room_id,
            client_id=self._number.to_bytes(16, "big"),
            text=f"{self._number} ".ljust(self.task.size, "x"),
        )
        self._sent_at[self._number] = due
        self._sent[number] += 1
        call = Call(
            method="Chat.SendMessage",
            op_key=self._number.to_bytes(16, "big"),
            payload=request.SerializeToString(),
        )
        self._put(number, call, due)

    def _put(self, number: int, call: Call, due: float) -> None:
        call.id = self._number
        self._started[number][call.id] = due
        self._links.send(number, encode(ClientFrame(call=call)))

    # Coming in

    def _arrived(self, number: int, batch: bytes) -> None:
        now = time.perf_counter()
        for kind, start, end in wire.frames(batch):
            if kind == wire.UPDATE:
                self._update(number, batch, start, end, now)
            elif kind == wire.RESULT:
                self._answered(number, batch, start, end, now)
            elif kind == wire.FAILURE:
                failure = ServerFrame.FromString(batch[start:end]).failure
                if not self.figures.failed:
                    print(f"a call failed: {failure}", file=sys.stderr)
                self.figures.failed += 1
                self._sent[number] -= 1
                del self._started[number][failure.id]
                self._next(number, now)
            elif kind == wire.LAGGING:
                raise wire.LinkError("a receiver lags: the generator is too slow for this rate")

    def _answered(self, number: int, batch: bytes, start: int, end: int, now: float) -> None:
        due = self._started[number].pop(ServerFrame.FromString(batch[start:end]).result.id)
        if self._measuring:
            self.figures.calls += 1
            self.figures.call_ms.append((now - due) * 1000)
        self._next(number, now)

    def _next(self, number: int, now: float) -> None:
        if self._sending and not self.task.rate:
            self._fire(number, now)

    def _update(self, number: int, batch: bytes, start: int, end: int, now: float) -> None:
        if self.task.kind == "fanout" and number >= CHECKED:
            self._counts[number] += 1
            if self._measuring:
                self.figures.deliveries += 1
            return
        update = ServerFrame.FromString(batch[start:end]).update
        if update.WhichOneof("body") != "message":
            return
        if self.task.kind == "sends" and update.actor_id == self.task.people[number].user_id:
            return  # the sender's own copy, which is not a delivery
        text = int(update.message.text.split(" ", 1)[0])
        if text in self._seen[number]:
            self.figures.doubled += 1
        self._seen[number].add(text)
        self._counts[number] += 1
        if self._measuring:
            self.figures.deliveries += 1
            self.figures.delivery_ms.append((now - self._sent_at[text]) * 1000)

    # The run

    def run(self) -> Figures:
        task, figures = self.task, self.figures
        figures.server_kib_before = resident_kib(task.server_pid)
        begun = time.perf_counter()
        opened = [Link(task.host, task.port, person.token) for person in task.people]
        figures.connected_per_second = len(opened) / (time.perf_counter() - begun)
        self._links = Links(opened, self._arrived)
        gc.collect()
        gc.freeze()
        if task.kind == "idle":
            self._idle()
        else:
            self._keep_busy()
        self._links.close()
        return figures

    def _idle(self) -> None:
        self._spin(time.perf_counter() + self.task.warm_up)
        self.figures.server_kib_after = resident_kib(self.task.server_pid)
        self._measure()

    def _keep_busy(self) -> None:
        task = self.task
        senders = 1 if task.kind == "fanout" else len(task.people)
        if not task.rate:
            for number in range(senders):
                for _ in range(task.in_flight):
                    self._fire(number, time.perf_counter())
        self._due = time.perf_counter()
        self._turn_of = 0
        self._senders = senders
        self._spin(time.perf_counter() + task.warm_up)
        self._measure()
        self._sending = False
        self._settle()

    def _settle(self) -> None:
        """Waits for what is under way, and counts what does not come or came twice."""
        until = time.perf_counter() + PATIENCE
        while self._missing() and time.perf_counter() < until:
            self._links.turn(0.05)
        self.figures.lost = self._missing()
        if self.task.kind == "fanout":  # of those that are read in full it is known already
            self.figures.doubled += sum(
                max(0, came - self._expected(number))
                for number, came in enumerate(self._counts)
                if number >= CHECKED
            )

    def _measure(self) -> None:
        figures = self.figures
        cpu, own = cpu_seconds(self.task.server_pid), time.process_time()
        begun = time.perf_counter()
        self._measuring = True
        self._spin(begun + self.task.seconds)
        self._measuring = False
        figures.seconds = time.perf_counter() - begun
        figures.server_cpu = (cpu_seconds(self.task.server_pid) - cpu) / figures.seconds
        figures.load_cpu = (time.process_time() - own) / figures.seconds

    def _spin(self, until: float) -> None:
        rate = self.task.rate
        while (now := time.perf_counter()) < until:
            wait = until - now
            if rate:
                while self._due <= now:
                    self._fire(self._turn_of, self._due)
                    self._turn_of = (self._turn_of + 1) % self._senders
                    self._due += 1 / rate
                wait = min(wait, self._due - now)
            self._links.turn(wait)

    def _missing(self) -> int:
        """Answers and deliveries still to come."""
        answers = sum(len(calls) for calls in self._started)
        if self.task.kind == "calls":
            return answers
        return answers + sum(
            max(0, self._expected(number) - came) for number, came in enumerate(self._counts)
        )

    def _expected(self, number: int) -> int:
        """Messages that are to come to a member of the room, or to one of a pair."""
        return self._sent[0] if self.task.kind == "fanout" else self._sent[number ^ 1]


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        for task in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{task}/children") as children:
                found += [int(child) for child in children.read().split()]
    return found


def resident_kib(pid: int) -> int:
    """The resident memory of a process and all below it, in KiB."""
    total = 0
    for one in family(pid):
        with open(f"/proc/{one}/status") as status:
            total += sum(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return total


def cpu_seconds(pid: int) -> float:
    """What a process and all below it have used of the processors, kernel included."""
    ticks = 0
    for one in family(pid):
        with open(f"/proc/{one}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    if task.cpu >= 0:
        os.sched_setaffinity(0, {task.cpu})
    sys.stdout.buffer.write(msgspec.json.encode(Load(task).run()))


if __name__ == "__main__":
    main()
