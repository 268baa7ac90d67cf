"""Counters and durations of one process for Prometheus, in a registry of its own; /metrics returns their text."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ServiceMetrics:
    """All counters of one process."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("pawsight_requests", "Requests answered.", ("route", "status"), registry=registry)
        self.seconds = Histogram(
            "pawsight_request_seconds", "From head to answer.", ("route",), buckets=_SECONDS, registry=registry
        )
        self.pictures = Counter("pawsight_pictures", "Pictures answered or refused.", ("outcome",), registry=registry)
        self.batch = Histogram(
            "pawsight_batch_pictures", "Pictures handed to the engine at once.", buckets=(1, 2, 4, 8), registry=registry
        )
        self.swaps = Counter("pawsight_swaps", "Bundles opened on a signal.", ("outcome",), registry=registry)
        self.ready = Gauge("pawsight_ready", "1 when /readyz says ready.", registry=registry)

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge whose value is computed when it is read."""
        Gauge(name, description, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """Return all values in Prometheus's text format."""
        return generate_latest(self.registry)
