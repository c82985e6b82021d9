"""Rules that hold for every inventory: applied twice it changes nothing, and so does what is exported."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument, Blocked
from hil.store import migrate
from hil.store.unit import Store
from tests.admin.inventories import apply, exported, held, plan, said
from tests.support.databases import CHEAP, KEYS, Cluster

DRIVERS = {"s1": "mock", "s2": "emulated", "s 3!": "ovs"}
PORTS = {"mock": ["gi1/0/1", "gi1/0/2", "te1/3"], "emulated": ["1", "p/2", "null"], "ovs": ["a", "1e3", "yes"]}
CONFIGS: dict[str, Any] = {
    "mock": {"hostname": "h", "username": "u", "password": {"env": "LEAF_PASSWORD"}},
    "emulated": {"address": "127.0.0.1:9", "username": "0x1", "password": {"env": "OTHER"}},
    "ovs": {"bridge": "br0", "timeout": 1.5},
}
NODES = ["n1", "017", "on", "n 4"]
TEXTS = st.text("abcXYZ019_.:+/-", max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab1", min_size=1), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def sites(draw: st.DrawFn) -> str:
    """A file whose parts do not contradict each other."""
    free: list[str] = []
    switches = {}
    for name in draw(st.sets(st.sampled_from(list(DRIVERS)))):
        driver = DRIVERS[name]
        chosen = draw(st.sets(st.sampled_from(PORTS[driver])))
        locked = draw(st.sets(st.sampled_from(sorted(chosen)))) if chosen else set()
        free += [f"{name}/{port}" for port in sorted(chosen - locked)]
        switches[name] = {
            "driver": driver,
            "audit": draw(st.sampled_from(["heal", "report"])),
            "config": CONFIGS[driver],
            "ports": sorted(chosen - locked),
            "locked": sorted(locked),
        }
    ports = iter(draw(st.permutations(free)))
    nodes = {}
    for name in draw(st.sets(st.sampled_from(NODES))):
        nics: dict[str, dict[str, str]] = {}
        for nic in draw(st.sets(st.sampled_from(["eth0", "1"]))):
            nics[nic] = {"macaddr": draw(TEXTS)}
            if draw(st.booleans()) and (port := next(ports, None)):
                nics[nic]["port"] = port
        nodes[name] = {
            "labels": draw(st.dictionaries(st.sampled_from(["a", "0", "x/y"]), TEXTS)),
            "metadata": draw(st.dictionaries(st.sampled_from(["k", "true"]), VALUES)),
            "nics": nics,
        }
    pool = ",".join(map(str, draw(st.sets(st.integers(1, 20)))))
    return yaml.safe_dump({"vlan_pool": pool, "switches": switches, "nodes": nodes}, allow_unicode=True)


def check(fresh: Callable[[], Store], first: str, second: str) -> None:
    store = fresh()
    try:
        apply(store, first)
        assert said(plan(store, first, prune=True)) == []
        assert said(plan(store, exported(store), prune=True)) == []
        before = held(store)
        try:
            apply(store, second)
        except (BadArgument, Blocked):  # what the second does not mention holds a port that it wants
            assert held(store) == before
        else:
            assert said(plan(store, second)) == []
        apply(store, second, prune=True)
        found = plan(store, second, prune=True)
        assert (said(found), found.kept, found.refused) == ([], 0, [])
        assert said(plan(store, exported(store), prune=True)) == []
    finally:
        store.close()


@given(first=sites(), second=sites())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_on_sqlite(first: str, second: str) -> None:
    def fresh() -> Store:
        store = Store("sqlite://", KEYS, passwords=CHEAP)
        migrate.upgrade(store.engine)
        return store

    check(fresh, first, second)


@pytest.mark.net
@given(first=sites(), second=sites())
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_on_postgresql(postgres: Cluster, first: str, second: str) -> None:
    name = postgres.create()
    check(lambda: Store(postgres.url(name), KEYS, passwords=CHEAP), first, second)
    postgres.drop(name)
