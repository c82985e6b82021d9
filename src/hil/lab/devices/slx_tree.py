"""The ports of an emulated VDX or SLX switch: what a request makes of one, and the XML that it is printed as.

`hybrid` is the mode `trunk-no-default-native`. Plain trunk mode always has a native VLAN, VLAN 1 unless another is set,
and carries every VLAN until it gets a list. A VLAN must exist before a port can list it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortState
from hil.core.vlans import fold, unfold
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.lab.devices.model import Config, Mode, PortConfig, trunk_of_all

MODES: Final = {"access": Mode.ACCESS, "trunk": Mode.TRUNK, "trunk-no-default-native": Mode.HYBRID}
WORDS: Final = {mode: word for word, mode in MODES.items()}
_ELEMENT: Final = re.compile(r"<([a-z-]+)>([^<]*)</\1>")
_NAMESPACES: Final = 'xmlns="urn:brocade.com:mgmt:brocade-interface" xmlns:y="http://brocade.com/ns/rest"'


class Refusal(Exception):
    """A request was refused: a status and the switch's words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class SlxRule:
    """What NOS and SLX-OS make of a configured port."""

    def carried(self, config: Config, port: str) -> Carried:
        found = config.ports[port]
        if found.shut or found.lag or found.mode is Mode.ROUTED:
            return Carried(None, frozenset())
        if found.mode is Mode.ACCESS:
            return Carried(found.access if found.access in config.vlans else None, frozenset())
        native = found.native if found.native in config.vlans else None
        if found.allowed is None:
            return Carried(native, frozenset(config.vlans) - {native}, everything=True)
        return Carried(native, (found.allowed & config.vlans) - {native})

    def held(self, config: Config, port: str) -> Held:
        found = config.ports[port]
        raw = printed("Interface", port, found)
        if found.lag:
            return Foreign(f"a member of port channel {found.lag}", raw, CLOSED)
        if found.shut:
            return CLOSED
        if found.mode is Mode.ROUTED:
            return Foreign("no switch port", raw, CLOSED)
        if found.mode is not Mode.HYBRID or found.allowed is None:
            return Foreign(f"in mode {WORDS[found.mode]}", raw)
        return PortState(found.native, found.allowed - {found.native})

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        before = config.ports[port]
        if isinstance(held, Foreign):
            return replace(before, lag="7") if "member" in held.reason else trunk_of_all(before)
        if not held.enabled:
            return replace(before, shut=True)
        return replace(before, mode=Mode.HYBRID, native=held.native, allowed=held.tagged, shut=False)


def changed(port: PortConfig, vlans: set[int], method: str, path: str, body: str) -> PortConfig:
    """What a request makes of a port; `path` is what follows the port's own. Raises Refusal."""
    match method, path:
        case "POST", "":
            return _created(port, body)
        case "DELETE", "shutdown":
            return replace(port, shut=False) if port.shut else _refuse(404, "data not found")
        case "PUT", "switchport/mode":
            return _moded(port, _value(body, "vlan-mode"))
        case _ if port.mode is Mode.ROUTED:
            return _refuse(404, "the interface is no switch port")
        case "PUT", "switchport/trunk/allowed/vlan":
            return replace(port, allowed=_listed(port, vlans, body))
        case "PUT", "switchport/trunk/native-vlan-untagged-config":
            return _untagged(port, vlans, _value(body, "native-vlan-id-untagged"))
        case "DELETE", "switchport/trunk/native-vlan-untagged-config":
            if port.mode is not Mode.HYBRID or port.native is None:
                raise Refusal(404, "data not found")
            return replace(port, native=None)
        case _:
            return _refuse(404, "resource not found")


def _created(port: PortConfig, body: str) -> PortConfig:
    if "<shutdown>" in body:
        return _refuse(409, "object already exists") if port.shut else replace(port, shut=True)
    if "<switchport>" in body:
        return replace(port, mode=Mode.ACCESS) if port.mode is Mode.ROUTED else _refuse(409, "object already exists")
    return _refuse(400, "malformed message")


