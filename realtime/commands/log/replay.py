"""`log replay`: entries take effect again."""

from __future__ import annotations

import time
from typing import Annotated

from cyclopts import Parameter

from realtime.commands.common import say
from realtime.commands.log.common import projection_named, work_on
from realtime.commands.place import HERE, Where
from store.interface import Store
from store.projections.operating import replay as replay_consumer


def replay(
    name: Annotated[str, Parameter(help="of the consumer")],
    /,
    *,
    from_: Annotated[int, Parameter(name="--from", help="the first position")],
    place: Where = HERE,
) -> None:
    """Lets a consumer take the entries from a position on once more.

    What it has made is repaired where it lacks something; what is there stays as it is. A consumer
    that adds up what it reads would count twice, and is refused: build it anew.
    """

    async def work(store: Store) -> None:
        projection = projection_named(name)
        now_ms = time.time_ns() // 1_000_000
        was = await store.write(replay_consumer, projection, from_, now_ms)
        say(f"{name} goes back from {was} to {from_}")

    work_on(place, work)
