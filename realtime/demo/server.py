"""The server of the demo: `python -m realtime serve` as a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import trio

from realtime.testing.process import ServerError, ServerProcess, free_ports

GRACE = 5.0  # seconds that a stop may take
ATTEMPTS = 3  # to find ports that nobody takes in the meantime


class DemoServer(ServerProcess):
    """Keeps its log in the folder, and what it logged as an error over all its lives."""

    def __init__(
        self,
        folder: Path,
        nursery: trio.Nursery,
        store: str,
        blobs: str,
        number: int = 0,
        media_url: str = "",
    ) -> None:
        """`number` is that of a node, the first being 0; `media_url` leads to the one that has
        the blobs, if it is another. Store and blobs go by the environment: no list of processes
        is to show them, there may be a password in it."""
        suffix = str(number + 1) if number else ""
        super().__init__(
            folder / f"data{suffix}",
            nursery,
            *(("--media-url", media_url) if media_url else ()),
            *("--log-level", "info", "--log-format", "json", "--grace", str(GRACE)),
            # All people sign in from one address, and see media from it.
            *("--sensitive-per-minute", "100000", "--requests-per-second", "0"),
            folder=folder,  # where no settings file is
            variables={"SUNWIRE_STORE": store, "SUNWIRE_BLOBS": blobs},
            on_output=self._keep,
        )
        self._log = folder / f"server{suffix}.log"
        self._begun = False

    @property
    def media_url(self) -> str:
        return f"http://127.0.0.1:{self.media_port}"

    async def start(self) -> None:
        """As `ServerProcess.start`; the first time on other ports where those are taken."""
        for attempt in range(1 if self._begun else ATTEMPTS):
            try:
                await super().start()
                break
            except ServerError:
                if self._begun or attempt == ATTEMPTS - 1:
                    raise
                self.port, self.media_port, self.ops_port = free_ports(3)
        self._begun = True

    async def end(self) -> None:
        """SIGTERM. Raises `ServerError` when it does not end by itself, with exit code 0,
        within its grace time."""
        try:
            code = await self.stop(GRACE + 10)
        except trio.TooSlowError as error:
            raise ServerError("the server did not end within its grace time") from error
        if code:
            raise ServerError(f"the server ended with exit code {code}")

    @property
    def errors(self) -> list[str]:
        """The lines of its log that tell of errors."""
        return [line for line in self._log.read_text().splitlines() if _is_error(line)]

    def _keep(self, data: bytes) -> None:
        with self._log.open("ab") as log:
            log.write(data)


def _is_error(text: str) -> bool:
    try:
        return json.loads(text).get("level") in ("error", "critical")
    except ValueError:
        return False
