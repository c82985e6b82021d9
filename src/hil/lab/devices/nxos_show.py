"""What an emulated Nexus shows, in the shape of the real ones' output. Pure functions of the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from textwrap import wrap
from typing import Any, Final

from hil.core.vlans import fold
from hil.lab.devices.model import Device, Mode, PortConfig


def configured(name: str, port: PortConfig) -> Iterator[str]:
    """The port's part of the running configuration: what is as it comes is left out."""
    yield f"interface {name}"
    if port.mode is Mode.ROUTED:
        yield "  no switchport"
    if port.mode is Mode.TRUNK:
        yield "  switchport mode trunk"
    if port.access not in (1, None):
        yield f"  switchport access vlan {port.access}"
    if port.native not in (1, None):
        yield f"  switchport trunk native vlan {port.native}"
    if port.allowed is not None:
        for number, part in enumerate(wrap(fold(port.allowed).replace(",", ", "), 70) or ["none"]):
            yield f"  switchport trunk allowed vlan {'add ' if number else ''}{part.replace(' ', '').rstrip(',')}"
    yield from (f"  {line}" for line in sorted(port.lines))
    if port.lag:
        yield f"  channel-group {port.lag[2:]} mode active"
    if port.shut:
        yield "  shutdown"


def running(device: Device) -> str:
    lines = ["", "!Command: show running-config", "!Running configuration last done at: Sat Jan  1 00:00:00 2022", ""]
    lines += ["version 9.3(8) Bios:version 05.45", "hostname nx-lab1", "", "feature nxapi", "feature lldp", ""]
    lines += [*wrap(f"vlan {fold(device.config.vlans)}", 4000), ""]
    for name, port in device.config.ports.items():
        lines += [*configured(name, port), ""]
    return "\n".join([*lines, "interface mgmt0", "  vrf member management", "", "line vty"])


def switchports(device: Device) -> str:
    return "\n".join(_switchport(device, name, port) for name, port in device.config.ports.items())


def _mode(port: PortConfig) -> str:
    return "trunk" if port.mode is Mode.TRUNK else "access"


def _allowed(port: PortConfig) -> str:
    return "1-4094" if port.allowed is None else fold(port.allowed) or "none"


def _switchport(device: Device, name: str, port: PortConfig) -> str:
    lines = [
        f"Name: {name}",
        f"  Switchport: {'Disabled' if port.mode is Mode.ROUTED else 'Enabled'}",
        "  Switchport Monitor: Not enabled",
        f"  Operational Mode: {'down' if port.shut else _mode(port)}",
        f"  Access Mode VLAN: {_vlan(device, port.access)}",
        f"  Trunking Native Mode VLAN: {_vlan(device, port.native)}",
        f"  Trunking VLANs Allowed: {_allowed(port)}",
        "  Voice VLAN: none",
        "  Extended Trust State : not trusted [COS = 0]",
        "  Administrative private-vlan primary host-association: none",
        "  Operational private-vlan: none",
    ]
    return "\n".join(lines)


def _vlan(device: Device, vlan: int | None) -> str:
    if vlan not in device.config.vlans:
        return f"{vlan} (Vlan not created)"
    return f"{vlan} ({'default' if vlan == 1 else f'VLAN{vlan:04}'})"


def switchport_table(device: Device) -> dict[str, Any]:
    """The same as JSON: one row alone stands as an object."""
    rows = [
        {
            "interface": name,
            "switchport": "Disabled" if port.mode is Mode.ROUTED else "Enabled",
            "switchport_monitor": "Not enabled",
            "oper_mode": "down" if port.shut else _mode(port),
            "access_vlan": port.access,
            "native_vlan": port.native,
            "trunk_vlans": _allowed(port),
        }
        for name, port in device.config.ports.items()
    ]
    return {"TABLE_interface": {"ROW_interface": rows[0] if len(rows) == 1 else rows}}


def version(_device: Device) -> str:
    return (
        "Cisco Nexus Operating System (NX-OS) Software\nTAC support: http://www.cisco.com/tac\n\nSoftware\n"
        "  BIOS: version 05.45\n  NXOS: version 9.3(8)\n\nHardware\n"
        "  cisco Nexus9000 C93180YC-EX chassis \n  Intel(R) Xeon(R) CPU with 24571504 kB of memory.\n"
        "  Processor Board ID FDO0000LAB2\n\n  Device name: nx-lab1\n"
    )


def clock(_device: Device) -> str:
    return "00:00:00.000 UTC Sat Jan 01 2022"


def neighbours(device: Device) -> str:
    blocks = [
        f"\nChassis id: {_dotted(other.chassis)}\nPort id: {_dotted(other.port)}\n"
        f"Local Port id: {port.replace('Ethernet', 'Eth')}\nPort Description: not advertised\n"
        f"System Name: {other.name}\nSystem Description: Linux\nTime remaining: 100 seconds\n"
        for port, found in device.neighbours.items()
        for other in found
    ]
    head = "Capability codes:\n  (R) Router, (B) Bridge, (T) Telephone, (C) DOCSIS Cable Device"
    return "\n".join([head, *blocks, f"Total entries displayed: {len(blocks)}"])


def macs(device: Device) -> str:
    rows = [
        f"* {mac.vlan or '':>4}     {_dotted(mac.address)}   dynamic  0         F      F    "
        + port.replace("Ethernet", "Eth")
        for port, found in device.macs.items()
        for mac in found
    ]
    head = "Legend:\n        * - primary entry, G - Gateway MAC, (R) - Routed MAC, O - Overlay MAC"
    table = "   VLAN     MAC Address      Type      age     Secure NTFY Ports\n" + "-" * 70
    return "\n".join([head, table, *rows])


def _dotted(text: str) -> str:
    digits = text.replace(":", "")
    return ".".join(digits[place : place + 4] for place in (0, 4, 8)) if len(digits) == 12 and ":" in text else text


SHOWN: Final[Mapping[str, Callable[[Device], str]]] = {
    "show running-config": running,
    "show interface switchport": switchports,
    "show version": version,
    "show clock": clock,
    "show lldp neighbors detail": neighbours,
    "show mac address-table dynamic": macs,
}
"""What can be shown, by command."""
TABLES: Final[Mapping[str, Callable[[Device], dict[str, Any]]]] = {"show interface switchport": switchport_table}
"""What can be shown as JSON."""
