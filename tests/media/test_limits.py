"""How much one address, one viewer and one ticket may ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from media.errors import TooMany
from media.limits import Limits, Proxies
from media.metrics import MediaMetrics
from rpc.rates import Rate
from store.records import Purpose
from tests.media import host as hosts
from tests.media import samples
from tests.media.host import OTHER, OWNER, Host, Reply, open_host
from tests.media.sockets import WAYS, get, read_answer, serving

PROXIES = ("10.0.0.0/8", "fd00::/8")


@pytest.fixture(params=hosts.WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "WAY", request.param)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # no proxy of ours: a word of no weight
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),  # the client made up the first
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", None, None),
        ("10.0.0.1", "", None),
        ("10.0.0.1", "10.0.0.2", None),
        ("10.0.0.1", "198.51.100.1, unknown", None),
        ("fd00::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", None, "2001:db8:1:2::"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("", None, None),
    ],
)
def test_whose_address_counts(peer: str, forwarded: str | None, client: str | None) -> None:
    assert Proxies(PROXIES).client(peer, forwarded) == client


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits(rate: Rate, clock: Clock) -> tuple[Limits, CollectorRegistry]:
    registry = CollectorRegistry()
    return Limits(rate, (), MediaMetrics(registry), clock), registry


def test_who_asks_too_much_is_told_when_to_come_back() -> None:
    clock = Clock()
    limit, registry = limits(Rate(per_second=0.5, burst=2), clock)
    for take, who in ((limit.address, "a"), (limit.viewer, 7), (limit.ticket, "m")):
        checked: Any = take
        checked(who)
        checked(who)
        with pytest.raises(TooMany) as refused:
            checked(who)
        assert refused.value.retry_after == 2
        checked("another")
    clock.now += 2
    limit.address("a")
    for by in ("address", "viewer", "ticket"):
        assert registry.get_sample_value("sunwire_media_limited_total", {"by": by}) == 1


def test_nobody_is_counted_for_nothing() -> None:
    limit, _ = limits(Rate(1, 1), Clock())
    for _ in range(9):
        limit.address(None)  # what comes through a proxy that does not say for whom
        limit.viewer(0)
    free, _ = limits(Rate(0, 1), Clock())
    for _ in range(9):
        free.address(free.client("203.0.113.9", None))
        free.viewer(7)


ONCE = Rate(per_second=0.001, burst=1)


def is_refused(reply: Reply) -> bool:
    assert reply.status in (200, 429), reply
    if reply.status == 200:
        return False
    assert reply.code == "RATE_LIMITED"
    assert int(reply.headers["retry-after"]) > 900
    assert reply.headers["cache-control"] == "no-store"
    return True


@pytest.mark.usefixtures("way")
async def test_the_links_of_one_viewer(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(samples.jpeg(), Purpose.CHAT)
        with_limit(host)
        forged = host.link(media, OWNER, "small")[:-1] + "_"
        assert (await host.get(forged)).status == 403  # spends nothing of his
        assert not is_refused(await host.get(host.link(media, OWNER, "small")))
        assert is_refused(await host.get(host.link(media, OWNER, "small")))
        assert (await host.get(host.link(media, OTHER, "small"))).status == 404
        public = await host.get(f"/m/{media.id}/small.jpg")
        assert public.status == 404  # nobody's link, and no address that counts


def with_limit(host: Host) -> None:
    """From here on one request each."""
    for limiter in host.media.limits._limiters.values():
        limiter._rate = ONCE


async def test_the_parts_under_one_ticket(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        data = samples.jpeg()
        media, other = await host.reserve(data), await host.reserve(data)
        with_limit(host)
        asked: Any = {"Tus_Resumable": "1.0.0"}
        first = await host.request(
            "POST", host.ticket(media), Upload_Length=str(len(data)), **asked
        )
        assert first.status == 201
        again = await host.request("HEAD", host.ticket(media), **asked)
        assert (again.status, again.headers["retry-after"]) == (429, "1000")
        assert (await host.put(host.ticket(media), data)).status == 429
        assert (await host.put(host.ticket(other), data)).status == 201


@pytest.mark.real
@pytest.mark.parametrize("way", WAYS, ids=["direct", "hypercorn"])
async def test_addresses_at_the_sockets(tmp_path: Path, way: dict[str, str]) -> None:
    async with serving(tmp_path, rate=ONCE, proxies=("127.0.0.2/32",)) as serve:
        answers = [await serve.exchange(get("/m/x", close=True, **way)) for _ in range(2)]
        assert answers[0].startswith(b"HTTP/1.1 404 ")
        assert answers[1].startswith(b"HTTP/1.1 429 ")
        assert b"\r\nretry-after: 1000\r\n" in answers[1]
        made_up = get("/m/x", close=True, X_Forwarded_For="198.51.100.1", **way)
        assert (await serve.exchange(made_up)).startswith(b"HTTP/1.1 429 ")


@pytest.mark.real
@pytest.mark.parametrize("way", WAYS, ids=["direct", "hypercorn"])
async def test_clients_of_a_proxy_are_told_apart(tmp_path: Path, way: dict[str, str]) -> None:
    async with serving(tmp_path, rate=ONCE) as serve, await serve.connect() as stream:
        wanted = [("1", 404), ("2", 404), ("1", 429), ("2", 429), ("3", 404)]
        for last, status in wanted:
            address = f"198.51.100.{last}"
            await stream.send_all(get("/m/x", close=False, X_Forwarded_For=address, **way))
            assert (await read_answer(stream))[0] == status, last
