"""What an emulated PowerConnect 5548 shows, in the shape of the real ones' output. Pure functions of the device."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from textwrap import wrap
from typing import Final

from hil.core.vlans import fold
from hil.lab.devices.model import Device, Mode, PortConfig

_MODES: Final = {Mode.ACCESS: "access", Mode.TRUNK: "trunk", Mode.HYBRID: "general"}


def configured(name: str, port: PortConfig) -> Iterator[str]:
    """The port's part of the running configuration: what is as it comes is left out."""
    yield f"interface port-channel {name[2:]}" if name.startswith("po") else f"interface {name}"
    if port.shut:
        yield " shutdown"
    if port.lag:
        yield f" channel-group {port.lag} mode auto"
    yield from (f" {line}" for line in sorted(port.lines))
    if port.mode is not Mode.ACCESS:
        yield f" switchport mode {_MODES[port.mode]}"
    if port.native != 1:
        yield f" switchport trunk native vlan {port.native or 'none'}"
    if port.allowed is not None:
        yield f" switchport trunk allowed vlan {f'add {fold(port.allowed)}' if port.allowed else 'none'}"
    yield "!"


def running(device: Device) -> str:
    head = ["vlan database", f"vlan {fold(device.config.vlans - {1})}", "exit", "hostname console", "!"]
    blocks = [[*configured(name, port)] for name, port in device.config.ports.items()]
    return "\n".join([*head, *(line for block in blocks if len(block) > 2 for line in block)])


def switchports(device: Device, ports: Collection[str], *, terse: bool = False) -> str:
    return "\n".join(_switchport(device, name, device.config.ports[name], terse) for name in ports)


def _switchport(device: Device, name: str, port: PortConfig, terse: bool) -> str:
    native = "none" if port.native is None else _vlan(device, port.native)
    inactive = frozenset(port.allowed or ()) - device.config.vlans
    allowed = "all" if port.allowed is None else fold(port.allowed).replace("-", " - ").replace(",", ", ") or "none"
    return "\n".join(
        [
            *([] if terse else [f"Name: {name}"]),
            "Switchport: enable",
            f"Administrative Mode: {_MODES[port.mode]}",
            f"Operational Mode: {'down' if port.shut else _MODES[port.mode]}",
            f"Access Mode VLAN: {_vlan(device, port.access or 1)}",
            "Access Multicast TV VLAN: none",
            f"Trunking Native Mode VLAN: {native}",
            *_wrapped("Trunking VLANs Enabled: ", f"{allowed}{' (Inactive)' if inactive else ''}"),
            "General PVID: 1",
            "General VLANs Enabled: none",
            "General Egress Tagged VLANs Enabled: none",
            "General Forbidden VLANs: none",
            "General Ingress Filtering: enabled",
            "General Acceptable Frame Type: all",
            "Private-vlan host-association: none",
            "Classification rules:",
            "",
            "Classification type Group ID VLAN ID",
            "------------------- -------- -------",
            "",
        ]
    )


def _wrapped(key: str, value: str) -> list[str]:
    first, *rest = wrap(value, 40) or [""]
    return [key + first, *(f"      {line}" for line in rest)]


def _vlan(device: Device, vlan: int) -> str:
    return f"{vlan}" if vlan in device.config.vlans else f"{vlan} (Inactive)"


def status(device: Device) -> str:
    head = ["                                             Flow Link          Back   Mdix"]
    head += ["Port     Type         Duplex  Speed Neg      ctrl State       Pressure Mode"]
    head += ["-------- ------------ ------  ----- -------- ---- ----------- -------- -------"]
    rows = [
        f"{name:<8} 1G-Copper      --      --     --     --  {'Down' if port.shut else 'Up'}           --     --"
        for name, port in device.config.ports.items()
    ]
    return "\n".join([*head, *rows])


def system(_device: Device) -> str:
    return (
        "System Type:                              PowerConnect 5548\n"
        "System Up Time (days,hour:min:sec):       3,04:05:06\n"
        "System Contact:\n"
        "System Name:                              console\n"
        "System MAC Address:                       02:00:00:00:55:48\n"
        "Type:                                     PowerConnect 5548\n\n"
        "Main Power Supply Status:                 OK\n"
    )


def version(_device: Device) -> str:
    return (
        "SW version    4.1.0.15 ( date  10-Oct-2013 time  11:22:33 )\n"
        "Boot version    1.0.0.25 ( date  06-Sep-2012 time  11:33:44 )\nHW version    00.00.02\n"
    )


def identity(_device: Device) -> str:
    return "Service tag: LAB5548\nSerial number: LAB0005548\nAsset tag:\n"


def neighbours(device: Device) -> str:
    head = ["", "  Port        Device ID        Port ID       System Name    Capabilities  TTL  "]
    head += ["--------- ----------------- ----------------- ----------------- ------------ ----- "]
    rows = [
        f"{port:<9} {other.chassis:<17} {other.port:<17} {other.name:<17} {'S':^12} {100:^5}"
        for port, found in device.neighbours.items()
        for other in found
    ]
    return "\n".join([*head, *rows])


def macs(device: Device) -> str:
    rows = [
        f"{mac.vlan:^8} {mac.address:^21} {port:^10} {'dynamic':^10}"
        for port, found in device.macs.items()
        for mac in found
    ]
    head = ["Aging time is 300 sec", "", "  Vlan        Mac Address         Port       Type    "]
    head += ["-------- --------------------- ---------- ---------- "]
    head += ["   1       02:00:00:00:55:48       0         self    "]
    return "\n".join([*head, *rows])


SHOWN: Final[Mapping[str, Callable[[Device], str]]] = {
    "show running-config": running,
    "show interfaces status": status,
    "show system": system,
    "show system id": identity,
    "show version": version,
    "show lldp neighbors": neighbours,
    "show mac address-table": macs,
}
"""What can be shown, by command."""
