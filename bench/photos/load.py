"""A small load generator for GET over kept connections: raw sockets in one epoll set.

`python -m bench.photos.load` reads a `Task` as JSON from stdin and writes `Figures` to stdout. As
many requests are kept under way as there are connections; with `rate`, requests are due at even
times, and a request's time counts from when it was due, so that a server that stands still is
charged with all that waited meanwhile. Any answer but a whole 200 ends the run.
"""

from __future__ import annotations

import math
import os
import select
import socket
import sys
import time
from array import array
from collections.abc import Sequence
from itertools import cycle

import msgspec

ROOM = 1 << 20  # bytes read at once
PATIENCE = 120.0  # seconds for one answer


class Task(msgspec.Struct, kw_only=True):
    port: int
    paths: list[str]
    connections: int
    seconds: float = 0.0
    """Of measuring, the paths round and round; 0: each path once."""
    warm_up: float = 0.0
    rate: float = 0.0
    """Requests a second; 0: as fast as answers come."""
    fresh: bool = False
    """Each request on a connection of its own, which goes to whichever of a server's processes is
    free; else they keep theirs."""
    cpu: int = -1


class Figures(msgspec.Struct, kw_only=True):
    requests: int
    seconds: float
    p50: float  # milliseconds
    p99: float
    sizes: list[int]
    """Of the bodies that came, without repeats."""
    cpu: float
    """The generator's share of a core."""
    server: float = 0.0
    """Seconds of processors that the server used, with all its processes; 0: not looked at."""

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class LoadFailed(Exception):
    """The server said something else than what was asked for."""


class _Connection:
    """A slot for one request after the other."""

    def __init__(self, task: Task, ready: select.epoll) -> None:
        self._port, self._fresh, self._ready = task.port, task.fresh, ready
        self._socket: socket.socket | None = None
        self._head = b""
        self._left = -1  # bytes of the body that are to come; -1: the head is
        self._path = ""
        self.due = 0.0
        self.size = 0

    def ask(self, path: str, due: float, into: dict[int, _Connection]) -> None:
        self.due, self._path, self._left, self._head = due, path, -1, b""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ready.register(self._socket, select.EPOLLIN)
            into[self._socket.fileno()] = self
        more = "Connection: close\r\n" if self._fresh else ""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n{more}\r\n".encode())

    def take(self, room: bytearray) -> bool:
        """Whether the answer is whole now. Raises `LoadFailed`."""
        assert self._socket is not None
        got = self._socket.recv_into(room)
        if not got:
            raise LoadFailed(f"{self._path}: the server closed")
        if self._left < 0:
            self._head += room[:got]
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return False
            self.size = _length(self._head[:end], self._path)
            self._left = self.size - (len(self._head) - end - 4)
        else:
            self._left -= got
        if self._left > 0:
            return False
        if self._fresh:
            self.close()
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()  # the set forgets it by itself
            self._socket = None


def _length(head: bytes, path: str) -> int:
    """Bytes of the body, as a 200 announces them. Raises `LoadFailed`."""
    lines = head.lower().split(b"\r\n")
    lengths = [line for line in lines if line.startswith(b"content-length:")]
    if not lines[0].startswith(b"http/1.1 200") or len(lengths) != 1:
        raise LoadFailed(f"{path}: {head[:300]!r}")
    return int(lengths[0].partition(b":")[2])


def run(task: Task) -> Figures:
    """Raises `LoadFailed`."""
    if task.cpu >= 0:
        os.sched_setaffinity(0, {task.cpu})
    with select.epoll() as ready:
        slots = [_Connection(task, ready) for _ in range(task.connections)]
        try:
            return _measure(task, ready, slots)
        finally:
            for one in slots:
                one.close()


def _measure(task: Task, ready: select.epoll, slots: list[_Connection]) -> Figures:
    asked: dict[int, _Connection] = {}
    idle = list(slots)
    room = bytearray(ROOM)
    times, sizes = array("d"), set()
    paths = cycle(task.paths) if task.seconds else iter(task.paths)
    step = 1 / task.rate if task.rate else 0.0
    begin = due = time.perf_counter()
    until = begin + task.warm_up + task.seconds if task.seconds else math.inf
    measuring, cpu_before = task.warm_up == 0, time.process_time()
    if not measuring:
        begin += task.warm_up
    more = True
    while True:
        now = time.perf_counter()
        if not measuring and now >= begin:
            measuring, begin, cpu_before = True, now, time.process_time()
        if now >= until or (not more and len(idle) == len(slots)):
            break
        while more and idle and (not step or due <= now):
            path = next(paths, None)
            if path is None:
                more = False
            else:
                idle.pop().ask(path, due if step else time.perf_counter(), asked)
                due += step
        waits = len(idle) < len(slots)
        events = ready.poll(max(0.0, due - now) if step and idle else PATIENCE)
        if not events and waits and not (step and idle):
            raise LoadFailed("the server does not answer")
        for fd, _ in events:
            one = asked[fd]
            if one.take(room):
                if measuring:
                    times.append(time.perf_counter() - one.due)
                sizes.add(one.size)
                idle.append(one)
    seconds = time.perf_counter() - begin
    cpu = (time.process_time() - cpu_before) / seconds
    ordered = sorted(times)
    return Figures(
        requests=len(ordered),
        seconds=seconds,
        p50=_share(ordered, 0.5),
        p99=_share(ordered, 0.99),
        sizes=sorted(sizes),
        cpu=cpu,
    )


def _share(ordered: Sequence[float], part: float) -> float:
    """In milliseconds; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else 0.0


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    try:
        figures = run(task)
    except (LoadFailed, OSError) as error:
        raise SystemExit(str(error)) from error
    sys.stdout.buffer.write(msgspec.json.encode(figures))


if __name__ == "__main__":
    main()
