"""What an emulated OS10 switch shows, in the shape of the real ones' output. Pure functions of the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from hil.core.vlans import fold
from hil.lab.devices.model import Device, Mode, PortConfig


def configured(name: str, port: PortConfig) -> Iterator[str]:
    """The port's part of the running configuration, which tells the untagged VLAN of every switch port."""
    yield f"interface {name}"
    yield " shutdown" if port.shut else " no shutdown"
    if port.lag:
        yield f" channel-group {port.lag} mode active"
    if port.mode is Mode.ROUTED:
        yield " no switchport"
    else:
        if port.mode is Mode.TRUNK:
            yield " switchport mode trunk"
        yield f" switchport access vlan {port.access}"
        if port.mode is Mode.TRUNK and (port.allowed is None or port.allowed):
            yield f" switchport trunk allowed vlan {'1-4093' if port.allowed is None else fold(port.allowed)}"
    yield from (f" {line}" for line in sorted(port.lines))
    yield " flowcontrol receive on"
    yield "!"


def running(device: Device) -> str:
    head = ["! Version 10.5.2.3", "! Last configuration change at Nov  20 12:26:08 2026", "!", "hostname OS10"]
    head += ["interface breakout 1/1/1 map 40g-1x", "spanning-tree mode rstp", "!"]
    vlans = [line for vlan in sorted(device.config.vlans) for line in (f"interface vlan{vlan}", " no shutdown", "!")]
    ports = [line for name, port in device.config.ports.items() for line in configured(name, port)]
    tail = ["interface mgmt1/1/1", " no shutdown", " ip address dhcp", " !", "!", "support-assist", "!"]
    return "\n".join([*head, *vlans, *ports, *tail])


def version(_device: Device) -> str:
    return (
        "Dell EMC Networking OS10 Enterprise\n"
        "Copyright (c) 1999-2021 by Dell Inc. All Rights Reserved.\n"
        "OS Version: 10.5.2.3\nBuild Version: 10.5.2.3.374\nBuild Time: 2021-02-05T00:00:00+0000\n"
        "System Type: S4148F-ON\nArchitecture: x86_64\nUp Time: 2 days 03:04:05\n"
    )


def inventory(_device: Device) -> str:
    return (
        "Product               : S4148F-ON\nSoftware version      : 10.5.2.3\n\n"
        "Unit Type                     Part Number  Rev  Piece Part ID             Svc Tag  Exprs Svc Code\n"
        "-------------------------------------------------------------------------------------------------\n"
        "* 1  S4148F-ON                000LAB       X01  TW-000LAB-00000-000-0001  LABTAG7  000 000 000 01\n"
        "  1  S4148F-ON-PWR-1-AC       000PWR       A00  TW-000PWR-00000-000-0002  AEIOU##  000 000 000 02\n"
    )


def neighbours(device: Device) -> str:
    row = "{:<20}{:<20}{:<20}{}"
    rows = [
        row.format(port, other.name or "Not Advertised", other.port, other.chassis)
        for port, found in device.neighbours.items()
        for other in found
    ]
    return "\n".join([row.format("Loc PortID", "Rem Host Name", "Rem Port Id", "Rem Chassis Id"), "-" * 78, *rows])


def macs(device: Device) -> str:
    row = "{:<8}{:<20}{:<10}{}"
    rows = [
        row.format(mac.vlan or "", mac.address, "dynamic", port) for port, found in device.macs.items() for mac in found
    ]
    return "\n".join([row.format("VlanId", "Mac Address", "Type", "Interface"), *rows])


SHOWN: Final[Mapping[str, Callable[[Device], str]]] = {
    "show running-configuration": running,
    "show version": version,
    "show inventory": inventory,
    "show lldp neighbors": neighbours,
    "show mac address-table dynamic": macs,
}
"""What can be shown, by command."""
