"""What a connection may cost."""

from __future__ import annotations

from dataclasses import dataclass

from rpc.rates import Rate


@dataclass(frozen=True)
class GatewayLimits:
    """Bounds on everything that a client can make the server do or keep. Times in seconds,
    sizes in bytes."""

    max_message: int = 256 * 1024
    max_connections: int = 20_000
    max_connections_per_address: int = 20_000
    max_calls: int = 64  # in flight on a connection
    handshake_timeout: float = 10.0
    hello_timeout: float = 10.0
    heartbeat: float = 30.0  # how often a client pings; silence of 2.5 times that ends it
    send_timeout: float = 20.0  # for one write to drain
    close_timeout: float = 2.0
    outbox_high: int = 256 * 1024  # past it durable updates are dropped and caught up later
    outbox_low: int = 64 * 1024
    outbox_max: int = 1024 * 1024  # past it nothing more is read from the client
    hold_max: int = 256 * 1024  # live updates kept aside during a catch-up
    max_signals: int = 64  # waiting in an outbox
    slice_entries: int = 500  # of a catch-up
    checkpoint_interval: float = 0.25
    frame_rate: Rate = Rate(per_second=5_000, burst=20_000)
    hello_rate: Rate = Rate(per_second=2_000, burst=5_000)  # of the whole node

    @property
    def idle_timeout(self) -> float:
        return self.heartbeat * 2.5
