"""Which changes of a batch may be applied together (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from store.changes.base import Change, Key


def waves(changes: Sequence[Change[Any]]) -> list[dict[type[Change[Any]], list[int]]]:
    """Splits a batch into waves; each maps a kind to the indexes of its changes.

    Applied wave by wave, kind by kind, in the order of the indexes, the result is that of
    applying the changes one by one in their order: whatever conflicts lies in different
    waves in the right order, and whatever shares a key within a kind stays in order.
    """
    exclusive: dict[Key, int] = {}  # key -> last wave that has it alone
    shared: dict[Key, dict[type[Change[Any]], int]] = {}  # key -> kind -> last wave
    result: list[dict[type[Change[Any]], list[int]]] = []
    for index, change in enumerate(changes):
        kind = type(change)
        alone = list(change.excludes())
        if change.op is not None:
            alone.append((f"op:{change.op.scope}", change.op.key))
        among = change.touches()
        wave = 0
        for key in alone:
            wave = max(wave, exclusive.get(key, -1) + 1)
            for last in shared.get(key, {}).values():
                wave = max(wave, last + 1)
        for key in among:
            wave = max(wave, exclusive.get(key, -1) + 1)
            for other, last in shared.get(key, {}).items():
                wave = max(wave, last if other is kind else last + 1)
        for key in alone:
            exclusive[key] = wave
        for key in among:
            shared.setdefault(key, {})[kind] = wave
        while len(result) <= wave:
            result.append({})
        result[wave].setdefault(kind, []).append(index)
    return result
