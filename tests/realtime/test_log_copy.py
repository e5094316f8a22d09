"""What keeps a server from reading the log from Kafka is said in a sentence."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from realtime.log_copy import check_topic, find_topic
from realtime.settings import Settings
from realtime.startup import StartError

MYSQL = "mysql://ann:secret@127.0.0.1/sunwire"


def settings(**others: Any) -> Settings:
    return Settings(**{"store": MYSQL, "log_copy": "kafka://127.0.0.1:1/log", **others})


def refusal(**others: Any) -> str:
    with pytest.raises(StartError) as caught:
        find_topic(settings(**others))
    return str(caught.value)


async def test_without_the_setting_there_is_no_copy() -> None:
    assert find_topic(settings(log_copy="")) is None
    await check_topic(settings(log_copy=""))


def test_a_wrong_url_is_refused() -> None:
    for url in ("kafka:9092", "http://here:1/log", "kafka://here/log", "kafka://here:1/"):
        assert refusal(log_copy=url).startswith("--log-copy is not the URL of a topic: ")


def test_an_embedded_database_is_shared_with_nobody() -> None:
    assert refusal(store="sqlite") == (
        "--log-copy is for servers that share a database: give its --store"
    )


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "store.kafka.topic", raising=False)
    monkeypatch.delattr("store.kafka.topic", raising=False)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    assert refusal() == (
        "--log-copy needs the package confluent-kafka: install requirements/full.txt, or "
        "sunwire[kafka]"
    )


async def test_a_broker_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.kafka.topic.ANSWER", 0.2)
    with pytest.raises(StartError) as caught:
        await check_topic(settings())
    said = str(caught.value)
    assert said.startswith("--log-copy: no broker of kafka://127.0.0.1:1/log answers: ")
    assert said.endswith("; without it, the log is read from the database")
