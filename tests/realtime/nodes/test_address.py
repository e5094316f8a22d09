"""The URL of a Redis."""

from __future__ import annotations

import pytest

from realtime.nodes.address import RedisAddress, parse


@pytest.mark.parametrize(
    ("url", "user", "password", "host", "port", "database"),
    [
        ("redis://host", "", "", "host", 6379, 0),
        ("redis://:secret@host:1/2", "", "secret", "host", 1, 2),
        ("redis://ann:a%40b@host/", "ann", "a@b", "host", 6379, 0),
        ("redis://[::1]:7000/15", "", "", "::1", 7000, 15),
    ],
)
def test_what_a_url_says(
    url: str, user: str, password: str, host: str, port: int, database: int
) -> None:
    expected = RedisAddress(host=host, port=port, user=user, password=password, database=database)
    assert parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:6379",
        "http://:hidden@host",
        "rediss://:hidden@host",
        "redis://",
        "redis://:hidden@:6379",
        "redis://:hidden@host:port",
        "redis://:hidden@host:70000",
        "redis://:hidden@[::1",
        "redis://:hidden@host/one",
        "redis://:hidden@host/-1",
        "redis://:hidden@host/1/2",
        "redis://:hidden@host?db=2",
        "redis://:hid#den@host",
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(url)
    assert "hid" not in str(caught.value)


def test_the_password_is_not_shown() -> None:
    address = parse("redis://ann:secret@[::1]/3")
    assert str(address) == "[::1]:6379/3"
    assert "secret" not in repr(address)
