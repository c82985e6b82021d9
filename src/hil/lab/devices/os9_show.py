"""What an emulated OS9 switch shows, in the shape of the real ones' output. Pure functions of the device."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from textwrap import wrap
from typing import Final

from hil.core.vlans import fold
from hil.drivers.switch.os9.names import written
from hil.lab.devices.model import Device, Mode, PortConfig

HYBRID: Final = "portmode hybrid"


def short(port: str) -> str:
    """The name as tables abbreviate it.

    >>> short("TenGigabitEthernet0/1")
    'Te 0/1'
    """
    kind, _, number = written({}, port).partition(" ")
    return f"{kind[:2].capitalize()} {number}"


def configured(name: str, port: PortConfig) -> Iterator[str]:
    """The port's own part of the running configuration; its VLANs are told by these."""
    yield f"interface {written({}, name)}"
    yield " no ip address"
    if HYBRID in port.lines:
        yield f" {HYBRID}"
    if port.mode is not Mode.ROUTED:
        yield " switchport"
    yield from (f" {line}" for line in sorted(port.lines - {HYBRID}))
    if port.lag:
        yield " port-channel-protocol LACP"
        yield f"  port-channel {port.lag} mode active"
    yield " shutdown" if port.shut else " no shutdown"
    yield "!"


def running(device: Device) -> str:
    lines = ["Current Configuration ...", "! Version 9.11(2.0)", "!", "hostname Dell", "!", "protocol lldp", "!"]
    if getattr(device.rule, "default", 1) is None:
        lines += ["default-vlan disable", "!"]
    for name, port in device.config.ports.items():
        lines += configured(name, port)
    lines += ["interface ManagementEthernet 0/0", " ip address 192.0.2.2/24", " no shutdown", "!"]
    for vlan in sorted(device.config.vlans):
        lines += _vlan(device, vlan)
    return "\n".join([*lines, "line vty 0", "!", "end"])


def _vlan(device: Device, vlan: int) -> Iterator[str]:
    yield f"interface Vlan {vlan}"
    for name, port in device.config.ports.items():
        if port.mode is not Mode.ROUTED and vlan in (port.allowed or ()):
            yield f" tagged {written({}, name)}"
        if port.mode is not Mode.ROUTED and vlan == port.native != 1:
            yield f" untagged {written({}, name)}"
    yield " no shutdown"
    yield "!"


def switchports(device: Device) -> str:
    """Only switch ports are shown; the list of tagged VLANs has blanks and is wrapped."""
    lines = ["", "Codes:  U - Untagged, T - Tagged", "        x - Dot1x untagged, X - Dot1x tagged"]
    lines += ["        G - GVRP tagged, M - Trunk, H - VSN tagged", ""]
    for name, port in device.config.ports.items():
        if port.mode is not Mode.ROUTED:
            lines += [*_switchport(name, port), "", ""]
    return "\n".join(lines)


def _switchport(name: str, port: PortConfig) -> Iterator[str]:
    tagged = port.allowed or frozenset()
    hybrid = HYBRID in port.lines
    yield f"Name: {written({}, name)}"
    yield f"802.1QTagged: {'Hybrid' if hybrid else 'True' if tagged else 'False'}"
    yield "Vlan membership:"
    yield "Q       Vlans"
    if port.native is not None:
        yield f"U       {port.native}"
    first, *rest = wrap(fold(tagged).replace(",", ", "), 40) or [""]
    if first:
        yield f"T       {re.sub(', ', ',', first)}"
        yield from (f"        {line}" for line in rest)
    if hybrid and port.native is not None:
        yield ""
        yield f"Native VlanId:    {port.native}."


def version(_device: Device) -> str:
    return (
        "Dell Real Time Operating System Software\nDell Operating System Version:  2.0\n"
        "Dell Application Software Version:  9.11(2.0)\nCopyright (c) 1999-2017 by Dell Inc. All Rights Reserved.\n"
        "Dell Networking OS uptime is 2 day(s), 3 hour(s), 4 minute(s)\n\n"
        'System image file is "system://A"\n\nSystem Type: S4048-ON\n'
    )


def inventory(_device: Device) -> str:
    return (
        "System Type        : S4048-ON\nSystem Mode        : 1.0\nSoftware Version   : 9.11(2.0)\n\n"
        "Unit Type                      Serial Number   Part Number  Rev  Piece Part ID             Rev  Svc Tag\n"
        "------------------------------------------------------------------------------------------------------\n"
        "* 1  S4048-ON-01-FE-52T        NA              000LAB       X01  TW-000LAB-00000-000-0001  X01  LAB4048\n"
    )


def neighbours(device: Device) -> str:
    lines = []
    for name, found in device.neighbours.items():
        lines += ["=" * 72, f" Local Interface {short(name)} has {len(found)} neighbor"]
        lines += ["  Total Frames Out: 30541", "  The neighbors are given below:", f"  {'-' * 71}"]
        for other in found:
            lines += ["", "    Remote Chassis ID Subtype: Mac address (4)", f"    Remote Chassis ID:  {other.chassis}"]
            lines += ["    Remote Port Subtype:  Interface name (5)", f"    Remote Port ID:  {other.port}"]
            lines += [f"    Local Port ID: {written({}, name)}", "    Remote TTL:  120"]
            lines += [f"    Remote System Name:  {other.name}", "    Remote System Desc:  Linux"]
            lines += ["     Remote Chassis ID:  02:ff:ff:ff:ff:ff", "    Existing System Capabilities:  Bridge"]
            lines += [f"   {'-' * 75}"]
    return "\n".join(lines)


def macs(device: Device) -> str:
    rows = [
        f" {mac.vlan}\t{mac.address}\tDynamic\t{short(port):<10}\tActive"
        for port, found in device.macs.items()
        for mac in found
    ]
    return "\n".join(["VlanId     Mac Address           Type   Interface        State", *rows])


SHOWN: Final[Mapping[str, Callable[[Device], str]]] = {
    "show running-config": running,
    "show interfaces switchport": switchports,
    "show version": version,
    "show inventory": inventory,
    "show lldp neighbors detail": neighbours,
    "show mac-address-table dynamic": macs,
}
"""What can be shown, by command."""
