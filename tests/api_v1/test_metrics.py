"""What Prometheus reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from hil import __version__
from hil.drivers.switch.mock.faults import Fault, FaultKind
from tests.api_v1.world import World, change


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_sums_are_for_everybody_and_switches_for_operators(world: World) -> None:
    world.switch("tor-1")
    world.machine("n1", "gi1/0/1", "p", "tor-1")
    world.network("net")
    world.device("tor-1").faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None))
    world.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")
    world.settle()
    public = world("GET", "/metrics", by=None)
    assert "tor-1" not in public.text
    found = samples(public.text)
    assert found["hil_pending_ports", ()] == 1
    assert found["hil_failing_lanes", ()] == 1
    assert found["hil_oldest_taint_seconds", ()] >= 0
    assert found["hil_nodes", (("state", "allocated"),)] == 1
    assert ("hil_build_info", (("version", __version__),)) in found
    detailed = samples(world("GET", "/metrics").text)
    assert detailed["hil_lane_depth", (("switch", "tor-1"),)] == 1
    assert detailed["hil_lane_failing", (("switch", "tor-1"),)] == 1
    assert {name for name, _ in found} >= {"hil_lane_batch_ports_count", "hil_device_seconds_count"}


def test_credentials_must_be_an_operators(small_world: World) -> None:
    assert small_world.refused("GET", "/metrics", by="mara") == "403 denied"
    assert small_world.refused("GET", "/metrics", token="nonsense") == "401 unauthenticated"


def test_latency_is_counted_by_route_and_never_by_path(small_world: World) -> None:
    for path in ("/v1/nodes/n1", "/v1/nodes/n2", "/v1/zz", "/v0/nodes/free", "/v1/switches/a/ports/b/c"):
        small_world("GET", path)
    small_world("BREW", "/v1/nodes/n1")
    found = samples(small_world("GET", "/metrics", by=None).text)
    counted = {labels: value for (name, labels), value in found.items() if name == "hil_request_seconds_count"}
    shown = {(dict(labels)["method"], dict(labels)["route"], dict(labels)["status"]) for labels in counted}
    assert ("GET", "/v1/nodes/{node}", "404") in shown
    assert ("GET", "/v1/switches/{switch}/ports/{port}", "404") in shown
    assert ("GET", "other", "404") in shown
    assert ("other", "/v1/nodes/{node}", "405") in shown
    assert any(route.startswith("/v0/") for _, route, _ in shown)
    assert not any("n1" in route or "zz" in route for _, route, _ in shown)


def test_a_scrape_takes_two_queries_and_a_second_one_none(small_world: World) -> None:
    from hil.api.app import create_app
    from hil.api.settings import Settings

    small_world.app = create_app(small_world.store, small_world.backend, Settings(metrics_age=3600.0))
    with small_world.queries() as first:
        small_world("GET", "/metrics", by=None)
    with small_world.queries() as second:
        small_world("GET", "/metrics", by=None)
    assert (len(first), len(second)) == (2, 0)
