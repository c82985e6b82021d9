"""An emulated Catalyst: Cisco's command line over SSH, with what bites there.

Factory ports negotiate, and carry VLAN 1; a trunk allows all VLANs until it is told otherwise; a VLAN must exist to be
carried and is made only when its mode is left; lists are wrapped when shown and refused when too long; a shut port
shows `down`. Its text is of the shape that such switches print. It forwards no frame.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortState
from hil.core.vlans import fold, unfold
from hil.drivers.switch.ios.spec import SPEC
from hil.drivers.switch.mock.device import Foreign, Held
from hil.lab.devices import Served, ios_show
from hil.lab.devices.allowed import AllowedRule, held_open, listed
from hil.lab.devices.commands import goodbye, nothing, own, page_length, without
from hil.lab.devices.model import Config, Device, Mode, PortConfig, Session, trunk_of_all
from hil.lab.devices.shell import Command, Face, Login, Process, Terminal, command, serve_ssh

PORTS: Final = tuple(f"GigabitEthernet1/0/{number}" for number in range(1, 7))
PARKED: Final = 999
NEGOTIATES: Final = "switchport mode dynamic auto"
FACTORY: Final = PortConfig(allowed=None, lines=frozenset({NEGOTIATES}))
_OWN_LINES: Final = r"(?:switchport nonegotiate|switchport voice vlan|spanning-tree|storm-control|description)"

PORTFAST: Final = """\
%Warning: portfast should only be enabled on ports connected to a single
 host. Connecting hubs, concentrators, switches, bridges, etc... to this
 interface  when portfast is enabled, can cause temporary bridging loops.
 Use with CAUTION
"""


class IosRule(AllowedRule):
    """What a Catalyst makes of its configuration."""

    def held(self, config: Config, port: str) -> Held:
        found = config.ports[port]
        raw = "\n".join(ios_show.configured(port, found))
        if found.lag:
            return Foreign(f"member of LAG {found.lag}", raw, CLOSED)
        if found.mode is Mode.ROUTED:
            return Foreign("no switch port", raw, CLOSED)
        if any(line.startswith("switchport voice vlan") for line in found.lines):
            return Foreign("a voice VLAN", raw)
        if found.shut:
            return CLOSED
        if NEGOTIATES in found.lines:
            return Foreign("mode dynamic auto", raw, PortState(found.access))
        return held_open(found, raw)

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        found = config.ports[port]
        plain = replace(found, mode=Mode.TRUNK, lag="", lines=found.lines - {NEGOTIATES})
        if isinstance(held, Foreign):
            return trunk_of_all(plain)
        return replace(plain, allowed=held.vlans, native=held.native or PARKED, shut=not held.enabled)


# -- commands ---------------------------------------------------------------------------------------------------------


async def _show(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.show(ios_show.SHOWN[" ".join(found[1].lower().split())])


async def _enable(terminal: Terminal, found: re.Match[str]) -> str:
    for _ in range(3):
        if await terminal.question("Password: ", hidden=True) == terminal.memory["enable"]:
            terminal.mode = "exec"
            return ""
    return "% Bad secrets"


async def _configure(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.mode = "config"
    return "Enter configuration commands, one per line.  End with CNTL/Z."


async def _interface(terminal: Terminal, found: re.Match[str]) -> str:
    output = await _leave_vlans(terminal)
    try:
        port = SPEC.port_name(found[1])
    except BadArgument:
        port = ""
    if port not in terminal.device.config.ports:
        terminal.mode = "config"
        return f"{' ' * 20}^\n% Invalid input detected at '^' marker."
    terminal.mode, terminal.place = "if", port
    return output


async def _vlan(terminal: Terminal, found: re.Match[str]) -> str:
    """Enter a VLAN's mode: it is made when the mode is left."""
    output = await _leave_vlans(terminal)
    try:
        terminal.memory["making"] = sorted(unfold(found[1]))
    except BadArgument:
        terminal.mode = "config"
        return "Command rejected: Bad VLAN list"
    terminal.mode = "vlan"
    return output


async def _leave_vlans(terminal: Terminal) -> str:
    making = terminal.memory.pop("making", [])
    if not making:
        return ""
    if set(making) & set(range(1002, 1006)):
        return f"% Failed to create VLANs {fold(making)}\nVLAN(s) reserved for the system."
    if terminal.memory["vtp"] and max(making) > 1005:
        return f"% Failed to create VLANs {fold(making)}\nExtended VLAN(s) not allowed in current VTP mode."
    return await terminal.make_vlans(making)


def _leaves_to(mode: str) -> Callable[[Terminal, re.Match[str]], Any]:
    async def leave(terminal: Terminal, found: re.Match[str]) -> str:
        output = await _leave_vlans(terminal)
        terminal.mode = mode
        return output

    return leave


