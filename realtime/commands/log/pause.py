"""`log pause`: a consumer takes no more entries, until `log resume`."""

from __future__ import annotations

import time
from typing import Annotated

from cyclopts import Parameter

from realtime.commands.common import say
from realtime.commands.log.common import projection_named, work_on
from realtime.commands.place import HERE, Where
from store.interface import Store
from store.projections.operating import pause as pause_consumer


def pause(
    name: Annotated[str, Parameter(help="of the consumer")], /, *, place: Where = HERE
) -> None:
    """Pauses a consumer, on whichever server runs it and for whichever runs it next.

    It takes no more entries, and its lag grows, until `log resume`. Where a generation of its rows
    is being built, that waits too.
    """

    async def work(store: Store) -> None:
        projection_named(name)
        await store.write(pause_consumer, name, time.time_ns() // 1_000_000)
        say(f"{name} is paused")

    work_on(place, work)
