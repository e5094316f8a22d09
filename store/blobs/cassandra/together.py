"""A few requests at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio

from store.errors import StoreError

T = TypeVar("T")


async def together(requests: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Their results, in order. The first `StoreError` ends them all and is raised by itself."""
    if len(requests) == 1:
        return [await requests[0]()]
    results: dict[int, T] = {}
    failures: list[StoreError] = []

    async def one(index: int) -> None:
        try:
            results[index] = await requests[index]()
        except StoreError as error:
            failures.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for index in range(len(requests)):
            nursery.start_soon(one, index)
    if failures:
        raise failures[0]
    return [results[index] for index in range(len(requests))]
