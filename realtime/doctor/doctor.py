"""Runs the checks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import trio

from realtime.doctor.clock import clock
from realtime.doctor.disk import disk
from realtime.doctor.engines import engines
from realtime.doctor.finding import Finding, Level, error, of_refusal
from realtime.doctor.limits import limits
from realtime.doctor.log import log
from realtime.doctor.network import network
from realtime.doctor.parts import parts
from realtime.doctor.store import store
from realtime.settings import Settings
from realtime.startup import StartError
from store.errors import StoreError, Unavailable

Check = Callable[[Settings], Awaitable[list[Finding]]]

TODO = "correct that: a server will not start before"
AWAY = "see that it runs and can be reached from here, and that the setting names its host and port"
TIME = 30.0  # seconds for one check

CHECKS: Mapping[str, Check] = {
    "settings": parts,
    "disk": disk,
    "network": network,
    "limits": limits,
    "store": store,
    "clock": clock,
    "log": log,
    "engines": engines,
}
"""In the order in which they are run."""

NEEDS = {"log": "store"}
"""Which check can only look where another has found no error."""


async def examine(
    settings: Settings, checks: Mapping[str, Check] = CHECKS
) -> AsyncIterator[tuple[str, list[Finding] | None]]:
    """Each check with what it has found, and what keeps one from looking is a finding, too. What
    several find is said once: None of one that has found nothing else, or could not look."""
    said: set[str] = set()
    failed: set[str] = set()
    for name, check in checks.items():
        if NEEDS.get(name) in failed:
            yield name, None
            continue
        found = await _run(check, settings)
        news = [one._replace(check=name) for one in found if one.what not in said]
        said.update(one.what for one in found)
        if any(one.level is Level.ERROR for one in found):
            failed.add(name)
        yield name, (news if news or not found else None)


async def _run(check: Check, settings: Settings) -> list[Finding]:
    try:
        with trio.fail_after(TIME):
            return await check(settings)
    except trio.TooSlowError:
        return [error(f"this took more than {TIME:g} seconds", "look at what does not answer")]
    except (StartError, StoreError) as refusal:
        return [of_refusal(refusal, AWAY if isinstance(refusal, Unavailable) else TODO)]
    except Exception as bug:
        return [error(f"this could not be looked at: {bug!r}", "report it")]
