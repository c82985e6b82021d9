"""ConfigDB of an emulated SONiC switch: the configuration as tables, JSON patches of it, and what YANG allows.

A patch is applied as RFC 6902 says (add, remove, replace, test) to a copy, the copy is checked, and becomes the
configuration as a whole. As on the real thing an empty table is refused, VLANs are 2 to 4094 and must exist before
anybody is in them, a routed port is in none, and the mode `access` has no tagged ones.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from hil.lab.devices.model import Config, Mode, PortConfig
from hil.lab.devices.sonic.rule import FACTORY, routed

_MODES: Final = {"routed": Mode.ROUTED, "access": Mode.ACCESS, "trunk": Mode.TRUNK}


class Invalid(Exception):
    """The patch is refused, in these words."""


def printed(config: Config) -> dict[str, Any]:
    """Answer the database; a table without rows is not there."""
    db: dict[str, dict[str, Any]] = {
        "DEVICE_METADATA": {"localhost": {"hostname": "lab", "hwsku": "LAB-48x25G", "type": "ToRRouter"}},
        "VLAN": {f"Vlan{vlan}": {"vlanid": str(vlan)} for vlan in sorted(config.vlans)},
    }
    for at, (port, entry) in enumerate(config.ports.items()):
        db.setdefault("PORT", {})[port] = _row(at, entry)
        for key, mode in _memberships(port, entry):
            db.setdefault("VLAN_MEMBER", {})[key] = {"tagging_mode": mode}
        if entry.lag:
            db.setdefault("PORTCHANNEL", {})[entry.lag] = {"admin_status": "up"}
            db.setdefault("PORTCHANNEL_MEMBER", {})[f"{entry.lag}|{port}"] = {}
        for address in sorted(routed(entry)):
            db.setdefault("INTERFACE", {})[port] = {}
            db["INTERFACE"][f"{port}|{address}"] = {}
    return {name: table for name, table in db.items() if table}


def _row(at: int, entry: PortConfig) -> dict[str, str]:
    status = {"admin_status": "down" if entry.shut else "up"}
    return {"alias": f"etp{at + 1}", "index": str(at), "speed": "25000", "mode": entry.mode.value, **status}


def _memberships(port: str, entry: PortConfig) -> Iterable[tuple[str, str]]:
    for vlan in sorted(entry.allowed or ()):
        yield f"Vlan{vlan}|{port}", "tagged"
    if entry.native is not None:
        yield f"Vlan{entry.native}|{port}", "untagged"


def patched(config: Config, ops: list[dict[str, Any]]) -> Config:
    """Answer a configuration after a patch. Raises Invalid."""
    db = copy.deepcopy(printed(config))
    for op in ops:
        _apply(db, op)
    if empty := sorted(name for name, table in db.items() if not table):
        raise Invalid(
            "Given patch is not valid because it will result in empty tables which is not allowed in ConfigDb. "
            f"Table: {', '.join(empty)}"
        )
    return _configured(config, db)


def _apply(db: Any, op: dict[str, Any]) -> None:
    """Apply one operation (RFC 6902, section 4). The root itself cannot be meant here."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in str(op["path"]).split("/")[1:]]
    if not parts:
        raise Invalid("the whole document cannot be replaced")
    holder = db
    for part in parts[:-1]:
        if not isinstance(holder, dict) or part not in holder:
            raise Invalid(f"member '{part}' not found in {op['path']}")
        holder = holder[part]
    last, verb = parts[-1], op["op"]
    if verb != "add" and last not in holder:
        raise Invalid(f"can't {verb} a non-existent object '{last}'")
    if verb == "remove":
        del holder[last]
    elif verb in ("add", "replace"):
        holder[last] = copy.deepcopy(op["value"])
    elif verb != "test" or holder[last] != op["value"]:
        raise Invalid(f"{verb} of {op['path']} failed")


def _configured(old: Config, db: dict[str, Any]) -> Config:
    """Read a database back into a configuration. Raises Invalid where YANG would refuse."""
    new = Config({}, {_vlan(name, row) for name, row in db.get("VLAN", {}).items()})
    if db.get("PORT", {}).keys() != old.ports.keys():
        raise Invalid("Data Loading Failed: a PORT cannot be made or unmade")
    for port, row in db["PORT"].items():
        kept = replace(FACTORY, lag=old.ports[port].lag)
        mode, status = row.get("mode", "routed"), row.get("admin_status", "down")
        if mode not in _MODES or status not in ("up", "down"):
            raise Invalid(f"Data Loading Failed: PORT|{port} has a value that is none")
        new.ports[port] = replace(kept, mode=_MODES[mode], shut=status == "down", lines=_addresses(db, port))
    for key, row in db.get("VLAN_MEMBER", {}).items():
        name, _, port = key.partition("|")
        if name not in db.get("VLAN", {}) or port not in new.ports:
            raise Invalid(f"Data Loading Failed: VLAN_MEMBER|{key} points nowhere")
        new.ports[port] = _joined(new.ports[port], key, int(name[4:]), row.get("tagging_mode"))
    for port, entry in new.ports.items():
        _check(port, entry)
    return new


def _vlan(name: str, row: dict[str, str]) -> int:
    found = re.fullmatch(r"Vlan([1-9][0-9]{0,3})", name)
    if found is None or row.get("vlanid") != found[1] or not 2 <= int(found[1]) <= 4094:
        raise Invalid(f"Data Loading Failed: Invalid VLAN ID in VLAN|{name} (2-4094)")
    return int(found[1])


def _addresses(db: dict[str, Any], port: str) -> frozenset[str]:
    keys = [key for key in db.get("INTERFACE", {}) if key.partition("|")[0] == port]
    found = [key.partition("|")[2] for key in keys if "|" in key]
    if found and port not in keys:
        raise Invalid(f"Data Loading Failed: INTERFACE|{port} is missing")
    return frozenset(f"ip {address}" for address in found)


def _joined(entry: PortConfig, key: str, vlan: int, mode: str | None) -> PortConfig:
    if mode == "tagged":
        return replace(entry, allowed=(entry.allowed or frozenset()) | {vlan})
    if mode != "untagged" or entry.native is not None:
        raise Invalid(f"Data Loading Failed: {key} is already untagged member, or has no mode")
    return replace(entry, native=vlan)


def _check(port: str, entry: PortConfig) -> None:
    carries = bool(entry.allowed) or entry.native is not None
    if carries and (entry.lag or routed(entry)):
        raise Invalid(f"Data Loading Failed: {port} is a router interface or a member of {entry.lag or 'none'}")
    if carries and entry.mode is Mode.ROUTED:
        raise Invalid(f"Data Loading Failed: {port} is in routed mode")
    if entry.allowed and entry.mode is Mode.ACCESS:
        raise Invalid(f"Data Loading Failed: {port} is in access mode! Tagged Members cannot be added")
