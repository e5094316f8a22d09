"""Figures of the media host, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class MediaMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.answers = Counter(
            "sunwire_media_answers",
            "HTTP answers, by kind of request and status.",
            ("kind", "status"),
            registry=registry,
        )
        self.variants = Counter(
            "sunwire_media_variants",
            "Variants asked for: memory, hit (a disk of the cache), joined (another's encode), "
            "encoded.",
            ("outcome",),
            registry=registry,
        )
        self.sources = Counter(
            "sunwire_media_sources",
            "What variants of photographs were made from: the reduced copy, or the original.",
            ("source",),
            registry=registry,
        )
        self.refusals = Counter(
            "sunwire_media_refusals",
            "Uploads and images that were refused, by code.",
            ("code",),
            registry=registry,
        )
        self.limited = Counter(
            "sunwire_media_limited",
            "Requests refused with 429, by what had asked for too much: address, viewer, ticket.",
            ("by",),
            registry=registry,
        )
        self.encodes = Histogram(
            "sunwire_media_job_seconds",
            "Time of a job in a worker process.",
            ("job",),
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.jobs_running = Gauge(
            "sunwire_media_jobs_running", "Jobs at the workers.", ("lane",), registry=registry
        )
        self.jobs_waiting = Gauge(
            "sunwire_media_jobs_waiting",
            "Jobs that wait for a worker.",
            ("lane",),
            registry=registry,
        )
        self.jobs_refused = Counter(
            "sunwire_media_jobs_refused",
            "Jobs that were refused because too many waited.",
            ("lane",),
            registry=registry,
        )
        self.worker_deaths = Counter(
            "sunwire_media_worker_deaths",
            "Worker processes that died or were killed at a job.",
            registry=registry,
        )
        self.cache_failures = Counter(
            "sunwire_media_cache_failures",
            "Reads and writes of the disk cache that failed; each is a miss and no more.",
            registry=registry,
        )
        self.cache_bytes = Gauge(
            "sunwire_media_cache_bytes",
            "Bytes in the disk cache, by folder.",
            ("folder",),
            registry=registry,
        )
        self.cache_evictions = Counter(
            "sunwire_media_cache_evictions",
            "Entries that the disk cache dropped to make room for others.",
            registry=registry,
        )
        self.hot_bytes = Gauge(
            "sunwire_media_cache_memory_bytes",
            "Bytes of variants in memory.",
            registry=registry,
        )
        self.uploaded_bytes = Counter(
            "sunwire_media_uploaded_bytes", "Bytes received in uploads.", registry=registry
        )
        self.uploads = Gauge("sunwire_media_uploads_open", "Uploads under way.", registry=registry)
        self.connections = Gauge(
            "sunwire_media_connections", "Open HTTP connections.", registry=registry
        )
        self.connections_refused = Counter(
            "sunwire_media_connections_refused",
            "Connections that were closed at once, because too many were open.",
            registry=registry,
        )
        self.sent_bytes = Counter(
            "sunwire_media_sent_bytes",
            "Bytes written to clients, heads of answers included.",
            registry=registry,
        )
