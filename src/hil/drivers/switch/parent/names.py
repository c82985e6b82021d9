"""Which network at the parent stands for which VLAN of the child, and what a port is called. Pure.

Either a table (`{"100": "storage"}`) or a template with `{vlan}` in it. The names must tell VLANs apart in both
directions, since what is read at the parent is names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from hil.core import names
from hil.core.errors import BadArgument
from hil.core.vlans import FIRST, LAST

HOLE: Final = "{vlan}"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,3}")


def network_of(networks: str | Mapping[str, str], vlan: int) -> str | None:
    """Name the parent's network that stands for a VLAN; None if there is none."""
    if isinstance(networks, str):
        return networks.replace(HOLE, str(vlan))
    return networks.get(str(vlan))


def vlan_of(networks: str | Mapping[str, str], name: str) -> int | None:
    """Answer the VLAN that a network at the parent stands for; None if it stands for none."""
    if not isinstance(networks, str):
        return next((int(vlan) for vlan, known in networks.items() if known == name), None)
    head, _, tail = networks.partition(HOLE)
    number = name.removeprefix(head).removesuffix(tail)
    fits = name == f"{head}{number}{tail}" and _NUMBER.fullmatch(number) and int(number) <= LAST
    return int(number) if fits else None


def check_networks(networks: str | Mapping[str, str]) -> None:
    """Raise ValueError about names that cannot be meant."""
    if isinstance(networks, str):
        if networks.count(HOLE) != 1:
            raise ValueError(f"write {HOLE} once where the VLAN id belongs, as in child-{HOLE}")
        return _name(networks.replace(HOLE, str(LAST)))
    for vlan, name in networks.items():
        if not _NUMBER.fullmatch(vlan) or not FIRST <= int(vlan) <= LAST:
            raise ValueError("the keys of the table are VLAN ids, 1 to 4094, as text")
        _name(name)
    if len(set(networks.values())) < len(networks):
        raise ValueError("two VLANs cannot stand for one network")


def _name(name: str) -> None:
    try:
        names.name("network", name)
    except BadArgument as error:
        raise ValueError(error.message) from error


def port_of(text: str) -> tuple[str, str]:
    """Take `node/nic` apart. Raises BadArgument."""
    node, slash, nic = text.partition("/")
    if not slash or "/" in nic:
        raise BadArgument(f"{text[:80]!a} is no port of a HIL: use node/nic, as in node-01/eth0.")
    names.name("node", node)
    names.name("NIC", nic)
    return node, nic


def known(config: Mapping[str, Any], vlan: int) -> bool:
    return network_of(config["networks"], vlan) is not None
