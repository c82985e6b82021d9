"""An emulated Dell N-series switch: its command line over SSH, with what bites there.

Factory ports are access ports of VLAN 1; a trunk allows all VLANs, later ones too, until it is told otherwise; a VLAN
must exist to be allowed, a native one must be allowed to be set; modes do not take each other's commands; a save asks
first and takes the key alone. Its text is of the shape that such switches print. It forwards no frame.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortState
from hil.core.vlans import unfold
from hil.drivers.switch.dnos6.spec import SPEC
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.lab.devices import Served, dnos6_show
from hil.lab.devices.commands import enters, goodbye, line, own, page_length, port_named, without
from hil.lab.devices.model import Config, Device, Mode, PortConfig, Session, trunk_of_all
from hil.lab.devices.shell import Command, Face, Process, Terminal, command, serve_ssh

PORTS: Final = tuple(f"gi1/0/{number}" for number in range(1, 9))
PARKED: Final = 900
EVERY: Final = frozenset(range(1, 4094))
FACTORY: Final = PortConfig(allowed=None)
_OWN_LINES: Final = r"(?:spanning-tree|storm-control|description|voice vlan|routing)"
INVALID: Final = f"{' ' * 20}^\n% Invalid input detected at '^' marker."


class Dnos6Rule:
    """What an N-series switch makes of its configuration; `PARKED` is the VLAN that its driver was told."""

    def carried(self, config: Config, port: str) -> Carried:
        found = config.ports[port]
        if found.shut or found.lag or "routing" in found.lines:
            return Carried(None, frozenset())
        if found.mode is not Mode.TRUNK:
            untagged = found.access if found.mode is Mode.ACCESS else 1
            return Carried(untagged if untagged in config.vlans else None, frozenset())
        allowed = (EVERY if found.allowed is None else found.allowed) & config.vlans
        native = found.native if found.native in allowed else None
        return Carried(native, frozenset(allowed - {native}), everything=found.allowed is None)

    def held(self, config: Config, port: str) -> Held:
        found = config.ports[port]
        raw = "\n".join(dnos6_show.configured(port, found))
        if found.lag:
            return Foreign(f"member of LAG {found.lag}", raw, CLOSED)
        if "routing" in found.lines:
            return Foreign("no plain switch port", raw, CLOSED)
        if any(line.startswith("voice vlan") for line in found.lines):
            return Foreign("a voice VLAN", raw)
        if found.shut:
            return CLOSED
        if found.mode is not Mode.TRUNK:
            return Foreign("no trunk", raw, PortState(found.access if found.mode is Mode.ACCESS else 1))
        if found.allowed is None:
            return Foreign("trunk of all VLANs", raw)
        if not found.allowed:
            return Foreign("open without a VLAN", raw, CLOSED)
        if found.native in found.allowed and PARKED not in found.allowed:
            return PortState(found.native, found.allowed - {found.native})
        carries = PortState(None, found.allowed)
        return carries if found.native == PARKED and PARKED not in found.allowed else Foreign("native", raw, carries)

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        plain = replace(config.ports[port], mode=Mode.TRUNK, lag="", lines=frozenset())
        if isinstance(held, Foreign):
            return trunk_of_all(plain)
        return replace(
            plain, allowed=held.vlans or frozenset({PARKED}), native=held.native or PARKED, shut=not held.enabled
        )


# -- commands ---------------------------------------------------------------------------------------------------------


async def _show(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.show(dnos6_show.SHOWN[" ".join(found[1].lower().split())])


async def _switchport(terminal: Terminal, found: re.Match[str]) -> str:
    """All ports, or one; older firmware must be told which."""
    old = bool(terminal.memory.get("old"))
    name = " ".join((found[1] or "").split())
    if not name and old:
        return "Command not found / Incomplete command. Use ? to list commands."
    if name and port_named(terminal, SPEC, name) is None:
        return INVALID
    only = [name and port_named(terminal, SPEC, name)] if name else terminal.device.ports()
    return await terminal.show(lambda device: dnos6_show.switchports(device, [port for port in only if port], old=old))


async def _interface(terminal: Terminal, found: re.Match[str]) -> str:
    port = port_named(terminal, SPEC, " ".join(found[1].split()))
    if port is None:
        return INVALID
    terminal.mode, terminal.place = "if", port
    return ""


async def _vlan(terminal: Terminal, found: re.Match[str]) -> str:
    try:
        vlans = unfold(found[1])
    except BadArgument:
        return INVALID
    if not vlans <= EVERY:
        return "Failure Information\n   VLANs failed to be configured : 1\nERROR: VLAN ID out of range."
    terminal.mode = "vlan"
    output = await terminal.make_vlans(sorted(vlans))
    return output or (
        "The use of large numbers of VLANs or interfaces may cause significant\ndelays in applying the configuration."
        if len(vlans) > 99
        else ""
    )


async def _copy(terminal: Terminal, found: re.Match[str]) -> str:
    text = "\nThis operation may take a few minutes.\nManagement interfaces will not be available during this time.\n"
    answer = await terminal.question(f"{text}\nAre you sure you want to save? (y/n) ", key=True)
    if answer.lower() != "y":
        return "\nConfiguration Not Saved!"
    return await terminal.save("\nConfiguration file 'startup-config' created successfully.\n\nConfiguration Saved!")


async def _allowed(terminal: Terminal, found: re.Match[str]) -> str:
    """Add, remove, replace; of a list the VLANs that exist are taken, and the others named."""
    how, text = (found[1] or "").strip().lower(), found[2].lower()
    try:
        vlans = EVERY if text == "all" else unfold(text)
    except BadArgument:
        return INVALID
    missing = frozenset() if text == "all" or how in ("remove", "except") else vlans - terminal.device.config.vlans

    def change(port: PortConfig) -> PortConfig:
        now = EVERY if port.allowed is None else port.allowed
        new = {"": vlans, "add": now | vlans, "remove": now - vlans, "except": EVERY - vlans}[how] - missing
        return replace(port, allowed=None if new == EVERY else frozenset(new))

    output = await terminal.change(terminal.place, change)
    return output or _failed(missing)


def _failed(missing: frozenset[int]) -> str:
    if not missing:
        return ""
    rows = [f"VLAN {vlan:>8} ERROR: This VLAN does not exist." for vlan in sorted(missing)]
    return "\n".join(["Failure Information", f"   VLANs failed to be configured : {len(rows)}", *rows])


async def _native(terminal: Terminal, found: re.Match[str]) -> str:
    port = terminal.device.config.ports[terminal.place]
    vlan = int(found[1])
    if vlan not in terminal.device.config.vlans:
        return "ERROR: This VLAN does not exist."
    if port.allowed is not None and vlan not in port.allowed:
        return "ERROR: The native VLAN must be one of the allowed VLANs."
    return await terminal.change(terminal.place, lambda config: replace(config, native=vlan))


async def _access(terminal: Terminal, found: re.Match[str]) -> str:
    if int(found[1]) not in terminal.device.config.vlans:
        return "ERROR: This VLAN does not exist."
    return await terminal.change(terminal.place, lambda config: replace(config, access=int(found[1])))


async def _global(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.device.config.lines.add(found[0])
    terminal.device.note(terminal.session.who, "global")
    return ""


MODES: Final = {"trunk": Mode.TRUNK, "access": Mode.ACCESS, "general": Mode.HYBRID}
TABLE: Final[Sequence[Command]] = (
    command("user exec", r"terminal length (\d+)", page_length),
    command("user", r"enable", enters("exec")),
    command("user exec", r"show interfaces switchport(?: ([\w/-]+(?: \d+)?))?", _switchport),
    command("user exec", rf"({'|'.join(dnos6_show.SHOWN)})", _show),
    command("exec", r"configure", enters("config")),
    command("exec", r"copy running-config startup-config", _copy),
    command("user exec", r"exit|logout", goodbye),
    command("config", r"interface ([\w/-]+(?: \d+)?)", _interface),
    command("config", r"vlan ([\d,-]+)", _vlan),
    command("config", r"spanning-tree bpdu-protection", _global),
    command("config if vlan", r"end", enters("exec")),
    command("if vlan", r"exit", enters("config")),
    command("config", r"exit", enters("exec")),
    line(r"switchport mode (trunk|access|general)", lambda port, found: replace(port, mode=MODES[found[1].lower()])),
    command("if", r"switchport access vlan (\d+)", _access),
    command("if", r"switchport trunk native vlan (\d+)", _native),
    command("if", r"switchport trunk allowed vlan( add| remove| except)? (all|[\d,-]+)", _allowed),
    line(r"no switchport trunk allowed vlan", lambda port, _: replace(port, allowed=None)),
    line(r"no switchport trunk native vlan", lambda port, _: replace(port, native=1)),
    line(r"shutdown", lambda port, _: replace(port, shut=True)),
    line(r"no shutdown", lambda port, _: replace(port, shut=False)),
    line(r"channel-group (\d+) mode active", lambda port, found: replace(port, lag=found[1])),
    line(r"no channel-group", lambda port, _: replace(port, lag="")),
    line(rf"no ({_OWN_LINES}(?: \S+)*)", without),
    line(rf"{_OWN_LINES}(?: \S+)*", own),
)

FACE: Final = Face(
    prompts={"user": ">", "exec": "#", "config": "(config)#", "if": "(config-if)#", "vlan": "(config-vlan)#"},
    first="user",
    busy="The configuration is being modified by another session. Please try again later.",
    pager="--More-- or (q)uit",
    erase="\r" + " " * 18 + "\r",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dnos6Emulator:
    """An N3000. `old`: firmware 5, whose text differs and whose `show interfaces switchport` must be told a port."""

    ports: tuple[str, ...] = PORTS
    old: bool = False

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        own: dict[str, Any] = {"factory": FACTORY, "max_sessions": 5}
        return Device(name, Dnos6Rule(), ports or self.ports, **own | settings)

    def terminal(self, session: Session, process: Process | None = None) -> Terminal:
        terminal = Terminal(process, session, FACE, TABLE, "console")
        terminal.memory["old"] = self.old
        return terminal

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        async def talk(process: Process, session: Session) -> None:
            await self.terminal(session, process).converse()

        async with serve_ssh(device, talk) as config:
            yield Served(device, {**config, "parked": PARKED})


EMULATOR: Final = Dnos6Emulator()
