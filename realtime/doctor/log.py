"""The log, and who follows it."""

from __future__ import annotations

from realtime.doctor.finding import Finding, error, of_refusal, warning
from realtime.events.relay import NAME as RELAY
from realtime.fitting import projections
from realtime.settings import Settings
from realtime.startup import StartError
from realtime.stores import SQLITE, open_store, refuse_old_backup
from store.queries.consumers import Status, statuses
from store.retention import archived_up_to

LONG = 60.0  # seconds that a consumer may be behind


async def log(settings: Settings) -> list[Finding]:
    if settings.store == SQLITE and not settings.database.exists():
        return []
    async with open_store(settings) as store:
        if await store.pending():
            return []  # it is said elsewhere, and its tables are others
        found = []
        try:
            await refuse_old_backup(store, settings.data)
        except StartError as old:
            todo = "if a backup was restored, run python -m realtime log new-epoch"
            found.append(of_refusal(StartError(str(old).partition(";")[0]), todo))
        known = {one.name: one.kinds for one in projections()}
        for status in await store.read(statuses, known):
            found += consumer(status, known=status.name in known or status.name == RELAY)
        archived = await store.read(archived_up_to)
        if archived is not None and not settings.log_archive:
            found.append(
                warning(
                    f"the log is archived up to {archived}, and this server has no archive, so "
                    "nothing goes from the log while it alone runs",
                    "name the folder with --log-archive, or end it: log archive --end",
                )
            )
    return found


def consumer(status: Status, *, known: bool) -> list[Finding]:
    name = status.name
    if not known:
        return [
            warning(
                f"the consumer {name} is in the database, and not in this version; the log is kept "
                "for it",
                f"run python -m realtime log forget {name}, if no other server has it",
            )
        ]
    found = []
    if status.left_behind:
        found.append(
            error(
                f"the consumer {name} stands at {status.position}, and the log begins behind that",
                f"run python -m realtime log rebuild {name}, or log replay {name} --from the "
                "position where the log begins",
            )
        )
    elif status.full:
        found.append(
            error(
                f"the consumer {name} has stopped: too many entries are set aside",
                f"look at python -m realtime log dead {name}",
            )
        )
    elif status.failed:
        found.append(
            warning(
                f"the consumer {name} has set {status.failed} entries aside, for which "
                f"{status.parked} wait",
                f"look at python -m realtime log dead {name}",
            )
        )
    if status.paused:
        found.append(
            warning(
                f"the consumer {name} is paused, and the log is kept for it",
                f"run python -m realtime log resume {name}",
            )
        )
    elif not found and status.seconds_behind > LONG:
        found.append(
            warning(
                f"the consumer {name} is {status.entries_behind} entries and "
                f"{status.seconds_behind:.0f} seconds behind",
                "start a server, if none runs; if it goes on, look at its log for the reason",
            )
        )
    return found
