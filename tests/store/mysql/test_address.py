"""The URL of a database, and the password that it never shows."""

from __future__ import annotations

import pytest

from store.mysql.address import Address, is_mysql, parse


def test_what_a_url_says() -> None:
    assert parse("mysql://ann:s%40cret@db.example:3307/sunwire") == Address(
        host="db.example", port=3307, user="ann", password="s@cret", database="sunwire"
    )
    plain = parse("mariadb://ann@[::1]/sunwire?tls=on&ca=/etc/ca.pem")
    assert (plain.host, plain.port, plain.password) == ("::1", 3306, "")
    assert (plain.tls, plain.ca) == (True, "/etc/ca.pem")


def test_it_never_shows_the_password() -> None:
    address = parse("mysql://ann:secret@[::1]:3307/sunwire")
    assert str(address) == "ann@[::1]:3307/sunwire"
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ann:secret@db/sunwire",
        "mysql://db/sunwire",
        "mysql://ann:secret@db",
        "mysql://ann:secret@db/",
        "mysql://ann:secret@db/a/b",
        "mysql://ann:secret@/sunwire",
        "mysql://ann:secret@db:port/sunwire",
        "mysql://ann:secret@db:70000/sunwire",
        "mysql://ann:secret@[::1/sunwire",
        "mysql://ann:secret@db/sunwire?charset=latin1",
        "mysql://ann:secret@db/sunwire?tls=maybe",
        "mysql://ann:secret@db/sunwire?ca=/etc/ca.pem",
        "mysql://ann:sec#ret@db/sunwire",
    ],
)
def test_what_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        parse(url)
    assert "secret" not in str(caught.value)
    assert "ret@" not in str(caught.value)


def test_which_urls_are_meant() -> None:
    assert is_mysql("mysql://x")
    assert is_mysql("mariadb://x")
    assert not is_mysql("sqlite")
    assert not is_mysql("mysql")
