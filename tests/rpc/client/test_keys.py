from __future__ import annotations

import pytest

from rpc.client import keys


def test_keys_ascend_with_the_time_and_differ_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ms = 1_700_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: ms * 1_000_000)
    first = [keys.new_key() for _ in range(1000)]
    ms += 1
    second = [keys.new_key() for _ in range(1000)]
    assert {len(key) for key in first + second} == {16}
    assert len({*first, *second}) == 2000
    assert max(first) < min(second)