async def _write(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.save("Building configuration...\n[OK]")


async def _copy(terminal: Terminal, found: re.Match[str]) -> str:
    await terminal.question("Destination filename [startup-config]? ")
    return await terminal.save("Building configuration...\n[OK]")


Change = Callable[[PortConfig, "re.Match[str]"], PortConfig]


def _line(pattern: str, change: Change, *, layer2: bool = True) -> Command:
    """A line of an interface; `layer2` ones are refused by a routed port."""

    async def does(terminal: Terminal, found: re.Match[str]) -> str:
        port = terminal.device.config.ports[terminal.place]
        if layer2 and port.mode is Mode.ROUTED:
            return f"Command rejected: {ios_show.short(terminal.place)} not a switching port."
        if len(found[0]) > 254 or any(len(text or "") > 220 for text in found.groups()):
            return "\aCommand rejected: Bad VLAN list"
        try:
            change(port, found)
        except (BadArgument, _Rejected) as error:
            return f"Command rejected: {error}"
        refused = await terminal.change(terminal.place, lambda config: change(config, found))
        return refused or (PORTFAST if found[0].startswith("spanning-tree portfast") else "")

    return command("if", pattern, does)


class _Rejected(Exception):
    """What the device says after `Command rejected`."""


def _mode(port: PortConfig, found: re.Match[str]) -> PortConfig:
    word = found[1].lower()
    if word == "trunk" and "needs encapsulation" in port.lines:
        raise _Rejected('An interface whose trunk encapsulation is "Auto" can not be configured to "trunk" mode.')
    lines = port.lines - {NEGOTIATES} | ({NEGOTIATES} if word.startswith("dynamic") else set())
    return replace(port, mode=Mode.TRUNK if word == "trunk" else Mode.ACCESS, lines=lines)


def _nonegotiate(port: PortConfig, found: re.Match[str]) -> PortConfig:
    if NEGOTIATES in port.lines:
        raise _Rejected("Conflict between 'nonegotiate' and 'dynamic' status.")
    return replace(port, lines=port.lines | {"switchport nonegotiate"})


TABLE: Final[Sequence[Command]] = (
    command("user exec", r"terminal length (\d+)", page_length),
    command("user exec", r"terminal width (\d+)", nothing),
    command("user", r"enable", _enable),
    command("user exec", rf"({'|'.join(ios_show.SHOWN)})", _show),
    command("exec", r"configure terminal", _configure),
    command("exec", r"write(?: memory)?", _write),
    command("exec", r"copy running-config startup-config", _copy),
    command("user exec", r"exit|logout", goodbye),
    command("config if vlan", r"interface (\S+)", _interface),
    command("config if vlan", r"vlan ([\d,-]+)", _vlan),
    command("config if vlan", r"end", _leaves_to("exec")),
    command("if vlan", r"exit", _leaves_to("config")),
    command("config", r"exit", _leaves_to("exec")),
    _line(
        r"switchport",
        lambda port, _: replace(port, mode=Mode.ACCESS) if port.mode is Mode.ROUTED else port,
        layer2=False,
    ),
    _line(r"no switchport", lambda port, _: replace(port, mode=Mode.ROUTED)),
    _line(r"switchport mode (trunk|access|dynamic auto)", _mode),
    _line(r"switchport nonegotiate", _nonegotiate),
    _line(r"switchport access vlan (\d+)", lambda port, found: replace(port, access=int(found[1]))),
    _line(r"switchport trunk native vlan (\d+)", lambda port, found: replace(port, native=int(found[1]))),
    _line(r"no switchport trunk native vlan", lambda port, _: replace(port, native=1)),
    _line(r"switchport trunk allowed vlan( add| remove| except)? (all|none|[\d,-]+)", listed),
    _line(r"no switchport trunk allowed vlan", lambda port, _: replace(port, allowed=None)),
    _line(
        r"switchport trunk encapsulation dot1q",
        lambda port, _: replace(port, lines=port.lines - {"needs encapsulation"}),
    ),
    _line(r"shutdown", lambda port, _: replace(port, shut=True), layer2=False),
    _line(r"no shutdown", lambda port, _: replace(port, shut=False), layer2=False),
    _line(r"channel-group (\d+) mode active", lambda port, found: replace(port, lag=f"Po{found[1]}"), layer2=False),
    _line(rf"no ({_OWN_LINES}(?: \S+)*)", without),
    _line(rf"{_OWN_LINES}(?: \S+)+", own),
)

FACE: Final = Face(
    prompts={"user": ">", "exec": "#", "config": "(config)#", "if": "(config-if)#", "vlan": "(config-vlan)#"},
    busy="Configuration mode is locked by process '107' user 'other' from terminal '2'. Please try later.",
    banner="\nUnauthorized access to this switch# is prohibited.\n",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IosEmulator:
    """A Catalyst. `enable` is asked for after an unprivileged log-in; `vtp`: a VTP server, which has no high VLANs."""

    ports: tuple[str, ...] = PORTS
    login: Login = Login.PASSWORD
    enable: str = ""
    vtp: bool = False
    isl: bool = False
    """It also knows ISL: a trunk must be told its encapsulation first."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """For the SSH server: algorithms, for one."""

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        factory = replace(FACTORY, lines=FACTORY.lines | {"needs encapsulation"}) if self.isl else FACTORY
        own: dict[str, Any] = {"factory": factory, "max_sessions": 5}
        return Device(name, IosRule(), ports or self.ports, **own | settings)

    def terminal(self, session: Session, process: Process | None = None) -> Terminal:
        face = replace(FACE, first="user") if self.enable else FACE
        terminal = Terminal(process, session, face, TABLE, "sw-lab1")
        terminal.memory |= {"enable": self.enable, "vtp": self.vtp}
        return terminal

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        async def talk(process: Process, session: Session) -> None:
            await self.terminal(session, process).converse()

        async with serve_ssh(device, talk, login=self.login, **self.options) as config:
            own: dict[str, Any] = {"parked": PARKED, "encapsulation": self.isl}
            if self.enable:
                own["enable_password"] = self.enable
            yield Served(device, {**config, **own})


EMULATOR: Final = IosEmulator()
