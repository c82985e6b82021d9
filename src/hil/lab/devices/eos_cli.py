"""The configuration language of an emulated Arista switch: lines typed into a configuration, and what it prints.

It takes the lines that switch ports and VLANs are configured with, and answers everything else as EOS does: invalid
input. `Shell` changes the configuration that it was given, at once: whoever wants a session gives it a copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortState
from hil.core.vlans import fold, unfold
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.lab.devices.model import Config, Mode, PortConfig, trunk_of_all

FACTORY: Final = PortConfig(allowed=None)
"""Access mode, VLAN 1, up; as a trunk it would carry every VLAN."""
_GROUP: Final = "switchport trunk group "
_KEPT: Final = re.compile(r"(spanning-tree|storm-control|description|speed|switchport trunk group) .+")


class CommandError(Exception):
    """A line was refused; the text is the switch's."""


class EosRule:
    """What EOS makes of a configured port."""

    def carried(self, config: Config, port: str) -> Carried:
        found = config.ports[port]
        if found.shut or found.lag or found.mode is Mode.ROUTED:
            return Carried(None, frozenset())
        if found.mode is Mode.ACCESS:
            return Carried(found.access if found.access in config.vlans else None, frozenset())
        if found.allowed is None:
            return Carried(found.native, frozenset(config.vlans) - {found.native}, everything=True)
        there = found.allowed & config.vlans
        return Carried(found.native if found.native in there else None, there - {found.native})

    def held(self, config: Config, port: str) -> Held:
        found = config.ports[port]
        raw = "\n".join(port_lines(found))
        if found.lag:
            return Foreign(f"a member of port channel {found.lag}", raw, CLOSED)
        if found.shut:
            return CLOSED
        if found.mode is Mode.ROUTED:
            return Foreign("a routed port, or none that switches", raw, CLOSED)
        if any(line.startswith(_GROUP) for line in found.lines):
            return Foreign("a trunk of VLAN groups", raw)
        if found.mode is Mode.ACCESS:
            return PortState(found.access)
        if found.allowed is None:
            return Foreign("a trunk of all VLANs", raw)
        native = found.native if found.native in found.allowed else None
        return PortState(native, found.allowed - {native})

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        before = config.ports[port]
        if isinstance(held, Foreign):
            return replace(before, lag="7") if "member" in held.reason else trunk_of_all(before)
        if not held.enabled:
            return replace(before, shut=True)
        native = 4094 if held.native is None else held.native
        return replace(before, mode=Mode.TRUNK, native=native, allowed=held.vlans, shut=False)


class Shell:
    """A console in configuration mode. `changing(port)` is called before each line that changes a port."""

    def __init__(self, config: Config, changing: Callable[[str], None] = lambda port: None) -> None:
        self.config = config
        self._changing = changing
        self._port: str | None = None

    def line(self, text: str) -> None:
        """Take one line. Raises CommandError."""
        words = text.split()
        match words:
            case ["vlan", ids]:
                self._port = None
                self.config.vlans |= _ids(ids)
            case ["interface", name]:
                if name not in self.config.ports:
                    raise CommandError("Interface does not exist")
                self._port = name
            case _ if self._port is not None and words:
                self._changing(self._port)
                self.config.ports[self._port] = typed(self.config.ports[self._port], words)
            case _:
                raise _invalid(text)


def typed(port: PortConfig, words: list[str]) -> PortConfig:
    """What a line makes of a port. Raises CommandError."""
    match words:
        case ["shutdown"]:
            return replace(port, shut=True)
        case ["no", "shutdown"]:
            return replace(port, shut=False)
        case ["switchport"]:
            return replace(port, mode=Mode.ACCESS) if port.mode is Mode.ROUTED else port
        case ["no", "switchport"]:
            return replace(port, mode=Mode.ROUTED)
        case ["switchport", "mode", ("access" | "trunk") as mode]:
            return replace(port, mode=Mode(mode))
        case ["switchport", "access", "vlan", number]:
            return replace(port, access=_one(number))
        case ["switchport", "trunk", "native", "vlan", "tag"]:
            return replace(port, native=None)
        case ["switchport", "trunk", "native", "vlan", number]:
            return replace(port, native=_one(number))
        case ["no", "switchport", "trunk", "group"]:
            return replace(port, lines=frozenset(line for line in port.lines if not line.startswith(_GROUP)))
        case ["switchport", "trunk", "allowed", "vlan", *how]:
            return replace(port, allowed=allowed(port.allowed, how))
        case ["no", "switchport", "trunk", "allowed", "vlan"]:
            return replace(port, allowed=None)
        case _ if _KEPT.fullmatch(" ".join(words)):
            return replace(port, lines=port.lines | {" ".join(words)})
        case _:
            raise _invalid(" ".join(words))


