"""The figures that the docs ask for exist."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from media.metrics import MediaMetrics

ROOT = Path(__file__).resolve().parents[2]


def test_queries_name_figures_and_labels_that_there_are() -> None:
    registry = CollectorRegistry()
    figures = MediaMetrics(registry)
    figures.variants.labels("hit")
    names = {
        name for metric in registry.collect() for name in (metric.name, f"{metric.name}_total")
    }
    page = (ROOT / "docs" / "media.md").read_text()
    queries = page[page.index("### Watching it") : page.index("## Worker processes")]
    asked = re.findall(r"sunwire_media_\w+", queries)
    assert len(asked) > 10
    for name in asked:
        assert name.removesuffix("_bucket") in names, name
