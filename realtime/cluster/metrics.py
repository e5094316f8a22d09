"""The figures of all processes on one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from realtime.cluster.control import Family, Report

LABEL = "worker"


class Merged(Collector):
    """The families that the processes report, each sample with the name of its process."""

    def __init__(self, reports: Mapping[str, Report | None], deaths: Mapping[str, int]) -> None:
        self._reports = reports
        self._deaths = deaths

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "sunwire_process_up", "Whether the process says how it is.", labels=(LABEL,)
        )
        deaths = CounterMetricFamily(
            "sunwire_process_deaths", "Times the process has died.", labels=(LABEL,)
        )
        for name, report in self._reports.items():
            up.add_metric((name,), float(report is not None))
            deaths.add_metric((name,), self._deaths[name])
        yield up
        yield deaths
        known = {name: report.families for name, report in self._reports.items() if report}
        yield from merged(known)


def merged(known: Mapping[str, Sequence[Family]]) -> Iterable[Metric]:
    found: dict[str, Metric] = {}
    for process, families in known.items():
        for family in families:
            metric = found.get(family.name)
            if metric is None:
                metric = found[family.name] = Metric(family.name, family.help, family.type)
            for name, labels, value in family.samples:
                metric.add_sample(name, {LABEL: process, **labels}, value)
    return found.values()


def page(reports: Mapping[str, Report | None], deaths: Mapping[str, int]) -> bytes:
    registry = CollectorRegistry()
    registry.register(Merged(reports, deaths))
    return generate_latest(registry)
