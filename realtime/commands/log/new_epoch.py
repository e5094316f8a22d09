"""`log new-epoch`: after a backup was restored, so that nobody goes on where he was."""

from __future__ import annotations

from realtime.commands.common import say
from realtime.commands.common import show as print_line
from realtime.commands.log.common import work_on
from realtime.commands.place import HERE, Where
from store.epoch import renew_epoch
from store.interface import Store


def new_epoch(*, place: Where = HERE) -> None:
    """Gives the log a new epoch: clients that have seen more than the restored database knows
    load everything afresh, instead of resuming at a position that means something else now.

    Run it after every restore, while no server runs. Prints a JSON object: the epoch `before`,
    the new `epoch`, the `position` where the log ends, and `clamped`, the consumers that had
    seen more than there is and stand at its end now: rebuild what those have made.
    """

    async def work(store: Store) -> None:
        renewed = await store.write(renew_epoch)
        print_line(renewed._asdict())
        for name in renewed.clamped:
            say(f"the consumer {name} has seen entries that are gone: rebuild what it has made")

    work_on(place, work, alone=True)
