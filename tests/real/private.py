"""A server of one test alone, to be killed, stopped and started again."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from tests.real.process import ROOT

MEMORY = Path("/dev/shm")
GONE = 30.0  # seconds that a killed process takes at most


class PrivateServer:
    """Run by the script of its name. Its calls block; it has the same URL whenever it runs."""

    name: str

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""

    def start(self) -> None:
        """Returns when it answers."""
        self.url = self._run("start", stdout=subprocess.PIPE).strip()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)

    def kill(self) -> None:
        """kill -9; returns when it is gone, so that it may be started again."""
        process = os.pidfd_open(self._pid)
        try:
            self.signal(signal.SIGKILL)
            select.select([process], [], [], GONE)
        finally:
            os.close(process)

    @property
    def _pid(self) -> int:
        return int((self._folder / "pid").read_text())

    def stop(self) -> None:
        self._run("stop")

    def _run(self, what: str, **options: Any) -> str:
        script = ROOT / "scripts" / "backends" / self.name
        done = subprocess.run(
            [script, what, self._folder],
            check=True,
            text=True,
            stdin=subprocess.DEVNULL,
            **options,
        )
        return done.stdout or ""


Server = TypeVar("Server", bound=PrivateServer)


@contextmanager
def private(kind: type[Server]) -> Iterator[Server]:
    """One that runs, and is gone afterwards. It is installed where it is not there."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix=f"sunwire-{kind.name}-", dir=place) as folder:
        server = kind(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()