def allowed(before: frozenset[int] | None, how: list[str]) -> frozenset[int] | None:
    """A trunk's list after `switchport trunk allowed vlan …`; None is ALL. Raises CommandError."""
    everything = frozenset(range(1, 4095))
    match how:
        case ["none"]:
            return frozenset()
        case ["all"]:
            return None
        case ["add", ids]:
            return None if before is None else before | _ids(ids)
        case ["remove", ids]:
            return (everything if before is None else before) - _ids(ids)
        case ["except", ids]:
            return everything - _ids(ids)
        case [ids]:
            return _ids(ids)
        case _:
            raise _invalid(" ".join(how))


def port_lines(port: PortConfig) -> list[str]:
    """A port's section of the running configuration; defaults are left out, as EOS leaves them."""
    found = []
    if port.mode is Mode.ROUTED:
        found.append("no switchport")
    if port.access not in (1, None):
        found.append(f"switchport access vlan {port.access}")
    if port.native != 1:
        found.append(f"switchport trunk native vlan {port.native or 'tag'}")
    if port.allowed is not None:
        found.append(f"switchport trunk allowed vlan {fold(port.allowed) or 'none'}")
    if port.mode is Mode.TRUNK:
        found.append("switchport mode trunk")
    if port.lag:
        found.append(f"channel-group {port.lag} mode active")
    if port.shut:
        found.append("shutdown")
    return [*found, *sorted(port.lines)]


def running(config: Config) -> dict[str, Any]:
    """What `show running-config` answers in JSON."""
    sections: dict[str, Any] = {f"vlan {fold(config.vlans - {1})}": _section([])} if config.vlans - {1} else {}
    sections |= {f"interface {name}": _section(port_lines(port)) for name, port in config.ports.items()}
    return {
        "cmds": sections | {"interface Management1": _section(["ip address 10.0.0.7/24"])},
        "header": [],
        "comments": [],
    }


def switchports(config: Config) -> dict[str, Any]:
    """What `show interfaces switchport` answers in JSON; members of port channels are left out."""
    return {
        "switchports": {
            name: {"enabled": True, "switchportInfo": _switchport(port)}
            for name, port in config.ports.items()
            if not port.lag and port.mode is not Mode.ROUTED
        },
        "sourceDetail": "",
    }


def _switchport(port: PortConfig) -> dict[str, Any]:
    vlans = "ALL" if port.allowed is None else fold(port.allowed) or "NONE"
    return {
        "mode": str(port.mode),
        "accessVlanId": port.access,
        "accessVlanName": "default",
        "trunkingNativeVlanId": port.native or 0,
        "trunkAllowedVlans": vlans,
        "staticTrunkGroups": [line.removeprefix(_GROUP) for line in sorted(port.lines) if line.startswith(_GROUP)],
        "dynamicTrunkGroups": [],
        "dynamicAllowedVlans": {},
        "dot1qVlanTagRequired": False,
        "macLearning": True,
        "tpid": "0x8100",
    }


def _section(lines: list[str]) -> dict[str, Any]:
    return {"cmds": dict.fromkeys(lines), "comments": []}


def _ids(text: str) -> frozenset[int]:
    try:
        found = unfold(text)
    except BadArgument:
        raise _invalid(text) from None
    if not found:
        raise _invalid(text)
    return found


def _one(text: str) -> int:
    return next(iter(_ids(text)))


def _invalid(text: str) -> CommandError:
    return CommandError(f"Invalid input (at token 0: '{text[:40]}')")
