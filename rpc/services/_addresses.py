"""Addresses that codes are sent to, in the one spelling that is stored (pure)."""

from __future__ import annotations

import re

from rpc.errors import CallError, Code

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(
    r"(?=.{3,254}\Z)(?=[^@]{1,64}@)"
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    rf"@(?:{_LABEL}\.)+{_LABEL}",
    re.ASCII,
)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def is_address(text: str) -> bool:
    """Whether a login means an address rather than a username, well-formed or not."""
    return "@" in text or text.lstrip().startswith("+")


def normalise(text: str) -> str:
    """An e-mail address in lower case (RFC 5321 without quoted or international forms), or a
    phone number in E.164. Raises `CallError(INVALID_ARGUMENT)` for anything else."""
    address = text.strip()
    if address.isascii():
        address = address.lower()
        if _EMAIL.fullmatch(address) or _PHONE.fullmatch(address):
            return address
    raise CallError(
        Code.INVALID_ARGUMENT,
        "neither an e-mail address nor a phone number with its country code",
        details={"field": "address"},
    )


def normalise_login(login: str) -> str:
    """The one spelling of all those that mean the same account by the same name. Not every
    one is well-formed."""
    if is_address(login):
        return login.strip().lower()
    return login.strip().casefold()
