"""`bench`: figures of a server on this machine."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from realtime.bench.load import Figures
from realtime.bench.run import BenchError, measure, percentile
from realtime.commands.common import fail, show

app = App(
    name="bench",
    help="Measures a server of its own, in a temporary folder, over real sockets.",
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What every measurement takes."""

    seconds: Annotated[float, Parameter(help="length of the measured window")] = 5.0
    warm_up: Annotated[float, Parameter(help="seconds before it")] = 2.0
    server_cpu: Annotated[int, Parameter(help="core of the server; -1: any")] = (
        0 if (os.cpu_count() or 1) > 1 else -1
    )
    load_cpu: Annotated[int, Parameter(help="core of the load generator; -1: any")] = (
        1 if (os.cpu_count() or 1) > 1 else -1
    )
    workers: Annotated[int, Parameter(help="of the server: see `serve --workers`")] = 1
    json: Annotated[bool, Parameter(help="print one JSON object instead of a table")] = False

    def measure(self, kind: str, **wanted: Any) -> Figures:
        try:
            return measure(
                kind,
                server_cpu=self.server_cpu,
                load_cpu=self.load_cpu,
                seconds=self.seconds,
                warm_up=self.warm_up,
                flags=("--workers", str(self.workers)),
                **wanted,
            )
        except BenchError as error:
            fail({"code": "BENCH", "message": str(error)})

    def tell(self, figures: dict[str, Any]) -> None:
        """Prints the figures. Exit code 1 where something was lost, doubled or refused."""
        figures["workers"] = self.workers
        figures["machine"] = f"{os.cpu_count()} cores, Python {platform.python_version()}"
        if self.json:
            show(figures)
        else:
            table = Table("figure", "value", title=f"bench {figures['bench']}")
            for key, value in figures.items():
                table.add_row(key, f"{value:,}" if isinstance(value, int) else str(value))
            Console().print(table)
        if figures.get("lost") or figures.get("doubled") or figures.get("failed"):
            sys.exit(1)


Shared = Annotated[Run, Parameter(name="*")]
DEFAULT = Run()


def _common(name: str, figures: Figures) -> dict[str, Any]:
    return {
        "bench": name,
        "seconds": round(figures.seconds, 2),
        "server_cpu": round(figures.server_cpu, 2),
        "load_cpu": round(figures.load_cpu, 2),
        "lost": figures.lost,
        "doubled": figures.doubled,
        "failed": figures.failed,
    }


def _latency(name: str, values: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50_ms": round(percentile(values, 0.5), 2),
        f"{name}_p99_ms": round(percentile(values, 0.99), 2),
        f"{name}_max_ms": round(max(values, default=0.0), 2),
    }


@app.command
def calls(
    *,
    method: Annotated[
        Literal["inline", "read"],
        Parameter(help="inline: a handler that never waits; read: one that asks the database"),
    ] = "inline",
    connections: Annotated[int, Parameter(help="signed-in clients")] = 100,
    in_flight: Annotated[int, Parameter(help="calls under way on each connection")] = 1,
    run: Shared = DEFAULT,
) -> None:
    """Calls a second, each answered before its connection makes the next.

    Keys: `calls_per_second`, `call_p50_ms`, `call_p99_ms`, `call_max_ms`; `server_cpu` and
    `load_cpu` are shares of one core, `lost` and `failed` counts of calls.
    """
    figures = run.measure(
        "calls", people=connections, rooms="alone", method=method, in_flight=in_flight
    )
    run.tell(
        {
            **_common("calls", figures),
            "method": method,
            "connections": connections,
            "in_flight": in_flight,
            "calls_per_second": round(figures.calls / figures.seconds),
            **_latency("call", figures.call_ms),
        }
    )


@app.command
def sends(
    *,
    connections: Annotated[int, Parameter(help="signed-in clients, in pairs")] = 100,
    in_flight: Annotated[int, Parameter(help="messages of a client that are under way")] = 8,
    rate: Annotated[
        float, Parameter(help="messages a second of all together; 0: as fast as answered")
    ] = 0.0,
    run: Shared = DEFAULT,
) -> None:
    """Durable direct messages a second: each acknowledged after its commit, and delivered.

    Keys: `sends_per_second` (acknowledged), `deliveries_per_second` (received by the other
    side), `send_p50_ms`, `send_p99_ms`, `send_max_ms` (to the acknowledgement), `delivery_…`
    (to the arrival at the other side). With a rate, times count from when a message was due.
    """
    figures = run.measure(
        "sends", people=connections, rooms="pairs", in_flight=in_flight, rate=rate
    )
    run.tell(
        {
            **_common("sends", figures),
            "connections": connections,
            "in_flight": in_flight,
            "rate": rate,
            "sends_per_second": round(figures.calls / figures.seconds),
            "deliveries_per_second": round(figures.deliveries / figures.seconds),
            **_latency("send", figures.call_ms),
            **_latency("delivery", figures.delivery_ms),
        }
    )


@app.command
def fanout(
    *,
    members: Annotated[int, Parameter(help="of one room, all connected")] = 1000,
    in_flight: Annotated[int, Parameter(help="messages of the one sender under way")] = 1,
    rate: Annotated[float, Parameter(help="messages a second; 0: as fast as answered")] = 0.0,
    run: Shared = DEFAULT,
) -> None:
    """Deliveries a second of one sender's durable messages to a room.

    Keys: `deliveries_per_second`, `sends_per_second`, `delivery_p50_ms`, `delivery_p99_ms`,
    `delivery_max_ms` (of sixteen members whose every update is read in full; of the others
    the updates are counted).
    """
    figures = run.measure("fanout", people=members, rooms="one", in_flight=in_flight, rate=rate)
    run.tell(
        {
            **_common("fanout", figures),
            "members": members,
            "in_flight": in_flight,
            "rate": rate,
            "sends_per_second": round(figures.calls / figures.seconds, 1),
            "deliveries_per_second": round(figures.deliveries / figures.seconds),
            **_latency("delivery", figures.delivery_ms),
        }
    )


@app.command
def idle(
    *,
    connections: Annotated[int, Parameter(help="signed-in clients that say nothing")] = 2000,
    run: Shared = DEFAULT,
) -> None:
    """Memory of an idle, signed-in connection, and how fast they are welcomed.

    Keys: `kib_per_connection` (growth of the server's resident memory over their number),
    `connected_per_second` (handshake and hello, one after another), `server_cpu` while idle.
    """
    figures = run.measure("idle", people=connections, rooms="pairs")
    grown = figures.server_kib_after - figures.server_kib_before
    run.tell(
        {
            **_common("idle", figures),
            "connections": connections,
            "kib_per_connection": round(grown / connections, 1),
            "connected_per_second": round(figures.connected_per_second),
            "server_kib_before": figures.server_kib_before,
        }
    )
