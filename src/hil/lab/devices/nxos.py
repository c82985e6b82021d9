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
from hil.core.model import CLOSED
from hil.core.vlans import fold, unfold
from hil.drivers.switch.mock.device import Foreign, Held
from hil.drivers.switch.nxos.spec import SPEC
from hil.lab.devices import Served, nxos_show
from hil.lab.devices.allowed import AllowedRule, held_open, listed
from hil.lab.devices.commands import goodbye, nothing, own, page_length
from hil.lab.devices.model import Config, Device, Mode, PortConfig, Session, trunk_of_all
from hil.lab.devices.nxos_web import Api
from hil.lab.devices.shell import Command, Face, Process, Terminal, command, serve_ssh
from hil.lab.devices.web import serve as serve_web

PORTS: Final = tuple(f"Ethernet1/{number}" for number in range(1, 7))
PARKED: Final = 999
FACTORY: Final = PortConfig(allowed=None)
_OWN_LINES: Final = (
    r"(?:switchport voice vlan|spanning-tree|storm-control|description|inherit port-profile|switchport private-vlan)"
)

PORTFAST: Final = """\
Edge port type (portfast) should only be enabled on ports connected to a single
 host. Connecting hubs, concentrators, switches, bridges, etc... to this
 interface when edge port type (portfast) is enabled, can cause temporary bridging loops.
 Use with CAUTION
"""


class NxosRule(AllowedRule):
    """What a Nexus makes of its configuration."""

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
        return held_open(found, raw)

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        plain = replace(config.ports[port], mode=Mode.TRUNK, lag="")
        if isinstance(held, Foreign):
            return trunk_of_all(plain)
        return replace(plain, allowed=held.vlans, native=held.native or PARKED, shut=not held.enabled)


# -- commands ---------------------------------------------------------------------------------------------------------


async def _show(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.show(nxos_show.SHOWN[" ".join(found[1].lower().split())])


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


def _vlan_of(found: re.Match[str]) -> int:
    """The one VLAN of a line. Raises BadArgument."""
    if not 1 <= int(found[1]) <= 3967:
        raise BadArgument("no VLAN")
    return int(found[1])


TABLE: Final[Sequence[Command]] = (
    command("exec", r"terminal length (\d+)", page_length),
    command("exec", r"terminal width (\d+)", nothing),
    command("exec config", rf"({'|'.join(nxos_show.SHOWN)})", _show),
    command("exec", r"configure terminal", _configure),
    command("exec config", r"copy running-config startup-config", _copy),
    command("exec", r"exit", goodbye),
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
    _line(r"switchport trunk allowed vlan( add| remove| except)? (all|none|[\d,-]+)", listed),
    _line(r"no switchport trunk allowed vlan", lambda port, _: replace(port, allowed=None)),
    _line(r"shutdown", lambda port, _: replace(port, shut=True), layer2=False),
    _line(r"no shutdown", lambda port, _: replace(port, shut=False), layer2=False),
    _line(
        r"channel-group (\d+)(?: mode active)?", lambda port, found: replace(port, lag=f"Po{found[1]}"), layer2=False
    ),
    _line(rf"{_OWN_LINES}(?: \S+)+", own),
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
