"""What is asked of a figure, and whether it was reached (pure)."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Figures = dict[str, Any]
Runs = Mapping[str, Mapping[str, Sequence[Figures]]]
"""By row, by server: what the load generator saw, run by run."""


class Verdict(NamedTuple):
    asked: str
    found: str
    reached: bool | None
    """None: it cannot be said from these runs."""


class Measured(Protocol):
    """A row, as the targets see it."""

    @property
    def key(self) -> str: ...
    @property
    def figure(self) -> Callable[[Figures], float]: ...
    @property
    def lower_is_better(self) -> bool: ...
    @property
    def unit(self) -> str: ...
    @property
    def digits(self) -> int: ...


class Target(Protocol):
    def judge(self, row: Measured, runs: Runs) -> Verdict: ...


def failed(figures: Figures) -> bool:
    """The run gave no figures at all."""
    return "failure" in figures


def flaws(figures: Figures) -> int:
    """Answers and deliveries that were lost, doubled or wrong, and errors."""
    return sum(int(figures.get(name, 0)) for name in ("lost", "doubled", "wrong", "errors"))


def median(row: Measured, runs: Runs, server: str) -> float | None:
    """The median of a row's figure over the runs that gave one; None without any."""
    values = [row.figure(one) for one in runs.get(row.key, {}).get(server, ()) if not failed(one)]
    return statistics.median(values) if values else None


def shown(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


@dataclass(frozen=True)
class Against:
    """Sunwire's figure beside a peer's: at least `factor` times as much, or, where less is
    better, at most. A peer whose runs had flaws has not done it at all."""

    factor: float
    peer: str

    def judge(self, row: Measured, runs: Runs) -> Verdict:
        word = "at most" if row.lower_is_better else "at least"
        asked = f"{word} {self.factor:g} × {self.peer}"
        own, other = median(row, runs, "sunwire"), median(row, runs, self.peer)
        peer_runs = runs.get(row.key, {}).get(self.peer, ())
        if own is not None and peer_runs and all(failed(one) or flaws(one) for one in peer_runs):
            return Verdict(asked, f"{self.peer} could not do it without loss", True)
        if own is None or not other:
            return Verdict(asked, "not measured", None)
        ratio = own / other
        reached = ratio <= self.factor if row.lower_is_better else ratio >= self.factor
        return Verdict(asked, f"{ratio:.2f} ×", reached)


@dataclass(frozen=True)
class AtLeast:
    value: float

    def judge(self, row: Measured, runs: Runs) -> Verdict:
        own = median(row, runs, "sunwire")
        asked = f"at least {self.value:,.0f} {row.unit}"
        return Verdict(asked, shown(own, row.digits), None if own is None else own >= self.value)


@dataclass(frozen=True)
class AtMost:
    value: float

    def judge(self, row: Measured, runs: Runs) -> Verdict:
        own = median(row, runs, "sunwire")
        asked = f"at most {self.value:g} {row.unit}"
        return Verdict(asked, shown(own, row.digits), None if own is None else own <= self.value)


@dataclass(frozen=True)
class Beside:
    """Sunwire's own figure of another row with the same unit: at most `factor` times that."""

    factor: float
    other: str

    def judge(self, row: Measured, runs: Runs) -> Verdict:
        asked = f"at most {self.factor:g} × `{self.other}`"
        own = median(row, runs, "sunwire")
        values = [
            row.figure(one)
            for one in runs.get(self.other, {}).get("sunwire", ())
            if not failed(one)
        ]
        if own is None or not values or not statistics.median(values):
            return Verdict(asked, "not measured", None)
        ratio = own / statistics.median(values)
        return Verdict(asked, f"{ratio:.2f} ×", ratio <= self.factor)


@dataclass(frozen=True)
class Flawless:
    """Nothing lost, doubled, wrong or refused in any run."""

    def judge(self, row: Measured, runs: Runs) -> Verdict:
        own = runs.get(row.key, {}).get("sunwire", ())
        asked = "nothing lost, doubled, wrong or refused"
        if not own:
            return Verdict(asked, "not measured", None)
        bad = sum(1 if failed(one) else flaws(one) for one in own)
        return Verdict(asked, f"{bad:,}", bad == 0)
