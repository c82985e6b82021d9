"""An emulated Nexus: Cisco's NX-OS command line over SSH, and the same commands over NX-API.

Factory ports are access ports of VLAN 1; a trunk allows all VLANs until it is told otherwise; defaults are left out of
the running configuration, and long lists are cut into `add` lines; a VLAN must exist to be carried, and 3968 and above
cannot be made. Over NX-API it goes on after a command that it refused, unless it is told to stop, because both have
been seen of such interfaces. Its text is of the shape that such switches print. It forwards no frame.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortState
from hil.core.vlans import fold, unfold
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.drivers.switch.nxos.spec import SPEC
from hil.lab.devices import Served, nxos_show
from hil.lab.devices.model import Config, Device, Mode, PortConfig, Session, trunk_of_all
from hil.lab.devices.nxos_web import Api
from hil.lab.devices.shell import Command, Face, Process, Terminal, command, serve_ssh
from hil.lab.devices.web import serve as serve_web

PORTS: Final = tuple(f"Ethernet1/{number}" for number in range(1, 7))
PARKED: Final = 999
FACTORY: Final = PortConfig(allowed=None)
EVERY: Final = frozenset(range(1, 4095))
_OWN_LINES: Final = (
    r"(?:switchport voice vlan|spanning-tree|storm-control|description|inherit port-profile|switchport private-vlan)"
)

PORTFAST: Final = """\
Edge port type (portfast) should only be enabled on ports connected to a single
 host. Connecting hubs, concentrators, switches, bridges, etc... to this
 interface when edge port type (portfast) is enabled, can cause temporary bridging loops.
 Use with CAUTION
