"""`doctor`: what is wrong with what a server would run on, and what to do about it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

from cyclopts import App, Parameter

from realtime.commands.common import show
from realtime.doctor import Finding, Level, examine
from realtime.logs import configure
from realtime.serving import run_or_refuse
from realtime.settings import Settings
from realtime.startup import PRIVATE

app = App(name="doctor")


@app.default
def doctor(
    settings: Annotated[Settings, Parameter(name="*")] = Settings(),  # noqa: B008
    *,
    json: Annotated[
        bool, Parameter(negative="", help="print one JSON object: `ok` and `findings`")
    ] = False,
) -> None:
    """Examines the settings, as `serve` would be given them, and what they name: disks, ports,
    limits, clocks, the database, the log and its consumers, and what else a server may use.

    Says of each thing that is wrong in a sentence what it is and in another what to do. It may
    be run beside a server. Exit code 1 when a server would not start, or would lose or refuse
    something (`error`); 0 when there is nothing, or nothing but what could be better (`warning`).
    Each of the `findings` has `check`, `level`, `what` and `todo`.
    """
    found: list[Finding] = []

    async def main() -> None:
        async for check, findings in examine(settings):
            found.extend(findings or ())
            if not json:
                _print(check, findings)

    configure("critical", "console")
    os.umask(PRIVATE)
    run_or_refuse(main)
    wrong = any(finding.level is Level.ERROR for finding in found)
    if json:
        show({"ok": not wrong, "findings": [finding._asdict() for finding in found]})
    if wrong:
        sys.exit(1)


def _print(check: str, findings: list[Finding] | None) -> None:
    if findings is None:
        print(f"{'skipped':<8} {check}")
        return
    for finding in findings:
        print(f"{finding.level:<8} {check}: {finding.what}\n{'':9}{finding.todo}")
    if not findings:
        print(f"{'ok':<8} {check}")
