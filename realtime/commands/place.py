"""What the commands share that work on a server's database."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from realtime.commands import ON_THE_STORE
from realtime.logs import configure
from realtime.serving import run_or_refuse
from realtime.settings import DEFAULT_DATA, BlobsUrl, Data, LogArchive, LogKeep, Settings, StoreUrl
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


@dataclass(frozen=True, kw_only=True)
class Kept(Place):
    """How long the log there is kept, too."""

    log_keep: LogKeep = Settings.log_keep
    log_archive: LogArchive = Settings.log_archive


def place_of(command: Sequence[str]) -> type[Place] | None:
    """Which settings a command takes that works on a server's database; None for the others."""
    if tuple(command[:2]) == ("log", "retention"):
        return Kept
    return Place if command and command[0] in ON_THE_STORE else None


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
