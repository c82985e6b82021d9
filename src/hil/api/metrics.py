"""What Prometheus reads: latency of requests as they happen, the state of the lanes as the database has it.

Whoever can reach the port may read sums; names of switches are an operator's, so the series per switch need an
operator's credentials. The database is asked at most once a second, however often somebody scrapes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from hil import __version__, telemetry
from hil.store.tables import Lane, Node, Port, Switch
from hil.store.unit import Store

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class LaneState:
    """One switch: ports whose wish is not read back, when the oldest taint began, what drifted, what is held closed."""

    switch: str
    depth: int
    oldest_taint: float | None
    drifted: int
    quarantined: int
    failing: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    at: float
    """UTC seconds, by the database's own clock."""
    lanes: list[LaneState]
    nodes: dict[str, int]


def snapshot(store: Store, session: Session) -> Snapshot:
    """Two queries, however large the data centre is."""
    pending = and_(Port.wanted > Port.applied, Port.nic_id.is_not(None), ~Port.locked)
    lanes = (
        select(
            Switch.name,
            func.coalesce(func.sum(case((pending, 1), else_=0)), 0),
            func.min(case((Port.tainted, Port.tainted_at))),
            func.coalesce(func.sum(case((Port.drifted, 1), else_=0)), 0),
            func.coalesce(func.sum(case((Port.quarantined, 1), else_=0)), 0),
            Lane.error != "",
        )
        .join(Lane, Lane.switch_id == Switch.id)
        .outerjoin(Port, and_(Port.switch_id == Switch.id, or_(pending, Port.tainted, Port.drifted, Port.quarantined)))
        .group_by(Switch.name, Lane.error)
        .order_by(Switch.name)
    )
    states = [
        LaneState(name, depth, taint, drifted, held, bool(failing))
        for name, depth, taint, drifted, held, failing in session.execute(lanes)
    ]
    nodes = dict(session.execute(select(Node.state, func.count()).group_by(Node.state)).all())
    return Snapshot(store.now(session), states, nodes)


class Metrics:
    """The metrics of one API process."""

    def __init__(self, store: Store, age: float) -> None:
        self._store = store
        self._age = age
        self._lock = threading.Lock()
        self._read: tuple[float, Snapshot] | None = None
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "hil_request_seconds", "Time from request to the end of its answer, waiting included.",
            ("method", "route", "status"), registry=self._registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._series: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; methods outside of HTTP's own become one series."""
        key = (method if method in ("GET", "POST", "PUT", "PATCH", "DELETE") else "other", route, status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = self._seconds.labels(key[0], route, str(status))
        series.observe(seconds)

    def exposition(self, *, detailed: bool) -> bytes:
        """The text that Prometheus reads. Raises Unavailable if the database does not answer."""
        state = CollectorRegistry(auto_describe=False)
        state.register(_State(self._fresh(), detailed))
        return b"".join(generate_latest(part) for part in (state, self._registry, telemetry.REGISTRY_USED))

    def _fresh(self) -> Snapshot:
        with self._lock:
            now = time.monotonic()
            if self._read is None or now - self._read[0] > self._age:
                self._read = (now, self._store.read(lambda session: snapshot(self._store, session)))
            return self._read[1]


class _State(Collector):
    """A snapshot as metric families."""

    def __init__(self, seen: Snapshot, detailed: bool) -> None:
        self._seen = seen
        self._detailed = detailed

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("hil_build", "The version that runs.", {"version": __version__})
        nodes = GaugeMetricFamily("hil_nodes", "Nodes by state.", labels=["state"])
        for state, count in sorted(self._seen.nodes.items()):
            nodes.add_metric([state], count)
        yield nodes
        lanes = self._seen.lanes
        taints = [lane.oldest_taint for lane in lanes if lane.oldest_taint is not None]
        yield _gauge("hil_pending_ports", "Ports whose wish is not read back.", sum(lane.depth for lane in lanes))
        yield _gauge("hil_oldest_taint_seconds", "Age of the oldest taint.", self._age(min(taints, default=None)))
        yield _gauge("hil_drifted_ports", "Ports that differ from what was set.", sum(lane.drifted for lane in lanes))
        yield _gauge("hil_quarantined_ports", "Ports that are held closed.", sum(lane.quarantined for lane in lanes))
        yield _gauge("hil_failing_lanes", "Switches that could not be driven.", sum(lane.failing for lane in lanes))
        if self._detailed:
            yield from self._by_switch()

    def _by_switch(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily("hil_lane_depth", "Pending ports of one switch.", labels=["switch"])
        taint = GaugeMetricFamily("hil_lane_oldest_taint_seconds", "Oldest taint of one switch.", labels=["switch"])
        drift = GaugeMetricFamily("hil_lane_drifted_ports", "Drifted ports of one switch.", labels=["switch"])
        failing = GaugeMetricFamily("hil_lane_failing", "1 if the switch could not be driven.", labels=["switch"])
        for lane in self._seen.lanes:
            depth.add_metric([lane.switch], lane.depth)
            taint.add_metric([lane.switch], self._age(lane.oldest_taint))
            drift.add_metric([lane.switch], lane.drifted)
            failing.add_metric([lane.switch], int(lane.failing))
        yield from (depth, taint, drift, failing)

    def _age(self, since: float | None) -> float:
        return 0.0 if since is None else max(0.0, self._seen.at - since)


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)
