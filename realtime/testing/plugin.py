"""A pytest plugin: `async def` tests run under Trio.

Put `pytest_plugins = ["realtime.testing.plugin"]` into the conftest.py at the root of your
tests. A test that takes the fixture `autojump_clock` runs in virtual time. A fixture may return an
async context manager (a server, a client, a store): it is entered for the test, within the same
run of Trio, and the test is given what it yields. Where pytest-trio is installed this plugin is
not needed.
"""

from __future__ import annotations

import inspect
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest
import trio
import trio.testing


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
        async with AsyncExitStack() as stack:
            for name, value in arguments.items():
                if isinstance(value, AbstractAsyncContextManager):
                    arguments[name] = await stack.enter_async_context(value)
            await pyfuncitem.obj(**arguments)

    trio.run(main, clock=clock, strict_exception_groups=True)
    return True
