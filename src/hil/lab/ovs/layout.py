"""The switches of the lab as one transaction: two bridges trunked together, every port as a factory leaves it.

A port of a machine begins in VLAN 1, untagged, as real switches begin: two machines that were only plugged in hear each
other until HIL closes their ports. The link between the switches lists VLANs 1 to 4094, as a careful operator's does.
Each bridge's own port is left as Open vSwitch makes it, carrying every VLAN: restricting it is the driver's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from itertools import pairwise
from typing import Any, Final

CANARY: Final = "canary"
CANARIES: Final = ("canary1", "canary2")
"""The ends of the canary's cables that are not in the bridge; with `s` behind them, those that are."""
LINK_VLANS: Final = range(1, 4095)
SUBNET: Final = IPv4Network("10.77.0.0/16")
"""Every NIC has an address in it, so that any two can be asked to ping each other."""

Op = dict[str, Any]


def operations(bridges: Mapping[str, Iterable[str]]) -> list[Op]:
    """Make the transaction for these bridges and their ports. Raises nothing; names must be unique."""
    plan = {bridge: [_port(port, vlan_mode="access", tag=1) for port in ports] for bridge, ports in bridges.items()}
    for one, other in pairwise(plan):
        plan[one].append(_patch(one, other))
        plan[other].append(_patch(other, one))
    plan[CANARY] = [_port(f"{name}s", vlan_mode="access", tag=1) for name in CANARIES]
    ops: list[Op] = [{"op": "insert", "table": "Open_vSwitch", "row": {}}]
    for number, (bridge, ports) in enumerate(plan.items()):
        ops += _bridge(number, bridge, [_port(bridge, type="internal"), *ports])
    return ops


def patch_name(bridge: str, other: str) -> str:
    return f"{bridge}-{other}"


def _port(name: str, **columns: Any) -> tuple[Op, Op]:
    """A Port and its Interface; columns that only the latter has go there."""
    interface: Op = {key: columns.pop(key) for key in ("type", "options") if key in columns}
    return {"name": name, **columns}, {"name": name, **interface}


def _patch(bridge: str, other: str) -> tuple[Op, Op]:
    options = ["map", [["peer", patch_name(other, bridge)]]]
    trunks = ["set", list(LINK_VLANS)]
    return _port(patch_name(bridge, other), vlan_mode="trunk", trunks=trunks, type="patch", options=options)


def _bridge(number: int, name: str, ports: list[tuple[Op, Op]]) -> Iterator[Op]:
    members = []
    for place, (port, interface) in enumerate(ports):
        here = f"{number}_{place}"
        yield {"op": "insert", "table": "Interface", "row": interface, "uuid-name": f"interface{here}"}
        row = {**port, "interfaces": ["named-uuid", f"interface{here}"]}
        yield {"op": "insert", "table": "Port", "row": row, "uuid-name": f"port{here}"}
        members.append(["named-uuid", f"port{here}"])
    row = {"name": name, "datapath_type": "netdev", "ports": ["set", members]}
    yield {"op": "insert", "table": "Bridge", "row": row, "uuid-name": f"bridge{number}"}
    joined = [["bridges", "insert", ["named-uuid", f"bridge{number}"]]]
    yield {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": joined}
