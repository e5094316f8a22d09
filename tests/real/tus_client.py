"""`python -m tests.real.tus_client` uploads a file with tuspy as it is, in a process of its own:
it leaves files and sockets to the garbage collector. Prints the offset at which it began."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import trio
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

from tests.real.process import ROOT


async def tuspy(ticket: str, file: Path, *flags: str) -> int:
    """Uploads; the offset at which it began. Raises `CalledProcessError`."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.real.tus_client", ticket, str(file)]
    done = await trio.run_process([*command, *flags], capture_stdout=True, cwd=ROOT)
    return int(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("ticket")
    parser.add_argument("file", type=Path)
    parser.add_argument("--piece", type=int, default=5_000_000)
    parser.add_argument("--stop-at", type=int)
    parser.add_argument("--retries", type=int, default=0)
    parser.add_argument("--checksum", action="store_true")
    parser.add_argument("--urls", type=Path, help="where it keeps the URLs of uploads, by file")
    asked = parser.parse_args()
    storage: Any = FileStorage
    uploader = TusClient(asked.ticket).uploader(
        file_path=str(asked.file),
        chunk_size=asked.piece,
        retries=asked.retries,
        retry_delay=0,
        upload_checksum=asked.checksum,
        store_url=asked.urls is not None,
        url_storage=None if asked.urls is None else storage(str(asked.urls)),
    )
    begun = uploader.offset
    uploader.upload(asked.stop_at)
    print(begun)


if __name__ == "__main__":
    main()
