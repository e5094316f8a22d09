"""`log rebuild`: the rows of a projection are built anew beside those that are shown."""

from __future__ import annotations

import time
from typing import Annotated

from cyclopts import Parameter

from realtime.commands.common import say
from realtime.commands.log.common import projection_named, work_on
from realtime.commands.place import HERE, Where
from realtime.startup import StartError
from store.interface import Store
from store.projections.base import Projection
from store.projections.rebuilding import cancel_rebuild, start_rebuild


def rebuild(
    name: Annotated[str, Parameter(help="of the consumer")],
    /,
    *,
    cancel: Annotated[
        bool, Parameter(negative="", help="give up one that is under way, and keep what is shown")
    ] = False,
    place: Where = HERE,
) -> None:
    """Has a consumer build its rows anew beside those that are shown, which go on being kept up to
    date: from the log where it is whole, else from the state of things.

    The server that runs the consumer does it, now or when there is one. As soon as the new rows
    are as new as the others, they are shown instead, at once. `log lag` says how far it is. While
    entries of the new rows are set aside (`log dead`), they are not shown.
    """

    async def work(store: Store) -> None:
        projection = projection_named(name)
        if not isinstance(projection, Projection):
            raise StartError(
                f"{name} cannot be built anew, since clients have received what it made: "
                f"`log replay {name} --from 1` makes what is missing"
            )
        if cancel:
            await store.write(cancel_rebuild, name)
            say(f"what was built of {name} is removed")
        else:
            generation = await store.write(start_rebuild, projection, time.time_ns() // 1_000_000)
            say(f"generation {generation} of {name} is built")

    work_on(place, work)
