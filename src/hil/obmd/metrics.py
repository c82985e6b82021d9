"""What obmd measures: requests by operation and outcome, and how its controllers are, without their names."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hil.obmd.nodes import Nodes

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one obmd."""

    def __init__(self, nodes: Nodes) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_State(nodes))
        self._seconds = Histogram(
            "obmd_request_seconds", "Time from a request for a node to its answer, the wait for others included.",
            ("operation", "outcome"), registry=self._registry, buckets=_BUCKETS,
        )  # fmt: skip

    def observe(self, operation: str, outcome: str, seconds: float) -> None:
        """Count one request."""
        self._seconds.labels(operation, outcome).observe(seconds)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)


class _State(Collector):
    """The present state of all nodes and owners as metric families."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def collect(self) -> Iterable[Metric]:
        nodes, owners, now = self._nodes.all(), self._nodes.owners(), self._nodes.clock.now()
        waiting = [owner.waiting for owner in owners]
        ages = [now - node.power_seen.at for node in nodes if node.power_seen is not None]
        consoles = [node.tenure is not None and node.tenure.hub.is_open for node in nodes]
        yield _gauge("obmd_nodes", "Nodes that are registered.", len(nodes))
        yield _gauge("obmd_nodes_enabled", "Nodes that a capability may reach.", sum(bool(n.tenure) for n in nodes))
        yield _gauge("obmd_queue", "Requests that wait for their turn, at all controllers.", sum(waiting))
        yield _gauge(
            "obmd_queue_longest", "Requests that wait at the one controller that has most.", max(waiting, default=0)
        )
        yield _gauge("obmd_power_age_seconds", "Age of the oldest power state kept.", max(ages, default=0.0))
        yield _gauge("obmd_login_pauses", "Controllers at which no log-in is tried.", sum(o.paused for o in owners))
        yield _gauge("obmd_consoles", "Consoles that are open.", sum(consoles))


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)
