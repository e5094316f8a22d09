"""What the demo found, as figures and as a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from realtime.demo.check import CATEGORIES, Difference

MOST_SHOWN = 50  # differences in the table for people; JSON has them all


@dataclass(slots=True)
class DeviceFigures:
    """What one device should have received, and what it received, by category."""

    device: str
    user_id: int
    expected: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    receipts: int = 0
    signals: int = 0
    reconnects: int = 0
    retries: int = 0
    duplicates_ignored: int = 0
    differences: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "expected": {head: self.expected[head] for head in CATEGORIES},
            "received": {head: self.received[head] for head in CATEGORIES},
        }


@dataclass(slots=True)
class Report:
    """`error` says why the demo could not be played to its end; "" when it was."""

    seed: int
    users: int
    nodes: int
    blobs: str  # the kind of store that has them
    drop: bool
    kill: bool
    seconds: float = 0.0
    server_kills: int = 0
    moved: int = 0  # devices, from a killed node to another
    connections_cut: int = 0
    uploads_cut: int = 0
    done: Counter[str] = field(default_factory=Counter)
    devices: list[DeviceFigures] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    error: str = ""

    def add_error(self, error: str) -> None:
        """One more; the first is the one that led to the others."""
        self.error = f"{self.error}; then {error}" if self.error else error

    @property
    def ok(self) -> bool:
        return not self.differences and not self.error

    @property
    def expected(self) -> int:
        return sum(device.expected.total() for device in self.devices)

    @property
    def received(self) -> int:
        return sum(device.received.total() for device in self.devices)

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "error": self.error,
            "seed": self.seed,
            "users": self.users,
            "nodes": self.nodes,
            "blobs": self.blobs,
            "drop": self.drop,
            "kill": self.kill,
            "seconds": round(self.seconds, 2),
            "server_kills": self.server_kills,
            "moved": self.moved,
            "connections_cut": self.connections_cut,
            "uploads_cut": self.uploads_cut,
            "reconnects": sum(device.reconnects for device in self.devices),
            "done": dict(sorted(self.done.items())),
            "expected": self.expected,
            "received": self.received,
            "devices": [device.as_json() for device in self.devices],
            "differences": [one._asdict() for one in self.differences],
        }

    def show(self, console: Console) -> None:
        console.print("Received of what was expected:", highlight=False)
        console.print(self._table())
        done = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self.done.items())
        console.print(f"Acknowledged: {done}.", highlight=False)
        console.print(
            f"{self.connections_cut} connections and {self.uploads_cut} uploads were cut, the "
            f"server was killed {self.server_kills} times; seed {self.seed}, "
            f"{self.seconds:.1f} s.",
            highlight=False,
        )
        if self.nodes > 1:
            console.print(
                f"Of {self.nodes} nodes the killed one sent {self.moved} devices to the others.",
                highlight=False,
            )
        for one in self.differences[:MOST_SHOWN]:
            console.print(
                f"[bold red]{one.what}[/] {one.who}, {one.where}: ", end="", highlight=False
            )
            console.print(one.detail, markup=False, highlight=False)
        if len(self.differences) > MOST_SHOWN:
            console.print(f"… and {len(self.differences) - MOST_SHOWN} more (--json has them all)")
        if self.error:
            console.print("[bold red]not played to the end:[/] ", end="")
            console.print(self.error, markup=False, highlight=False)
        if self.ok:
            console.print(
                f"[bold green]{self.received} of {self.expected} updates arrived, each once and "
                "in order; a fresh look at the server agrees.[/]",
                highlight=False,
            )

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("device", no_wrap=True)
        for head in (*CATEGORIES, "seen", "resumed", "wrong"):
            table.add_column(head, justify="right", no_wrap=True)
        for device in self.devices:
            table.add_row(
                device.device,
                *(_of(device.received[head], device.expected[head]) for head in CATEGORIES),
                str(device.receipts),
                str(device.reconnects),
                f"[red]{device.differences}[/]" if device.differences else "0",
            )
        return table


def _of(received: int, expected: int) -> str:
    text = f"{received}/{expected}"
    return text if received == expected else f"[red]{text}[/]"
