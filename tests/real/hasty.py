"""`python -m tests.real.hasty serve`: a server that soon takes over the work of dead ones, and that
ends itself by SIGKILL at a stage of preparing a video.

HASTY_STAGES names files, a stage each, with : between: a server that comes to a stage whose file is
not there makes it and is gone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

from media import preparing
from realtime.__main__ import main
from store.records import FileKind

STAGES = ("claimed", "picture", "put", "sound", "index", "settled")
"""When it has the work; when the first rung is made; when some files of it are put; when the sound
is made; before the last file is put; when the log has it, and nobody was told."""

Method = Callable[..., Awaitable[Any]]


def _come_to(stage: str) -> None:
    for mark in map(Path, filter(None, os.environ.get("HASTY_STAGES", "").split(":"))):
        if mark.name == stage and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def _listed(method: Method) -> Method:
    @wraps(method)
    async def wrapped(self: Any, made: Any, files: Any) -> Any:
        _come_to("picture" if made.width else "sound")
        return await method(self, made, files)

    return wrapped


def _put(method: Method) -> Method:
    @wraps(method)
    async def wrapped(self: Any, data: bytes, kind: Any, files: Any) -> Any:
        if len(files) >= 2:
            _come_to("put")
        if kind is FileKind.INDEX:
            _come_to("index")
        return await method(self, data, kind, files)

    return wrapped


def _settle(method: Method) -> Method:
    @wraps(method)
    async def wrapped(self: Any, work: Any) -> Any:
        _come_to("claimed")
        done = await method(self, work)
        _come_to("settled")
        return done

    return wrapped


preparing.LEASE_SECONDS = 1.5
preparing.LOOK_SECONDS = 0.1
for name, wrap in (("_listed", _listed), ("_put", _put), ("_settle", _settle)):
    setattr(preparing.Preparer, name, wrap(getattr(preparing.Preparer, name)))

if __name__ == "__main__":
    main()
