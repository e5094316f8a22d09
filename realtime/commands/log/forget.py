"""`log forget`: a consumer that there is no more."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from realtime.commands.common import say
from realtime.commands.log.common import work_on
from realtime.commands.place import HERE, Where
from realtime.fitting import projections
from realtime.startup import StartError
from store.interface import Store
from store.projections.operating import forget as forget_consumer


def forget(
    name: Annotated[str, Parameter(help="of the consumer")], /, *, place: Where = HERE
) -> None:
    """Forgets how far a consumer had come that this version has no more (`known` is false in
    `log lag`), and what it had set aside: no entry is kept for it any longer."""

    async def work(store: Store) -> None:
        if any(one.name == name for one in projections()):
            raise StartError(f"{name} is a consumer of this version")
        await store.write(forget_consumer, name)
        say(f"{name} is forgotten")

    work_on(place, work)
