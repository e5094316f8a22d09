"""The settings, as they go together."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import fields

from realtime.doctor.finding import Finding, error, of_refusal, warning
from realtime.settings import Settings, host_and_port
from realtime.startup import StartError
from realtime.stores import SQLITE, address_of

PREFIX = "SUNWIRE_"
OTHERS = frozenset({"config", "json", "dry_run"})  # variables that are no settings of a server


async def parts(settings: Settings) -> list[Finding]:
    found = [*_unknown_variables(dict(os.environ))]
    found += _passwords_in_flags(settings, sys.argv)
    if settings.store != SQLITE:
        try:
            address_of(settings)
        except StartError as refusal:
            found.append(of_refusal(refusal, "correct --store"))
    if settings.workers > 1 and sys.platform != "linux":
        found.append(error("several processes need Linux", "leave --workers at 1"))
    if settings.old_blobs and settings.old_blobs == settings.blobs:
        found.append(
            warning("--old-blobs and --blobs are the same", "leave --old-blobs out once all moved")
        )
    media = host_and_port(settings.media)[0]
    if not settings.media_url and media in ("0.0.0.0", "::"):
        found.append(
            error(
                f"media are served at {settings.media}, which is no address that clients can use",
                "set --media-url to the one that they reach",
            )
        )
    return found


def _passwords_in_flags(settings: Settings, arguments: Sequence[str]) -> list[Finding]:
    return [
        warning(
            f"the password of --{name.replace('_', '-')} is in a flag, which everybody sees who "
            "lists the processes",
            f"give {PREFIX}{name.upper()} in the environment, or {name} in the settings file",
        )
        for name in ("store", "blobs", "old_blobs", "redis")
        if _has_password(url := getattr(settings, name))
        and any(url in argument for argument in arguments)
    ]


def _has_password(url: str) -> bool:
    user, at, _ = url.partition("://")[2].rpartition("@")
    return bool(at) and ":" in user


def _unknown_variables(environment: dict[str, str]) -> list[Finding]:
    known = {field.name for field in fields(Settings)} | OTHERS
    return [
        warning(
            f"there is no setting for the variable {name}",
            "look for its name in docs/operating.md, or remove it",
        )
        for name in sorted(environment)
        if name.startswith(PREFIX)
        and not name.startswith(f"{PREFIX}TEST_")
        and name.removeprefix(PREFIX).lower() not in known
    ]
