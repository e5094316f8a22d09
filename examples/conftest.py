"""Runs `async def` tests under Trio, and has the fixture `autojump_clock`."""

pytest_plugins = ["realtime.testing.plugin"]
