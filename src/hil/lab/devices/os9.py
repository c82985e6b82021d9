"""An emulated Dell OS9 switch: its command line over SSH, with what bites there.

VLANs list their ports; a port that leaves its untagged VLAN falls into the default one, or into none where that is
disabled; `portmode hybrid` is taken by a port that is no switch port, and `no switchport` by one that no VLAN lists.
A port is untagged in one VLAN at most, and only a hybrid one is tagged besides. Factory ports are shut and no switch
ports. Its text is of the shape that such switches print. It forwards no frame.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from hil.core.model import CLOSED, PortState
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.drivers.switch.os9.names import known
from hil.lab.devices import Served, os9_show
from hil.lab.devices.commands import enters, goodbye, page_length
from hil.lab.devices.model import Config, Device, Mode, PortConfig, Session
from hil.lab.devices.os9_show import HYBRID
from hil.lab.devices.shell import Command, Face, Process, Terminal, command, serve_ssh

PORTS: Final = tuple(f"TenGigabitEthernet0/{number}" for number in range(8))
FACTORY: Final = PortConfig(mode=Mode.ROUTED, access=None, native=None, shut=True)
_OWN_LINES: Final = r"(?:spanning-tree|storm-control|description|flowcontrol)"


@dataclass(frozen=True, slots=True)
class Os9Rule:
    """What the switch makes of its configuration: `native` is the untagged VLAN, `allowed` the tagged ones."""

    default: int | None = None
    """Where ports fall; None where the default VLAN is disabled."""

    def carried(self, config: Config, port: str) -> Carried:
        found = config.ports[port]
        if found.shut or found.lag or found.mode is Mode.ROUTED:
            return Carried(None, frozenset())
        native = found.native if found.native in config.vlans else None
        return Carried(native, frozenset((found.allowed or frozenset()) & config.vlans - {native}))

    def held(self, config: Config, port: str) -> Held:
        found = config.ports[port]
        tagged = found.allowed or frozenset()
        raw = "\n".join(os9_show.configured(port, found))
        if found.lag:
            return Foreign(f"member of LAG {found.lag}", raw, CLOSED)
        if found.shut:
            return CLOSED
        if found.mode is Mode.ROUTED:
            return Foreign("no switch port", raw, CLOSED)
        if HYBRID not in found.lines:
            return Foreign("no hybrid port", raw, PortState(found.native, tagged))
        if found.native is None and not tagged:
            return Foreign("open without a VLAN", raw, CLOSED)
        return PortState(found.native, tagged)

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        """There is no word for all VLANs: a careless hand lists the port in every one that there is."""
        plain = replace(config.ports[port], lag="", mode=Mode.HYBRID, shut=False)
        if isinstance(held, Foreign):
            return replace(plain, lines=frozenset(), native=None, allowed=frozenset(config.vlans) - {1})
        if not held.enabled:
            return replace(FACTORY, lines=frozenset({HYBRID}))
        native = self.default if held.native is None else held.native
        return replace(plain, lines=frozenset({HYBRID}), native=native, allowed=held.tagged)

    def fallen(self, port: PortConfig) -> PortConfig:
        return replace(port, native=self.default)


# -- commands ---------------------------------------------------------------------------------------------------------


async def _show(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.show(os9_show.SHOWN[" ".join(found[1].lower().split())])


async def _write(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.save("!")


async def _interface(terminal: Terminal, found: re.Match[str]) -> str:
    port = known({}, " ".join(found[1].split()))
    if port not in terminal.device.config.ports:
        return "% Error: Invalid interface."
    terminal.mode, terminal.place = "if", port
    return ""


async def _vlan(terminal: Terminal, found: re.Match[str]) -> str:
    if not 1 <= int(found[1]) <= 4094:
        return '% Error: Value out of range at "^" marker.'
    terminal.mode, terminal.place = "vlan", str(int(found[1]))
    missing = int(found[1]) not in terminal.device.config.vlans
    return await terminal.make_vlans([int(found[1])]) if missing else ""


Judge = Callable[[Os9Rule, PortConfig, int], str]
Change = Callable[[Os9Rule, PortConfig, int], PortConfig]


def _member(pattern: str, judge: Judge, change: Change) -> Command:
    """A line of a VLAN about a port; `judge` answers why it cannot be done."""

    async def does(terminal: Terminal, found: re.Match[str]) -> str:
        name, vlan, rule = known({}, " ".join(found[1].split())), int(terminal.place), _rule(terminal)
        if name not in terminal.device.config.ports:
            return "% Error: Invalid interface."
        port = terminal.device.config.ports[name]
        if port.mode is Mode.ROUTED:
            return f"% Error: Port is not in Layer-2 mode {os9_show.short(name)}."
        if refused := judge(rule, port, vlan):
            return f"% Error: {os9_show.short(name)} {refused}."
        return await terminal.change(name, lambda entry: change(rule, entry, vlan))

    return command("vlan", rf"{pattern} ([\w-]+ [\d/:]+)", does)


def _rule(terminal: Terminal) -> Os9Rule:
    rule = terminal.device.rule
    assert isinstance(rule, Os9Rule)
    return rule


def _tags(port: PortConfig) -> frozenset[int]:
    return port.allowed or frozenset()


def _cannot_tag(rule: Os9Rule, port: PortConfig, vlan: int) -> str:
    if vlan in _tags(port) or vlan == port.native:
        return f"is already a member of Vlan {vlan}"
    plain = HYBRID not in port.lines and port.native not in (None, rule.default)
    return f"is untagged in Vlan {port.native}" if plain else ""


def _cannot_untag(rule: Os9Rule, port: PortConfig, vlan: int) -> str:
    if vlan in _tags(port):
        return f"is already a member of Vlan {vlan}"
    if port.native not in (None, rule.default):
        return f"is untagged in Vlan {port.native}"
    return "is tagged in other Vlans" if _tags(port) and HYBRID not in port.lines else ""


def _tag(rule: Os9Rule, port: PortConfig, vlan: int) -> PortConfig:
    left = port if HYBRID in port.lines else replace(port, native=None)
    return replace(left, allowed=_tags(port) | {vlan})


def _leave(rule: Os9Rule, port: PortConfig, vlan: int) -> PortConfig:
    left = replace(port, allowed=_tags(port) - {vlan})
    return left if left.allowed or HYBRID in port.lines else rule.fallen(left)


def _line(pattern: str, change: Callable[[Os9Rule, PortConfig], PortConfig | str]) -> Command:
    """A line of an interface; a text is why it cannot be done."""

    async def does(terminal: Terminal, found: re.Match[str]) -> str:
        rule, name = _rule(terminal), terminal.place
        new = change(rule, terminal.device.config.ports[name])
        if isinstance(new, str):
            return f"% Error: {new} {os9_show.short(name)}."
        return await terminal.change(name, lambda _: new)

    return command("if", pattern, does)


def _switchport(rule: Os9Rule, port: PortConfig) -> PortConfig:
    return rule.fallen(replace(port, mode=Mode.HYBRID, allowed=frozenset())) if port.mode is Mode.ROUTED else port


def _no_switchport(rule: Os9Rule, port: PortConfig) -> PortConfig | str:
    if _tags(port) or port.native not in (None, rule.default):
        return "Port is part of a non-default VLAN"
    return replace(port, mode=Mode.ROUTED, native=None)


def _hybrid(rule: Os9Rule, port: PortConfig) -> PortConfig | str:
    if port.mode is not Mode.ROUTED:
        return "Port is in Layer-2 mode"
    return replace(port, lines=port.lines | {HYBRID})


async def _own(terminal: Terminal, found: re.Match[str]) -> str:
    line = " ".join(found[0].split())
    return await terminal.change(terminal.place, lambda port: replace(port, lines=port.lines | {line}))


TABLE: Final[Sequence[Command]] = (
    command("user exec", r"terminal length (\d+)", page_length),
    command("user", r"enable", enters("exec")),
    command("user exec", rf"({'|'.join(os9_show.SHOWN)})", _show),
    command("exec", r"configure(?: terminal)?", enters("config")),
    command("exec", r"write(?: memory)?", _write),
    command("user exec", r"exit", goodbye),
    command("config", r"interface vlan (\d+)", _vlan),
    command("config", r"interface ([\w-]+ ?[\d/:]+)", _interface),
    command("config", r"end", enters("exec")),
    command("if vlan", r"exit", enters("config")),
    command("config", r"exit", enters("exec")),
    _member("tagged", _cannot_tag, _tag),
    _member("untagged", _cannot_untag, lambda rule, port, vlan: replace(port, native=vlan)),
    _member("no tagged", lambda rule, port, vlan: "" if vlan in _tags(port) else "is not tagged here", _leave),
    _member(
        "no untagged",
        lambda rule, port, vlan: "" if vlan == port.native else "is not untagged here",
        lambda rule, port, vlan: rule.fallen(port),
    ),
    _line(r"switchport", _switchport),
    _line(r"no switchport", _no_switchport),
    _line(r"portmode hybrid", _hybrid),
    _line(r"shutdown", lambda rule, port: replace(port, shut=True)),
    _line(r"no shutdown", lambda rule, port: replace(port, shut=False)),
    command("if", rf"{_OWN_LINES}(?: \S+)*", _own),
)

FACE: Final = Face(
    prompts={"user": ">", "exec": "#", "config": "(conf)#", "if": "(conf-if-te)#", "vlan": "(conf-if-vl)#"},
    first="user",
    parents={"if": "config", "vlan": "config"},
    invalid='% Error: Invalid input at "^" marker.',
    busy='% Error: User "other" on line vty1 ( 192.0.2.9 ) is in exclusive configuration mode',
)
CROWDED: Final = (
    "\nCurrent sessions for user hil:\nLine         Location\n 2   vty 0   192.0.2.9\n"
    "Maximum concurrent sessions for the user reached.\nClear existing session? [line number/Enter to cancel]: "
)
ACCEPT: Final = "\nThis switch belongs to a laboratory.\nPress y to accept [y/n]: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Os9Emulator:
    """An S4048. `disabled`: its default VLAN is. `accept` asks for consent first; `crowded`: no session is left."""

    ports: tuple[str, ...] = PORTS
    disabled: bool = True
    accept: bool = False
    crowded: bool = False

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        own: dict[str, Any] = {"factory": FACTORY, "max_sessions": 10}
        return Device(name, Os9Rule(None if self.disabled else 1), ports or self.ports, **own | settings)

    def terminal(self, session: Session, process: Process | None = None) -> Terminal:
        return Terminal(process, session, FACE, TABLE, "Dell")

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        async def talk(process: Process, session: Session) -> None:
            terminal = self.terminal(session, process)
            if self.accept and (await terminal.question(ACCEPT)).lower() != "y":
                return
            if self.crowded and not await terminal.question(CROWDED):
                return
            await terminal.converse()

        async with serve_ssh(device, talk) as config:
            yield Served(device, {**config, "default_vlan_disabled": self.disabled})


EMULATOR: Final = Os9Emulator()
