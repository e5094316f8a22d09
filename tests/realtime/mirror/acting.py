"""What the actions of tests/realtime/mirror/actions.py share: the table that they join, and how
they choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.realtime.mirror.device import Device
from tests.realtime.mirror.world import Action, World

T = TypeVar("T")

ACTIONS: dict[str, Action] = {}


def action(method: str) -> Callable[[Action], Action]:
    def add(function: Action) -> Action:
        ACTIONS[method] = function
        return function

    return add


def pick(world: World, among: Sequence[T]) -> T | None:
    return world.rng.choice(among) if among else None


def other_person(world: World, device: Device) -> int:
    return world.rng.choice([one for one in world.people if one != device.user_id])


def some_text(world: World) -> str:
    return f"text {world.rng.randrange(1 << 30)}"


def some_words(world: World) -> str:
    """A text that mentions somebody, at times."""
    text = some_text(world)
    if world.rng.random() < 0.3:
        text += f" @{world.rng.choice(list(world.people.values())).username}"
    return text
