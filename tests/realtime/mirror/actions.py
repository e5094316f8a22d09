"""Something to do for every mutating call: arguments by chance, out of what a device knows.

A mutating call without an entry in `ACTIONS` fails tests/realtime/test_state_plus_updates.py
by its name.
"""

from __future__ import annotations

from tests.realtime.mirror import account_actions, chat_actions, social_actions
from tests.realtime.mirror.acting import ACTIONS

__all__ = ["ACTIONS", "account_actions", "chat_actions", "social_actions"]
