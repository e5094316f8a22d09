"""Every test runs under the plugin that the harness has for its users."""

from realtime.testing.plugin import autojump_clock, pytest_pyfunc_call

__all__ = ["autojump_clock", "pytest_pyfunc_call"]
