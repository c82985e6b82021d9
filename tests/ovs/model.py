"""What a row of Port makes Open vSwitch carry, written down once more and differently, to check the driver against.

From its manual, ovs-vswitchd.conf.db(5), section *VLAN Configuration*, as a set of (tag on the cable, VLAN).
"""

from collections.abc import Mapping
from typing import Any

EVERY = frozenset(range(4096))


def members(value: Any) -> list[Any]:
    return list(value[1]) if isinstance(value, list) and value[0] == "set" else [value]


def taken_in(row: Mapping[str, Any]) -> dict[int | None, int]:
    """Which frames a port takes in, and the VLAN that each is then in; None is a frame without a tag."""
    tags, trunks = members(row["tag"]), frozenset(members(row["trunks"])) or EVERY
    modes = members(row["vlan_mode"]) or ["access" if tags else "trunk"]
    native = tags[0] if tags else 0
    match modes[0]:
        case "access":
            return {None: native}
        case "trunk":
            return {None if vlan == 0 else vlan: vlan for vlan in trunks}
        case "native-untagged":
            return {None: native, native: native, **{vlan: vlan for vlan in trunks - {0}}}
    raise ValueError(f"not modelled: {modes[0]}")


def carried(row: Mapping[str, Any]) -> frozenset[int]:
    """Every VLAN that a port carries."""
    return frozenset(taken_in(row).values())
