"""Runs `async def` tests under Trio; the fixture `autojump_clock` gives them a virtual clock."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import trio
import trio.testing

from tests.closing import close_all


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """Time that jumps to the next deadline whenever every task waits."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in names}
    clock: Any = pyfuncitem.funcargs.get("autojump_clock")

    async def main() -> None:
        try:
            await pyfuncitem.obj(**arguments)
        finally:
            await close_all()

    trio.run(main, clock=clock, strict_exception_groups=True)
    return True
