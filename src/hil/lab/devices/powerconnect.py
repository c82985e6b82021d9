"""An emulated Dell PowerConnect 5548: its command line over SSH, with what bites there.

SSH lets everybody in and the shell asks for name and password; the first prompt carries control sequences; a trunk
allows all VLANs until it is emptied, and then VLANs are only added and removed; a VLAN must be made in the database
before a port may have it; modes do not take each other's commands; a save asks, and takes the key alone. Its text is
of the shape that such switches print. It forwards no frame.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortState
from hil.core.vlans import unfold
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.drivers.switch.powerconnect.spec import SPEC
from hil.lab.devices import Served, powerconnect_show
from hil.lab.devices.commands import enters, goodbye, line, own, port_named
from hil.lab.devices.model import Config, Device, Mode, PortConfig, Session, trunk_of_all
from hil.lab.devices.shell import Command, Face, Login, Process, Terminal, asked_in_shell, command, serve_ssh

PORTS: Final = tuple(f"gi1/0/{number}" for number in range(1, 9))
EVERY: Final = frozenset(range(1, 4095))
FACTORY: Final = PortConfig(allowed=None)
_OWN_LINES: Final = r"(?:spanning-tree|storm-control|description)"
_MISSING: Final = "VLAN was not created by user."


class PowerConnectRule:
    """What the switch makes of its configuration: a native VLAN is carried, allowed or not."""

    def carried(self, config: Config, port: str) -> Carried:
        found = config.ports[port]
        if found.shut or found.lag:
            return Carried(None, frozenset())
        if found.mode is not Mode.TRUNK:
            untagged = found.access if found.mode is Mode.ACCESS else 1
            return Carried(untagged if untagged in config.vlans else None, frozenset())
        allowed = (EVERY if found.allowed is None else found.allowed) & config.vlans
        native = found.native if found.native in config.vlans else None
        return Carried(native, frozenset(allowed - {native}), everything=found.allowed is None)

    def held(self, config: Config, port: str) -> Held:
        found = config.ports[port]
        raw = "\n".join(powerconnect_show.configured(port, found))
        if found.lag:
            return Foreign(f"member of LAG {found.lag}", raw, CLOSED)
        if found.shut:
            return CLOSED
        if found.mode is not Mode.TRUNK:
            return Foreign("no trunk", raw, PortState(found.access if found.mode is Mode.ACCESS else 1))
        if found.allowed is None:
            return Foreign("trunk of all VLANs", raw)
        carries = PortState(found.native, found.allowed - {found.native})
        if found.native is not None and found.native not in found.allowed:
            return Foreign("a native VLAN that is not allowed", raw, carries)
        return carries if found.allowed else Foreign("open without a VLAN", raw, CLOSED)

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        plain = replace(config.ports[port], mode=Mode.TRUNK, lag="", lines=frozenset())
        if isinstance(held, Foreign):
            return trunk_of_all(plain)
        return replace(plain, allowed=held.vlans, native=held.native, shut=not held.enabled)


# -- commands ---------------------------------------------------------------------------------------------------------


async def _show(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.show(powerconnect_show.SHOWN[" ".join(found[1].lower().split())])


async def _switchport(terminal: Terminal, found: re.Match[str]) -> str:
    """All ports, or one; some firmware must be told which, and then does not repeat its name."""
    terse = bool(terminal.memory.get("terse"))
    name = " ".join((found[1] or "").split())
    if not name and terse:
        return "% Incomplete command"
    if name and port_named(terminal, SPEC, name) is None:
        return "% bad parameter value"
    only = [name and port_named(terminal, SPEC, name)] if name else terminal.device.ports()
    return await terminal.show(
        lambda device: powerconnect_show.switchports(device, [port for port in only if port], terse=terse)
    )


async def _datadump(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.page = terminal.face.page if found[1] else 0
    return ""


async def _interface(terminal: Terminal, found: re.Match[str]) -> str:
    port = port_named(terminal, SPEC, " ".join(found[1].split()))
    if port is None:
        return "% bad parameter value"
    terminal.mode, terminal.place = "if", port
    return ""


async def _vlan(terminal: Terminal, found: re.Match[str]) -> str:
    try:
        vlans = unfold(found[1])
    except BadArgument:
        return "% bad parameter value"
    return await terminal.make_vlans(sorted(vlans))


async def _copy(terminal: Terminal, found: re.Match[str]) -> str:
    answer = await terminal.question("Overwrite file [startup-config].... (Y/N)[N] ?", key=True)
    if answer.lower() != "y":
        return ""
    journal = "01-Jan-2000 04:11:52 %COPY-I-FILECPY: Files Copy - source URL running-config destination URL "
    return await terminal.save(f"{journal}flash://startup-config\n%COPY-N-TRAP: the copy ended\nCopy succeeded")


async def _allowed(terminal: Terminal, found: re.Match[str]) -> str:
    """All, none, add or remove: there is no form that replaces."""
    word = found[1].lower()
    if word in ("all", "none"):
        return await terminal.change(
            terminal.place, lambda port: replace(port, allowed=None if word == "all" else frozenset())
        )
    how, text = word.split()
    try:
        vlans = unfold(text)
    except BadArgument:
        return "% bad parameter value"
    if how == "add" and not vlans <= terminal.device.config.vlans:
        return _MISSING

    def change(port: PortConfig) -> PortConfig:
        now = EVERY if port.allowed is None else port.allowed
        new = now | vlans if how == "add" else now - vlans
        return replace(port, allowed=None if new == EVERY else frozenset(new))

    return await terminal.change(terminal.place, change)


async def _native(terminal: Terminal, found: re.Match[str]) -> str:
    vlan = None if found[1].lower() == "none" else int(found[1])
    if vlan is not None and vlan not in terminal.device.config.vlans:
        return _MISSING
    return await terminal.change(terminal.place, lambda port: replace(port, native=vlan))


MODES: Final = {"trunk": Mode.TRUNK, "access": Mode.ACCESS, "general": Mode.HYBRID}
TABLE: Final[Sequence[Command]] = (
    command("exec", r"(no )?terminal datadump", _datadump),
    command("exec", r"show interfaces switchport(?: ([\w/-]+(?: \d+)?))?", _switchport),
    command("exec", rf"({'|'.join(powerconnect_show.SHOWN)})", _show),
    command("exec", r"configure", enters("config")),
    command("exec", r"copy running-config startup-config", _copy),
    command("exec", r"exit", goodbye),
    command("config", r"interface ([\w/-]+(?: \d+)?)", _interface),
    command("config", r"vlan database", enters("vlan")),
    command("vlan", r"vlan ([\d,-]+)", _vlan),
    command("config if vlan", r"end", enters("exec")),
    command("if vlan", r"exit", enters("config")),
    command("config", r"exit", enters("exec")),
    line(r"switchport mode (trunk|access|general)", lambda port, found: replace(port, mode=MODES[found[1].lower()])),
    command("if", r"switchport trunk native vlan (none|\d+)", _native),
    command("if", r"switchport trunk allowed vlan (all|none|(?:add|remove) [\d,-]+)", _allowed),
    line(r"shutdown", lambda port, _: replace(port, shut=True)),
    line(r"no shutdown", lambda port, _: replace(port, shut=False)),
    line(r"channel-group (\d+) mode (?:on|auto)", lambda port, found: replace(port, lag=found[1])),
    line(rf"{_OWN_LINES}(?: \S+)*", own),
)

FACE: Final = Face(
    prompts={"exec": "#", "config": "(config)#", "if": "(config-if)#", "vlan": "(config-vlan)#"},
    invalid="% Unrecognized command",
    busy="Configuration Database locked by another application - try later",
    pager="More: <space>,  Quit: q or CTRL+Z, One line: <return> ",
    erase="\r\x1b[K",
    after_prompt="\x1b[K",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerConnectEmulator:
    """A 5548. `terse`: its `show interfaces switchport` must be told a port, and answers without the port's name."""

    ports: tuple[str, ...] = PORTS
    terse: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    """For the SSH server: algorithms, for one."""

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        own: dict[str, Any] = {"factory": FACTORY, "max_sessions": 5}
        return Device(name, PowerConnectRule(), ports or self.ports, **own | settings)

    def terminal(self, session: Session, process: Process | None = None) -> Terminal:
        terminal = Terminal(process, session, FACE, TABLE, "console")
        terminal.memory["terse"] = self.terse
        return terminal

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        async def talk(process: Process, session: Session) -> None:
            await self.terminal(session, process).converse()

        async def admit(process: Process) -> str | None:
            words = {"user": "User Name:", "password": "Password:", "wrong": "authentication failed"}
            return await asked_in_shell(process, device, **words)

        async with serve_ssh(device, talk, login=Login.SHELL, admit=admit, **self.options) as config:
            yield Served(device, config)


EMULATOR: Final = PowerConnectEmulator()
