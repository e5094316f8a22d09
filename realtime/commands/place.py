"""What the commands share that work on a server's database."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from realtime.logs import configure
from realtime.serving import run_or_refuse
from realtime.settings import DEFAULT_DATA, BlobsUrl, Data, Settings, StoreUrl
from realtime.startup import PRIVATE, data_folder
from realtime.stores import SQLITE


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the database is, by flag, environment or file as for `serve`."""

    data: Data = DEFAULT_DATA
    store: StoreUrl = "sqlite"
    blobs: BlobsUrl = "folder"

    def settings(self) -> Settings:
        """Those of a server there, the others being the defaults."""
        return Settings(data=self.data, store=self.store, blobs=self.blobs)


Where = Annotated[Place, Parameter(name="*")]
HERE = Place()
"""The default of a parameter that is a `Where`."""


def held(settings: Settings) -> AbstractContextManager[object]:
    """Keeps servers away from the embedded database meanwhile, or raises `StartError` where one
    runs. One of MariaDB is not anybody's alone."""
    return data_folder(settings.data) if settings.store == SQLITE else nullcontext()


def run_on_store(main: Callable[[], Awaitable[None]]) -> None:
    """Runs a command under Trio. What keeps it from its work is said in a sentence on stderr,
    with exit code 2; warnings go there too. What it writes is for its user alone."""
    configure("warning", "console")
    os.umask(PRIVATE)
    run_or_refuse(main)
