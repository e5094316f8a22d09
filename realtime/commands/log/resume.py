"""`log resume`: a paused consumer goes on."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from realtime.commands.common import say
from realtime.commands.log.common import projection_named, work_on
from realtime.commands.place import HERE, Where
from store.interface import Store
from store.projections.operating import resume as resume_consumer


def resume(
    name: Annotated[str, Parameter(help="of the consumer")], /, *, place: Where = HERE
) -> None:
    """Ends the pause of a consumer. It goes on where it was."""

    async def work(store: Store) -> None:
        projection_named(name)
        await store.write(resume_consumer, name)
        say(f"{name} goes on")

    work_on(place, work)
