"""Cassandra nodes of one test alone, to be killed, stopped and damaged."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import WhiteListRoundRobinPolicy

from tests.contracts.cassandra import node
from tests.real.process import ROOT

SCRIPT = ROOT / "scripts" / "backends" / "cassandra"
PATIENCE = 60.0  # seconds
MEMORY = Path("/dev/shm")


class Nodes:
    """Nodes on 127.0.0.1 to 127.0.0.3, or fewer. Its calls block."""

    COUNT = 3

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = 0

    def start(self) -> None:
        """Returns when each of them knows the others."""
        self.port = int(self._run("start", str(self._folder), str(self.COUNT)).rpartition(":")[2])
        until = time.monotonic() + PATIENCE
        while any(self._peers(number) < self.COUNT - 1 for number in range(1, self.COUNT + 1)):
            assert time.monotonic() < until, "the nodes do not find each other"
            time.sleep(0.2)

    def _peers(self, number: int) -> int:
        host = f"127.0.0.{number}"
        profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([host]))
        with Cluster(
            [host],
            port=self.port,
            protocol_version=5,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        ) as cluster:
            return len(list(cluster.connect().execute("SELECT peer FROM system.peers_v2")))

    def stop(self) -> None:
        self._run("stop", str(self._folder))

    def again(self, number: int) -> None:
        """Starts a node that was killed; returns when it takes connections."""
        self._run("again", str(self._folder), str(number))

    @staticmethod
    def _run(*arguments: str) -> str:
        return subprocess.run(
            [SCRIPT, *arguments],
            check=True,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ).stdout.strip()

    def signal(self, number: int, what: signal.Signals) -> None:
        os.kill(int((self._folder / str(number) / "pid").read_text()), what)

    def damage(self, number: int, places: int, chance: random.Random) -> int:
        """Changes bytes of the stored chunks of a node that does not run; returns how many."""
        files = list((self._folder / str(number)).glob("data/*/chunks-*/*-Data.db"))
        for _ in range(places if files else 0):
            with chance.choice(files).open("r+b") as file:
                place = chance.randrange(file.seek(0, os.SEEK_END))
                file.seek(place)
                byte = file.read(1)
                file.seek(place)
                file.write(bytes([byte[0] ^ 0xFF]))
        return places if files else 0


def three_nodes() -> AbstractContextManager[Nodes]:
    """Three that run, and are gone afterwards."""
    return started(Nodes)


@contextmanager
def started(kind: type[Nodes]) -> Iterator[Nodes]:
    """As many as it counts. Skips as the contract tests do."""
    node()
    if shutil.which("java") is None:
        pytest.skip("no Java for nodes of Cassandra")
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="sunwire-cassandra-", dir=place) as folder:
        nodes = kind(Path(folder))
        try:
            nodes.start()
            yield nodes
        finally:
            nodes.stop()
