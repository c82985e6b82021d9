"""What an emulated N-series switch shows, in the shape of the real ones' output. Pure functions of the device."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from textwrap import wrap
from typing import Final

from hil.core.vlans import fold
from hil.lab.devices.model import Device, Mode, PortConfig

_MODES: Final = {Mode.ACCESS: "Access", Mode.TRUNK: "Trunk", Mode.HYBRID: "General"}


def shown(port: str) -> str:
    """The name as the switch writes it.

    >>> shown("gi1/0/5")
    'Gi1/0/5'
    """
    return port[:1].upper() + port[1:]


def configured(name: str, port: PortConfig) -> Iterator[str]:
    """The port's part of the running configuration: what is as it comes is left out, lines are not indented."""
    yield f"interface port-channel {name[2:]}" if name.startswith("po") else f"interface {shown(name)}"
    if port.shut:
        yield "shutdown"
    if port.lag:
        yield f"channel-group {port.lag} mode active"
    yield from sorted(port.lines)
    if port.mode is not Mode.ACCESS:
        yield f"switchport mode {_MODES[port.mode].lower()}"
    if port.access not in (1, None):
        yield f"switchport access vlan {port.access}"
    if port.native not in (1, None):
        yield f"switchport trunk native vlan {port.native}"
    if port.allowed is not None:
        yield f"switchport trunk allowed vlan {fold(port.allowed) or 'none'}"
    yield "exit"


def running(device: Device) -> str:
    head = [
        "!Current Configuration:",
        '!System Description "Dell EMC Networking N3048, 6.5.4.3, Linux 3.6.5"',
        "!System Software Version 6.5.4.3",
        "!",
        "configure",
        f"vlan {fold(device.config.vlans - {1})}",
        "exit",
        'hostname "console"',
        "snmp-server engineid local 800002a203000000000001",
    ]
    blocks = [[*configured(name, port), "!"] for name, port in device.config.ports.items()]
    return "\n".join([*head, *(line for block in blocks if len(block) > 3 for line in block), "exit"])


def switchports(device: Device, ports: Collection[str], *, old: bool = False) -> str:
    return "\n".join(_switchport(device, name, device.config.ports[name], old) for name in ports)


def _switchport(device: Device, name: str, port: PortConfig, old: bool) -> str:
    mode = _MODES[port.mode]
    lines = ["", f"Port: {shown(name)}", f"VLAN Membership Mode: {mode if old else f'{mode} Mode'}"]
    if not old:
        lines += _wrapped("Member of VLANs : ", _members(device, name))
    lines += [
        f"Access Mode VLAN: {_vlan(port.access)}",
        "General Mode PVID: 1 (default)",
        f"General Mode Ingress Filtering: {'Disabled' if old else 'Enabled'}",
        f"General Mode Acceptable Frame Type: Admit {'all' if old else 'All'}",
        "General Mode Dynamically Added VLANs:",
        "General Mode Untagged VLANs: 1",
        "General Mode Tagged VLANs:",
        "General Mode Forbidden VLANs:",
        f"Trunking Mode Native VLAN: {_vlan(port.native)}",
        "Trunking Mode Native VLAN tagging: Disable" if old else "Trunking Mode Native VLAN Tagging: Disabled",
        *_wrapped("Trunking Mode VLANs Enabled: ", "All" if port.allowed is None else fold(port.allowed)),
    ]
    if not old:
        lines += ["Private VLAN Host Association: none", "Private VLAN Mapping:", "Private VLAN Operational Bindings:"]
        lines += ["Default Priority: 0", "Protected: Disabled"]
    return "\n".join(lines)


def _members(device: Device, name: str) -> str:
    """Effective membership, the untagged VLAN first and in brackets."""
    found = device.carried(name)
    tagged = fold(found.tagged)
    untagged = "" if found.native is None else f"({found.native})"
    return ",".join(part for part in (untagged, tagged) if part)


def _wrapped(key: str, value: str) -> list[str]:
    first, *rest = wrap(value.replace(",", ", "), 50) or [""]
    return [(key + first.replace(" ", "")).rstrip(), *(" " * 27 + line.replace(" ", "") for line in rest)]


def _vlan(vlan: int | None) -> str:
    return f"{vlan} (default)" if vlan == 1 else f"{vlan}"


def status(device: Device) -> str:
    head = ["", "Port      Description               Duplex Speed   Neg  Link   Flow  M  VLAN"]
    head += ["                                                       State  Ctrl"]
    head += ["--------- ------------------------- ------ ------- ---- ------ ----- -- -------------------"]
    rows = [
        f"{shown(name):<9} {'':<25} {'N/A':<6} {'Unknown':<7} {'Auto':<4} {'Down' if port.shut else 'Up':<6} Inactive"
        for name, port in device.config.ports.items()
    ]
    return "\n".join([*head, *rows])


def version(_device: Device) -> str:
    return (
        "\nMachine Description............... Dell EMC Networking Switch\n"
        "System Model ID................... N3048\n"
        "Machine Type...................... Dell EMC Networking N3048\n"
        "Serial Number..................... LAB0000N3048\n"
        "Manufacturer...................... 0xbc00\n"
        "Burned In MAC Address............. 02:00:00:00:30:48\n\n"
        "unit active      backup      current-active next-active\n"
        "---- ----------- ----------- -------------- --------------\n"
        "1    6.5.4.3     6.3.3.10    6.5.4.3        6.5.4.3\n"
    )


def neighbours(device: Device) -> str:
    head = ["", "LLDP Remote Device Summary", "", "Local"]
    head += ["Interface RemID   Chassis ID            Port ID             System Name"]
    head += ["--------- ------- --------------------- ------------------- -----------------"]
    rows = []
    for number, name in enumerate(device.ports(), start=1):
        others = device.neighbours.get(name, [])
        rows += [f"{shown(name):<9} {number:<7} {o.chassis:<21} {o.port:<19} {o.name}".rstrip() for o in others]
        rows += [] if others else [shown(name)]
    return "\n".join([*head, *rows])


def macs(device: Device) -> str:
    rows = [
        f"{mac.vlan:<8} {_dotted(mac.address):<21} {'Dynamic':<11} {shown(port)}"
        for port, found in device.macs.items()
        for mac in found
    ]
    head = ["Aging time is 300 Sec", "", "Vlan     Mac Address           Type        Port"]
    return "\n".join([*head, "-------- --------------------- ----------- ---------------------", *rows])


def _dotted(mac: str) -> str:
    digits = mac.replace(":", "").upper()
    return ".".join(digits[place : place + 4] for place in (0, 4, 8))


SHOWN: Final[Mapping[str, Callable[[Device], str]]] = {
    "show running-config": running,
    "show interfaces status": status,
    "show version": version,
    "show lldp remote-device all": neighbours,
    "show mac address-table dynamic": macs,
}
"""What can be shown, by command."""
