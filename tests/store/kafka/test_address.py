"""Where a topic is, as one URL."""

from __future__ import annotations

import pytest

from store.kafka.address import Address, parse


def test_a_url_names_brokers_and_a_topic() -> None:
    assert parse("kafka://here:9092/sunwire") == Address(("here:9092",), "sunwire")
    many = parse("kafka://a.example:1,[::1]:65535/log-2.x_y")
    assert many == Address(("a.example:1", "[::1]:65535"), "log-2.x_y")
    assert str(many) == "kafka://a.example:1,[::1]:65535/log-2.x_y"


def test_each_epoch_has_a_topic() -> None:
    address = parse("kafka://here:9092/sunwire")
    assert address.topic_of(7) == "sunwire.7"
    assert address.topic_of(8) != address.topic_of(7)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "here:9092/sunwire",
        "redis://here:9092/sunwire",
        "kafka://here:9092",
        "kafka://here:9092/",
        "kafka:///sunwire",
        "kafka://here/sunwire",
        "kafka://here:/sunwire",
        "kafka://here:65536/sunwire",
        "kafka://here:9092,/sunwire",
        "kafka://ann:secret@here:9092/sunwire",
        "kafka://here:9092/sun/wire",
        "kafka://here:9092/.sunwire",
        "kafka://here:9092/sünwire",
        f"kafka://here:9092/{'s' * 201}",
    ],
)
def test_what_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"Must be kafka://HOST:PORT,HOST:PORT/TOPIC"):
        parse(url)
