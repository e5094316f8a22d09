"""The compared servers are ended, with all that they have forked."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bench.photos.servers import _process

PARENT = """
import os, sys, time
child = os.fork()
if child:
    open(sys.argv[1], "w").write(str(child) + ".")
time.sleep(60)
"""


@pytest.mark.real
def test_what_a_server_has_forked_ends_with_it(tmp_path: Path) -> None:
    said = tmp_path / "child"
    command = [sys.executable, "-c", PARENT, str(said)]
    with _process(command, tmp_path / "log", -1):
        until = time.monotonic() + 10
        while not (said.exists() and said.read_text().endswith(".")):
            assert time.monotonic() < until
            time.sleep(0.01)
        child = int(said.read_text()[:-1])
        os.kill(child, 0)  # it is there
    until = time.monotonic() + 10
    while is_alive(child):
        assert time.monotonic() < until, "it outlives its server"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
