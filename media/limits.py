"""How much one client may ask of the media host."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import trio

from media.errors import TooMany
from media.metrics import MediaMetrics
from rpc.rates import Rate, RateLimiter

Address = IPv4Address | IPv6Address

PREFIX = 64  # bits of an IPv6 address: what one customer has


class Proxies:
    """Whom to believe when he says for whom he asks (pure)."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Raises `ValueError` for what is no network."""
        self._networks = [ip_network(one) for one in networks]

    def client(self, peer: str, forwarded: str | None) -> str | None:
        """The address of the client, by which it is counted: the last one in X-Forwarded-For
        that is not a proxy's. None where a proxy does not say it, and for a peer without an
        address."""
        address = _parsed(peer)
        if address is None:
            return None
        if not self._has(address):
            return _counted(address)
        for one in reversed((forwarded or "").split(",")):
            address = _parsed(one.strip())
            if address is None:
                return None
            if not self._has(address):
                return _counted(address)
        return None

    def _has(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _counted(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, PREFIX), strict=False).network_address)


class Limits:
    """Token buckets by address, by viewer and by ticket. Each request takes one token of each
    that it names."""

    def __init__(
        self,
        rate: Rate,
        proxies: Sequence[str],
        metrics: MediaMetrics,
        now: Callable[[], float] = trio.current_time,
    ) -> None:
        """A rate of 0 is no limit."""
        self._proxies = Proxies(proxies)
        self._limited = metrics.limited
        self._now = now
        self._limiters = (
            {by: RateLimiter(rate) for by in ("address", "viewer", "ticket")}
            if rate.per_second
            else {}
        )

    def client(self, peer: str, forwarded: str | None) -> str | None:
        return self._proxies.client(peer, forwarded) if self._limiters else None

    def address(self, address: str | None) -> None:
        """Raises `TooMany`; as the others do."""
        if address is not None:
            self._take("address", address)

    def viewer(self, viewer_id: int) -> None:
        """Of a verified link: nobody spends what is another's."""
        if viewer_id:
            self._take("viewer", viewer_id)

    def ticket(self, media_id: str) -> None:
        """Of a verified ticket."""
        self._take("ticket", media_id)

    def _take(self, by: str, key: Hashable) -> None:
        limiter = self._limiters.get(by)
        if limiter is None:
            return
        wait = limiter.take(key, 1.0, self._now())
        if wait:
            self._limited.labels(by).inc()
            raise TooMany(math.ceil(wait))
