"""What obmd measures: requests by operation and outcome, its controllers, consoles, recordings, all without names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hil.obmd.hub import Hub
from hil.obmd.nodes import Nodes
from hil.obmd.recording import Recordings

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one obmd."""

    def __init__(self, nodes: Nodes, recordings: Recordings | None = None) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_State(nodes))
        self._registry.register(_Consoles(nodes))
        if recordings is not None:
            self._registry.register(_Recordings(recordings))
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


class _Consoles(Collector):
    """Who looks and types now, and what was counted since obmd began."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def collect(self) -> Iterable[Metric]:
        yield from self._present()
        tally = self._nodes.tally
        came = [((way,), count) for way, count in tally.attached.items()]
        yield _counter("obmd_console_attached", "Who came to look.", came, "way")
        refused = tally.refused.items()
        yield _counter("obmd_console_refused", "Who was not let in, or was put out.", refused, "way", "reason")
        untaken = [((reason,), count) for reason, count in tally.input_refused.items()]
        yield _counter("obmd_console_input_refused", "Input that was not taken.", untaken, "reason")
        yield _counter("obmd_console_handovers", "How often the line went to somebody.", [((), tally.writers)])
        moved = [(("said",), tally.said), (("typed",), tally.typed), (("lost",), tally.lost)]
        yield _counter(
            "obmd_console_bytes", "Bytes from and to machines, and lost by slow viewers.", moved, "direction"
        )
        logins = [((outcome,), count) for outcome, count in tally.ssh_logins.items()]
        yield _counter("obmd_ssh_logins", "Attempts to log in over SSH.", logins, "outcome")

    def _present(self) -> Iterable[Metric]:
        tally, hubs = self._nodes.tally, self._hubs()
        viewers = Counter(viewer.way for hub in hubs for viewer in hub.viewers.values())
        looking = GaugeMetricFamily("obmd_console_viewers", "Who looks at a console now.", labels=["way"])
        for way in sorted({*tally.attached, *viewers}):
            looking.add_metric([way], viewers[way])
        yield looking
        writers = sum(hub.writer is not None for hub in hubs)
        yield _gauge("obmd_console_writers", "Consoles on which somebody has the line.", writers)
        yield _gauge("obmd_ssh_connections", "SSH connections that are open.", tally.ssh_connections)

    def _hubs(self) -> list[Hub]:
        terms = [(node.tenure, node.foreign and node.foreign[1]) for node in self._nodes.all()]
        return [tenure.hub for pair in terms for tenure in pair if tenure is not None]


class _Recordings(Collector):
    """How much is recorded; the space on the disk is as it was when old recordings were last deleted."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings

    def collect(self) -> Iterable[Metric]:
        kept = self._recordings
        yield _gauge("obmd_recordings_open", "Consoles that are being recorded.", kept.open)
        yield _gauge("obmd_recording_held_bytes", "Space that recordings took lately.", kept.held)
        yield _counter("obmd_recording_bytes", "Bytes written to recordings.", [((), kept.written)])
        yield _counter("obmd_recording_failures", "Output that could not be recorded.", [((), kept.failures)])


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)


def _counter(
    name: str, words: str, counts: Iterable[tuple[tuple[str, ...], float]], *labels: str
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, words, labels=labels)
    for values, count in sorted(counts):
        family.add_metric(values, count)
    return family
