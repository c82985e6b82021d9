"""What an emulated Catalyst shows, in the shape of the real ones' output. Pure functions of the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from textwrap import wrap
from typing import Final

from hil.core.vlans import fold
from hil.lab.devices.model import Device, Mode, PortConfig

_SHORT: Final = {"GigabitEthernet": "Gi", "TenGigabitEthernet": "Te", "Port-channel": "Po", "FastEthernet": "Fa"}


def short(port: str) -> str:
    """The port's name as `show` abbreviates it."""
    kind = port.rstrip("0123456789/")
    return _SHORT.get(kind, kind) + port[len(kind) :]


def configured(name: str, port: PortConfig) -> Iterator[str]:
    """The port's part of the running configuration: what is as it comes is left out."""
    yield f"interface {name}"
    if port.mode is Mode.ROUTED:
        yield " no switchport"
        yield " no ip address"
    if port.access not in (1, None):
        yield f" switchport access vlan {port.access}"
    if port.native not in (1, None):
        yield f" switchport trunk native vlan {port.native}"
    yield from _allowed(port)
    if port.mode is Mode.TRUNK:
        yield " switchport mode trunk"
    elif port.mode is Mode.ACCESS and not any("dynamic" in line for line in port.lines):
        yield " switchport mode access"
    yield from (f" {line}" for line in sorted(port.lines) if "dynamic" not in line and line != "needs encapsulation")
    if port.lag:
        yield f" channel-group {port.lag[2:]} mode active"
    if port.shut:
        yield " shutdown"


def _allowed(port: PortConfig) -> Iterator[str]:
    if port.allowed is None:
        return
    word = "switchport trunk allowed vlan"
    for number, part in enumerate(wrap(fold(port.allowed).replace(",", ", "), 60) or ["none"]):
        yield f" {word} {'add ' if number else ''}{part.replace(' ', '').rstrip(',')}"


def running(device: Device) -> str:
    lines = ["Building configuration...", "", "Current configuration : 4096 bytes", "!", "version 15.2", "!"]
    lines += ["hostname sw-lab1", "!", "banner motd ^C", "% Nothing here is refused", "^C", "!"]
    lines += ["vlan internal allocation policy ascending", "!"]
    for name, port in device.config.ports.items():
        lines += [*configured(name, port), "!"]
    return "\n".join(
        [*lines, "interface Vlan1", " no ip address", " shutdown", "!", "line vty 0 4", " login local", "end"]
    )


def switchports(device: Device) -> str:
    return "\n".join(_switchport(device, name, port) for name, port in device.config.ports.items())


def _switchport(device: Device, name: str, port: PortConfig) -> str:
    head = [f"Name: {short(name)}", f"Switchport: {'Disabled' if port.mode is Mode.ROUTED else 'Enabled'}"]
    if port.mode is Mode.ROUTED:
        return "\n".join([*head, ""])
    mode = "trunk" if port.mode is Mode.TRUNK else "static access"
    if any("dynamic" in line for line in port.lines):
        mode = "dynamic auto"
    voice = next((line.split()[-1] for line in port.lines if line.startswith("switchport voice vlan")), "none")
    up = f"{mode} (member of bundle {port.lag})" if port.lag else mode
    return "\n".join(
        [
            *head,
            f"Administrative Mode: {mode}",
            f"Operational Mode: {'down' if port.shut else up}",
            "Administrative Trunking Encapsulation: dot1q",
            f"Negotiation of Trunking: {'Off' if 'switchport nonegotiate' in port.lines else 'On'}",
            f"Access Mode VLAN: {_vlan(device, port.access)}",
            f"Trunking Native Mode VLAN: {_vlan(device, port.native)}",
            "Administrative Native VLAN tagging: enabled",
            f"Voice VLAN: {voice if voice == 'none' else _vlan(device, int(voice))}",
            "Administrative private-vlan host-association: none",
            "Administrative private-vlan mapping: none",
            "Administrative private-vlan trunk native VLAN: none",
            "Operational private-vlan: none",
            *_wrapped("Trunking VLANs Enabled: ", "ALL" if port.allowed is None else fold(port.allowed) or "NONE"),
            "Pruning VLANs Enabled: 2-1001",
            "Capture Mode Disabled",
            "Capture VLANs Allowed: ALL",
            "",
            "Protected: false",
            "Appliance trust: none",
            "",
        ]
    )


def _wrapped(key: str, value: str) -> list[str]:
    """A list over several lines, each but the last ended by its comma."""
    first, *rest = wrap(key + value.replace(",", ", "), 78) if "," in value else [key + value]
    return [_dense(first, key), *(f"     {line.replace(' ', '')}" for line in rest)]


def _dense(line: str, key: str) -> str:
    return key + line[len(key) :].replace(" ", "")


def _vlan(device: Device, vlan: int | None) -> str:
    if vlan not in device.config.vlans:
        return f"{vlan} (Inactive)"
    return f"{vlan} ({'default' if vlan == 1 else f'VLAN{vlan:04}'})"


def version(_device: Device) -> str:
    return (
        "Cisco IOS Software, C3750E Software (C3750E-UNIVERSALK9-M), Version 15.2(4)E10, RELEASE SOFTWARE (fc2)\n"
        "Technical Support: http://www.cisco.com/techsupport\n\n"
        "sw-lab1 uptime is 3 weeks, 2 days, 1 hour, 5 minutes\n\n"
        "cisco WS-C3750X-24 (PowerPC405) processor (revision A0) with 262144K bytes of memory.\n"
        "Processor board ID FDO0000LAB1\n\n"
        "Model number                    : WS-C3750X-24T-S\n"
        "System serial number            : FDO0000LAB1\n"
    )


def neighbours(device: Device) -> str:
    blocks = [
        f"{'-' * 48}\nLocal Intf: {short(port)}\nChassis id: {_dotted(other.chassis)}\n"
        f"Port id: {_dotted(other.port)}\nPort Description - not advertised\nSystem Name: {other.name}\n\n"
        "System Description: \nLinux\n\nTime remaining: 100 seconds\nSystem Capabilities - not advertised\n"
        for port, found in device.neighbours.items()
        for other in found
    ]
    return "\n".join([*blocks, f"\nTotal entries displayed: {len(blocks)}\n"])


def macs(device: Device) -> str:
    rows = [
        f"{mac.vlan or '':>4}    {_dotted(mac.address)}    DYNAMIC     {short(port)}"
        for port, found in device.macs.items()
        for mac in found
    ]
    head = [" " * 10 + "Mac Address Table", "-" * 43, "", "Vlan    Mac Address       Type        Ports"]
    return "\n".join(
        [
            *head,
            "----    -----------       --------    -----",
            *rows,
            f"Total Mac Addresses for this criterion: {len(rows)}",
        ]
    )


def _dotted(text: str) -> str:
    digits = text.replace(":", "")
    return ".".join(digits[place : place + 4] for place in (0, 4, 8)) if len(digits) == 12 and ":" in text else text


SHOWN: Final[Mapping[str, Callable[[Device], str]]] = {
    "show running-config": running,
    "show interfaces switchport": switchports,
    "show version": version,
    "show lldp neighbors detail": neighbours,
    "show mac address-table dynamic": macs,
}
"""What can be shown, by command."""