def _moded(port: PortConfig, word: str) -> PortConfig:
    if port.mode is Mode.ROUTED or word not in MODES:
        return _refuse(404 if port.mode is Mode.ROUTED else 400, "invalid value")
    mode = MODES[word]
    if mode is port.mode:
        return port
    listed = frozenset[int]() if port.mode is Mode.ACCESS else port.allowed
    return replace(port, mode=mode, native=None if mode is Mode.HYBRID else 1, allowed=listed)


def _listed(port: PortConfig, vlans: set[int], body: str) -> frozenset[int] | None:
    inner = body.strip().removeprefix("<vlan>").removesuffix("</vlan>")
    found = _ELEMENT.fullmatch(inner)
    if found is None:
        raise Refusal(400, "malformed message")
    word, before = found[1], frozenset(range(1, 4091)) if port.allowed is None else port.allowed
    if word == "all":
        return None
    if word == "none":
        return frozenset()
    ids = _ids(found[2])
    if word == "remove":
        return before - ids
    if word != "add":
        raise Refusal(400, "malformed message")
    if missing := ids - vlans:
        raise Refusal(400, f"VLAN {fold(missing)} does not exist")
    if port.mode is Mode.HYBRID and port.native in ids:
        raise Refusal(400, f"VLAN {port.native} is the untagged VLAN of the interface")
    return before | ids


def _untagged(port: PortConfig, vlans: set[int], text: str) -> PortConfig:
    if port.mode is not Mode.HYBRID:
        raise Refusal(400, "native-vlan-untagged is allowed in mode trunk-no-default-native only")
    vlan = next(iter(_ids(text)))
    if vlan not in vlans:
        raise Refusal(400, f"VLAN {vlan} does not exist")
    if port.allowed is None or vlan in port.allowed:
        raise Refusal(400, f"VLAN {vlan} is tagged on the interface")
    return replace(port, native=vlan)


def printed(kind: str, name: str, port: PortConfig) -> str:
    """A port's configuration as the switch answers it."""
    parts = [f"<name>{name}</name>"]
    if port.lag:
        parts.append(f"<channel-group><port-int>{port.lag}</port-int><mode>active</mode></channel-group>")
    if port.mode is not Mode.ROUTED:
        parts.append(f"<switchport>{_switchport(port)}</switchport>")
    if port.shut:
        parts.append("<shutdown>true</shutdown>")
    return f"<{kind} {_NAMESPACES}>\r\n{''.join(parts)}\r\n</{kind}>"


def _switchport(port: PortConfig) -> str:
    mode = f"<mode><vlan-mode>{WORDS[port.mode]}</vlan-mode></mode>"
    if port.mode is Mode.ACCESS:
        return f"{mode}<access><vlan>{port.access}</vlan></access>"
    inner = "<all>true</all>" if port.allowed is None else f"<add>{fold(port.allowed)}</add>" if port.allowed else ""
    trunk = f"<allowed><vlan>{inner}</vlan></allowed>" if inner else "<allowed></allowed>"
    if port.mode is Mode.TRUNK:
        trunk += f"<tag><native-vlan>true</native-vlan></tag><native-vlan>{port.native}</native-vlan>"
    elif port.native is not None:
        inner = f"<native-vlan-id-untagged>{port.native}</native-vlan-id-untagged>"
        trunk += f"<native-vlan-untagged-config>{inner}</native-vlan-untagged-config>"
    return f"{mode}<trunk>{trunk}</trunk>"


def _value(body: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", body)
    if found is None:
        raise Refusal(400, "malformed message")
    return found[1]


def _ids(text: str) -> frozenset[int]:
    try:
        found = unfold(text)
    except BadArgument:
        raise Refusal(400, "invalid value") from None
    if not found or max(found) > 4090:
        raise Refusal(400, "invalid value")
    return found


def _refuse(status: int, words: str) -> PortConfig:
    raise Refusal(status, words)