"""


class NxosRule:
    """What a Nexus makes of its configuration."""

    def carried(self, config: Config, port: str) -> Carried:
        found = config.ports[port]
        if found.shut or found.mode is Mode.ROUTED or found.lag:
            return Carried(None, frozenset())
        if found.mode is Mode.ACCESS:
            return Carried(found.access if found.access in config.vlans else None, frozenset())
        allowed = (EVERY if found.allowed is None else found.allowed) & config.vlans
        native = found.native if found.native in allowed else None
        return Carried(native, frozenset(allowed - {native}), everything=found.allowed is None)

    def held(self, config: Config, port: str) -> Held:
        found = config.ports[port]
        raw = "\n".join(nxos_show.configured(port, found))
        if found.lag:
            return Foreign(f"member of LAG {found.lag}", raw, CLOSED)
        if any(re.match(r"inherit|switchport voice|switchport private", line) for line in found.lines):
            return Foreign("only by hand", raw)
        if found.mode is Mode.ROUTED:
            return Foreign("no switch port", raw, CLOSED)
        if found.shut:
            return CLOSED
        if found.mode is Mode.ACCESS:
            return PortState(found.access)
        if found.allowed is None:
            return Foreign("trunk of all VLANs", raw)
        if not found.allowed:
            return Foreign("open without a VLAN", raw, CLOSED)
        native = found.native if found.native in found.allowed else None
        return PortState(native, found.allowed - {native})

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        plain = replace(config.ports[port], mode=Mode.TRUNK, lag="")
        if isinstance(held, Foreign):
            return trunk_of_all(plain)
        return replace(plain, allowed=held.vlans, native=held.native or PARKED, shut=not held.enabled)


# -- commands ---------------------------------------------------------------------------------------------------------


async def _show(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.show(nxos_show.SHOWN[" ".join(found[1].lower().split())])


async def _nothing(terminal: Terminal, found: re.Match[str]) -> str:
    return ""


async def _length(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.page = int(found[1])
    return ""


async def _configure(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.mode = "config"
    return "Enter configuration commands, one per line. End with CNTL/Z."


async def _interface(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.mode = "config"
    try:
        port = SPEC.port_name(found[1])
    except BadArgument:
        return "% Invalid command at '^' marker."
    if port not in terminal.device.config.ports:
        return "Invalid interface format at '^' marker."
    terminal.mode, terminal.place = "if", port
    return ""


async def _vlan(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.mode = "config"
    try:
        vlans = sorted(unfold(found[1]))
    except BadArgument:
        return "% Invalid parameter detected at '^' marker."
    if vlans[-1] >= 3968:
        return f"ERROR: VLAN {fold(vlan for vlan in vlans if vlan >= 3968)} is reserved for internal use."
    terminal.mode = "vlan"
    return await terminal.make_vlans(vlans)


def _to(mode: str) -> Callable[[Terminal, re.Match[str]], Any]:
    async def leave(terminal: Terminal, found: re.Match[str]) -> str:
        terminal.mode = mode
        return ""

    return leave


async def _goodbye(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.done = True
    return ""


async def _copy(terminal: Terminal, found: re.Match[str]) -> str:
    bars = "".join(f"\r[{'#' * done:<40}] {done * 5 // 2:>3}%" for done in (4, 20, 40))
    return await terminal.save(f"{bars}\nCopy complete, now saving to disk (please wait)...\nCopy complete.")


Change = Callable[[PortConfig, "re.Match[str]"], PortConfig]


def _line(pattern: str, change: Change, *, layer2: bool = True) -> Command:
    """A line of an interface; `layer2` ones are refused by a routed port."""

    async def does(terminal: Terminal, found: re.Match[str]) -> str:
        port = terminal.device.config.ports[terminal.place]
        if layer2 and port.mode is Mode.ROUTED:
            return f"ERROR: {terminal.place}: requested config not allowed on Layer 3 port"
        if any(len(text or "") > 220 for text in found.groups()):
            return "% Invalid parameter detected at '^' marker."
        try:
            change(port, found)
        except BadArgument:
            return "% Invalid parameter detected at '^' marker."
        refused = await terminal.change(terminal.place, lambda config: change(config, found))
        return refused or (PORTFAST if found[0].startswith("spanning-tree port type edge") else "")

    return command("if", pattern, does)


def _allowed(port: PortConfig, found: re.Match[str]) -> PortConfig:
    how, text = (found[1] or "").strip().lower(), found[2].lower()
    now = EVERY if port.allowed is None else port.allowed
    if text in ("all", "none"):
        return replace(port, allowed=None if text == "all" else frozenset())
    vlans = unfold(text)
    new = {"": vlans, "add": now | vlans, "remove": now - vlans, "except": EVERY - vlans}[how]
    return replace(port, allowed=None if new == EVERY else frozenset(new))


def _own(port: PortConfig, found: re.Match[str]) -> PortConfig:
    return replace(port, lines=port.lines | {" ".join(found[0].split())})


def _vlan_of(found: re.Match[str]) -> int:
    """The one VLAN of a line. Raises BadArgument."""
    if not 1 <= int(found[1]) <= 3967:
        raise BadArgument("no VLAN")
    return int(found[1])


TABLE: Final[Sequence[Command]] = (
    command("exec", r"terminal length (\d+)", _length),
    command("exec", r"terminal width (\d+)", _nothing),
    command("exec config", rf"({'|'.join(nxos_show.SHOWN)})", _show),
    command("exec", r"configure terminal", _configure),
    command("exec config", r"copy running-config startup-config", _copy),
    command("exec", r"exit", _goodbye),
    command("config", r"interface (\S+)", _interface),
    command("config", r"vlan ([\d,-]+)", _vlan),
    command("config if vlan", r"end", _to("exec")),
    command("if vlan", r"exit", _to("config")),
    command("config", r"exit", _to("exec")),
    _line(
        r"switchport",
        lambda port, _: replace(port, mode=Mode.ACCESS) if port.mode is Mode.ROUTED else port,
        layer2=False,
    ),
    _line(r"no switchport", lambda port, _: replace(port, mode=Mode.ROUTED)),
    _line(
        r"switchport mode (trunk|access)",
        lambda port, found: replace(port, mode=Mode.TRUNK if found[1].lower() == "trunk" else Mode.ACCESS),
    ),
    _line(r"switchport access vlan (\d+)", lambda port, found: replace(port, access=_vlan_of(found))),
    _line(r"switchport trunk native vlan (\d+)", lambda port, found: replace(port, native=_vlan_of(found))),
    _line(r"no switchport trunk native vlan", lambda port, _: replace(port, native=1)),
    _line(r"switchport trunk allowed vlan( add| remove| except)? (all|none|[\d,-]+)", _allowed),
    _line(r"no switchport trunk allowed vlan", lambda port, _: replace(port, allowed=None)),
    _line(r"shutdown", lambda port, _: replace(port, shut=True), layer2=False),
    _line(r"no shutdown", lambda port, _: replace(port, shut=False), layer2=False),
    _line(
        r"channel-group (\d+)(?: mode active)?", lambda port, found: replace(port, lag=f"Po{found[1]}"), layer2=False
    ),
    _line(rf"{_OWN_LINES}(?: \S+)+", _own),
)

FACE: Final = Face(
    prompts={"exec": "# ", "config": "(config)# ", "if": "(config-if)# ", "vlan": "(config-vlan)# "},
    parents={"if": "config", "vlan": "config"},
    invalid="% Invalid command at '^' marker.",
    busy="Configuration is locked by another session: update in progress",
    pager="--More--",
    erase="\r        \r",
    banner="\nCisco Nexus Operating System (NX-OS) Software\nTAC support: http://www.cisco.com/tac\n",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NxosEmulator:
    """A Nexus, spoken to by NX-API or SSH. `stops`: NX-API does no more of a request after a refused command."""

    ports: tuple[str, ...] = PORTS
    transport: str = "nxapi"
    stops: bool = False

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        own: dict[str, Any] = {"factory": FACTORY, "max_sessions": 32}
        return Device(name, NxosRule(), ports or self.ports, **own | settings)

    def terminal(self, session: Session, process: Process | None = None) -> Terminal:
        return Terminal(process, session, FACE, TABLE, "nx-lab1")

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        if self.transport == "ssh":
            async with self._shell(device) as config:
                yield Served(device, {**config, "transport": "ssh", "parked": PARKED})
            return
        async with serve_web(device, Api(self.terminal, stops=self.stops).answer) as served:
            own = {key: served.config[key] for key in ("username", "password", "certificate")}
            port = int(served.config["url"].rpartition(":")[2])
            yield Served(device, {**own, "hostname": "127.0.0.1", "port": port, "parked": PARKED})

    @asynccontextmanager
    async def _shell(self, device: Device) -> AsyncIterator[dict[str, Any]]:
        async def talk(process: Process, session: Session) -> None:
            await self.terminal(session, process).converse()

        async with serve_ssh(device, talk) as config:
            yield config


EMULATOR: Final = NxosEmulator()
