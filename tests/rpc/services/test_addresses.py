"""The one spelling of an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpc.errors import CallError, Code
from rpc.services._addresses import is_address, normalise


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ann@example.org", "ann@example.org"),
        (" Ann.Lee+Tag@Mail.Example.ORG ", "ann.lee+tag@mail.example.org"),
        ("o'brien@x-y.co", "o'brien@x-y.co"),
        ("a@" + "b" * 63 + ".org", "a@" + "b" * 63 + ".org"),
        ("+4915112345678", "+4915112345678"),
        ("+1234567", "+1234567"),
        ("+123456789012345", "+123456789012345"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert normalise(text) == address
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@org",
        "ann@@example.org",
        "a b@example.org",
        ".ann@example.org",
        "ann..lee@example.org",
        "ann@-x.org",
        "ann@example..org",
        "ann@example.org\n.evil",
        "ann@example.org\x00",
        '"ann"@example.org',
        "\u00e4nn@example.org",
        "ann@\u212aelvin.org",  # lower-cased it would be ASCII
        "a" * 65 + "@example.org",
        "a@" + "b" * 64 + ".org",
        "a@" + "b.".join(["b"] * 130) + "b.org",
        "+123456",
        "+1234567890123456",
        "+0123456789",
        "4915112345678",
        "+49 151 12345678",
        "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(CallError) as caught:
        normalise(text)
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert caught.value.details == {"field": "address"}


@given(st.text(max_size=300) | st.text("a.@+-1B", max_size=300))
def test_a_normal_address_stays_as_it_is(text: str) -> None:
    try:
        address = normalise(text)
    except CallError:
        return
    assert normalise(address) == address == address.lower()
    assert len(address) <= 254
    assert is_address(address)
