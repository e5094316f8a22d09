"""The URL of a cluster."""

from __future__ import annotations

import pytest

from store.blobs.cassandra.address import parse


def test_the_least_and_the_most() -> None:
    least = parse("cassandra://db/media")
    assert (least.hosts, least.port, least.user, least.keyspace) == (("db",), 9042, "", "media")
    assert (least.replication, least.read, least.write) == (1, "local_one", "local_quorum")
    most = parse(
        "cassandra://ann:p%40ss@10.0.0.1,10.0.0.2:19042/media_2"
        "?replication=3&read=one&write=quorum&datacenter=north"
    )
    assert (most.hosts, most.port) == (("10.0.0.1", "10.0.0.2"), 19042)
    assert (most.user, most.password) == ("ann", "p@ss")
    assert (most.replication, most.read, most.write) == (3, "one", "quorum")
    assert most.datacenter == "north"
    assert parse("cassandra://[::1]:19042/media").hosts == ("::1",)


def test_the_password_is_never_shown() -> None:
    address = parse("cassandra://ann:secret@db/media")
    assert "secret" not in f"{address} {address!r}"


@pytest.mark.parametrize(
    "url",
    [
        "cassandra:",
        "mysql://db/media",
        "cassandra:///media",
        "cassandra://db",
        "cassandra://db/Media",
        "cassandra://db/media;drop",
        "cassandra://db:99999/media",
        "cassandra://a:1,b:2/media",
        "cassandra://db/media?replication=0",
        "cassandra://db/media?write=any",
        "cassandra://db/media?colour=red",
        "cassandra://ann:secret@db/media#secret",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(url)
    assert "secret" not in str(caught.value)
