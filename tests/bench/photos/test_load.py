"""The load generator of the comparison with thumbor."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.photos.load import LoadFailed, Task, run

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"


@contextmanager
def serving(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Answers each request of each connection in the same way. Yields the port, and the requests
    that have come."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(own: socket.socket) -> None:
        with own:
            while data := own.recv(4096):
                asked.append(data)
                own.sendall(answer)
                if b"Connection: close" in data:
                    return

    def accept() -> None:
        while True:
            try:
                own, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(own,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("fresh", [False, True])
def test_each_path_is_asked_for_once(fresh: bool) -> None:
    with serving(ANSWER) as (port, asked):
        paths = [f"/{number}" for number in range(10)]
        figures = run(Task(port=port, paths=paths, connections=3, fresh=fresh))
    assert sorted(one.split()[1].decode() for one in asked) == paths
    assert (figures.requests, figures.sizes) == (10, [5])
    assert 0 < figures.p50 <= figures.p99
    assert figures.per_second > 0


def test_a_time_and_a_rate(tmp_path: object) -> None:
    with serving(ANSWER) as (port, asked):
        task = Task(port=port, paths=["/x"], connections=2, seconds=0.2, warm_up=0.1, rate=100)
        figures = run(task)
    assert 0 < figures.requests <= 21 < len(asked) + 10
    assert len(asked) <= 32


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_any_other_answer_ends_the_run(answer: bytes) -> None:
    with serving(answer) as (port, _), pytest.raises(LoadFailed, match="/x"):
        run(Task(port=port, paths=["/x"], connections=1))
