"""Unmasking, in C and without."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.gateway.websocket.mask import apply_mask, xor_mask


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=600), st.binary(min_size=4, max_size=4))
def test_both_ways_xor_each_byte(data: bytes, mask: bytes) -> None:
    expected = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    for unmask in (apply_mask, xor_mask):
        plain = unmask(data, mask)
        assert type(plain) is bytes
        assert plain == expected
        assert unmask(plain, mask) == data


def test_the_c_function_is_the_one_in_use() -> None:
    assert apply_mask is not xor_mask
