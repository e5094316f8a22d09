"""A MariaDB of one test alone, to be killed, stopped and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from store.mysql.address import Address
from tests.real.process import ROOT

SCRIPT = ROOT / "scripts" / "backends" / "mariadb"
MEMORY = Path("/dev/shm")


class Mariadb:
    """Its calls block; it has the same URL whenever it runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""

    def start(self) -> None:
        """Returns when it answers."""
        done = subprocess.run(
            [SCRIPT, "start", self._folder],
            check=True,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self.url = done.stdout.strip()

    def signal(self, number: signal.Signals) -> None:
        os.kill(int((self._folder / "pid").read_text()), number)

    def stop(self) -> None:
        subprocess.run([SCRIPT, "stop", self._folder], check=True, stdin=subprocess.DEVNULL)


def url_of(address: Address) -> str:
    """As `--store` takes it."""
    user, password = quote(address.user, safe=""), quote(address.password, safe="")
    return f"mysql://{user}:{password}@{address.host}:{address.port}/{address.database}"


@contextmanager
def private_mariadb() -> Iterator[Mariadb]:
    """One that runs, and is gone afterwards. It is installed where it is not there."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="sunwire-mariadb-", dir=place) as folder:
        server = Mariadb(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()
