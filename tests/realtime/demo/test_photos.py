"""The photographs come from a package that ships them."""

from __future__ import annotations

import hashlib
import importlib.util

import pytest

from media.sniff import sniff
from realtime.demo.photos import NAMES, photographs


def test_they_are_images_that_the_server_takes() -> None:
    found = photographs()
    assert {one.path.name for one in found} <= set(NAMES)
    assert len(found) > 3
    for one in found:
        data = one.path.read_bytes()
        assert sniff(data) is not None
        assert one.size == len(data)
        assert one.digest == hashlib.sha256(data).hexdigest()


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"sunwire\[demo\]"):
        photographs()
