"""What a test opens for its whole length and has no place to close."""

from __future__ import annotations

from typing import Protocol, TypeVar

import trio


class Closable(Protocol):
    async def aclose(self) -> None: ...


C = TypeVar("C", bound=Closable)

_open: list[Closable] = []


def until_the_end(resource: C) -> C:
    """The resource, closed when the running test has ended."""
    _open.append(resource)
    return resource


async def close_all() -> None:
    """Called by the hook that runs the tests."""
    with trio.CancelScope(shield=True):
        while _open:
            await _open.pop().aclose()
