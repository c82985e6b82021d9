"""What an Arista switch says of itself, in the JSON of eAPI, judged without guessing.

A port is read from two places that must agree: `show interfaces switchport` (mode, VLANs, trunk groups) and its section
of `show running-config` (shutdown, channel-group, and every `switchport` line that HIL does not know, which makes the
port not representable). Both are configuration. A VLAN list is `ALL`, `NONE` or ranges. A native VLAN outside the list
lets nothing untagged through, and is none. Functions here raise ValueError about what is no such answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, Observed, PortState
from hil.core.vlans import unfold, vlan_id
from hil.core.wiring import About, Mac, Neighbour, canonical_mac

_PORT: Final = re.compile(r"interface (Ethernet[0-9]+(?:/[0-9]+){0,2})")
_LAG: Final = re.compile(r"channel-group (\S+)")
_KNOWN: Final = re.compile(
    r"switchport$|switchport (mode (access|trunk)|access vlan \S+"
    r"|trunk allowed vlan (?!add|remove|except)\S+|trunk native vlan \S+)$"
)
"""The lines of a port that `show interfaces switchport` tells whole; any other that begins so changes their meaning."""


@dataclass(frozen=True, slots=True)
class View:
    """The switch at one moment: ports, members of port channels, configuration sessions and their states."""

    ports: Mapping[str, Observed]
    lags: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)


def view(running: Any, switchports: Any, sessions: Any) -> View:
    """Put three answers together: show running-config, show interfaces switchport, show configuration sessions."""
    found, lags = dict[str, Observed](), dict[str, str]()
    shown = _table(switchports, "switchports")
    for section, content in _table(running, "cmds").items():
        if (match := _PORT.fullmatch(section)) is None:
            continue
        lines = list(_table(content, "cmds")) if isinstance(content, dict) else []
        port = match[1]
        for line in lines:
            if member := _LAG.match(line):
                lags[port] = f"port channel {member[1]}"
        found[port] = observed(lines, shown.get(port), lags.get(port))
    states = {name: _text(entry, "state") for name, entry in _table(sessions, "sessions").items()}
    return View(found, lags, states)


def observed(lines: list[str], shown: Any, lag: str | None = None) -> Observed:
    """Judge one port: its lines of configuration, and its entry of `show interfaces switchport` (None: no entry)."""
    raw = "\n".join(lines) or "(no configuration)"
    if lag is not None:
        return Observed(None, f"a member of {lag}", raw)
    if "shutdown" in lines:
        return Observed(CLOSED, raw=raw)
    if "no switchport" in lines or not isinstance(shown, dict) or shown.get("enabled") is not True:
        return Observed(None, "a routed port, or none that switches", raw)
    for line in lines:
        if line.startswith(("switchport", "no switchport", "default switchport")) and not _KNOWN.match(line):
            return Observed(None, f"configured by a line that HIL cannot mean: {line[:80]}", raw)
    info = shown.get("switchportInfo")
    try:
        return _state(info if isinstance(info, dict) else {}, lines, raw)
    except (BadArgument, ValueError) as error:
        return Observed(None, f"no state that HIL can mean: {error}", f"{raw}\n{info!r}"[:4000])


def _state(info: Mapping[str, Any], lines: list[str], raw: str) -> Observed:
    """Raises ValueError or BadArgument about fields that say nothing."""
    if info.get("staticTrunkGroups") or info.get("dynamicTrunkGroups"):
        return Observed(None, "a trunk of VLAN groups", raw)
    if _disagrees(info.get("mode"), lines):
        return Observed(None, "its configuration and its switchport table disagree", raw)
    match info.get("mode"), info.get("trunkAllowedVlans"):
        case "access", _:
            return Observed(PortState(_number(info, "accessVlanId")), raw=raw)
        case "trunk", "ALL":
            return Observed(None, "a trunk of all VLANs", raw)
        case "trunk", str() as text:
            allowed = frozenset[int]() if text == "NONE" else unfold(text)
            if not allowed and text != "NONE":
                raise ValueError("an empty list of VLANs")
            tagged = "switchport trunk native vlan tag" in lines
            native = None if tagged else _number(info, "trunkingNativeVlanId")
            return Observed(
                PortState(native, allowed - {native}) if native in allowed else PortState(None, allowed), "", raw
            )
        case mode, _:
            return Observed(None, f"in mode {str(mode)[:40]}", raw)


def _disagrees(mode: Any, lines: list[str]) -> bool:
    """EOS writes `switchport mode trunk` and leaves the default, access, out."""
    return ("switchport mode trunk" in lines) is not (mode == "trunk")


def about(version: Any) -> About:
    return About(_text(version, "modelName"), _text(version, "version"), _text(version, "serialNumber"))


def neighbours(answer: Any) -> dict[str, list[Neighbour]]:
    """Read `show lldp neighbors detail`."""
    found: dict[str, list[Neighbour]] = {}
    for port, entry in _table(answer, "lldpNeighbors").items():
        if not _PORT.fullmatch(f"interface {port}"):
            continue
        for info in entry.get("lldpNeighborInfo") or [] if isinstance(entry, dict) else []:
            interface = info.get("neighborInterfaceInfo") if isinstance(info, dict) else None
            chassis, far = _text(info, "chassisId"), _text(interface, "interfaceId").strip('"')
            found.setdefault(port, []).append(
                Neighbour(canonical_mac(chassis) or chassis, canonical_mac(far) or far, _text(info, "systemName"))
            )
    return found


def macs(answer: Any) -> dict[str, list[Mac]]:
    """Read `show mac address-table`: what was learned on ports."""
    found: dict[str, list[Mac]] = {}
    table = answer.get("unicastTable") if isinstance(answer, dict) else None
    for entry in table.get("tableEntries") or [] if isinstance(table, dict) else []:
        port, address = _text(entry, "interface"), canonical_mac(_text(entry, "macAddress"))
        if address and _text(entry, "entryType") == "dynamic" and _PORT.fullmatch(f"interface {port}"):
            vlan = entry.get("vlanId")
            found.setdefault(port, []).append(Mac(address, vlan if isinstance(vlan, int) else None))
    return found


def _table(answer: Any, key: str) -> Mapping[str, Any]:
    """A table of an answer. Raises ValueError if it is none."""
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise ValueError(f"an answer without {key}")
    return found


def _text(entry: Any, key: str) -> str:
    found = entry.get(key) if isinstance(entry, dict) else None
    return found if isinstance(found, str) else ""


def _number(info: Mapping[str, Any], key: str) -> int:
    found = info.get(key)
    if not isinstance(found, int):
        raise ValueError(f"{key} is no number")
    return vlan_id(found)
