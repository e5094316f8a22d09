"""Servers that some tests need, and who runs the tests names by the environment."""

from __future__ import annotations

import os

import pytest


def url_of(name: str, variable: str) -> str:
    """The server's URL. Skips the test where there is none, unless there must be one."""
    url = os.environ.get(variable, "")
    if url:
        return url
    script = f"scripts/backends/{name.lower()}"
    sentence = f"no {name}: {variable} is not set ({script} run …)"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)
