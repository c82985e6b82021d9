"""An emulated Dell OS10 switch: its command line over SSH, with what bites there.

Factory ports are access ports of VLAN 1, and without an access VLAN a port falls back to it, trunks too; allowed VLANs
add up; a VLAN must exist, and be on a port tagged or untagged, not both. A transaction gathers changes until it is
committed, and ends with its session. Its text is of the shape that such switches print. It forwards no frame.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortState
from hil.core.vlans import unfold
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.drivers.switch.mock.faults import FaultKind, Op
from hil.drivers.switch.os10.spec import SPEC
from hil.lab.devices import Served, os10_show
from hil.lab.devices.commands import enters, goodbye, own, page_length
from hil.lab.devices.model import Config, Device, Dropped, Mode, PortConfig, Session, trunk_of_all
from hil.lab.devices.shell import Command, Face, Process, Terminal, command, serve_ssh

PORTS: Final = tuple(f"ethernet1/1/{number}" for number in range(1, 9))
PARKED: Final = 4000
EVERY: Final = frozenset(range(1, 4094))
_OWN_LINES: Final = r"(?:spanning-tree|storm-control|description|switchport voice)"


class Os10Rule:
    """What the switch makes of its configuration: `access` is the untagged VLAN in both modes."""

    def carried(self, config: Config, port: str) -> Carried:
        found = config.ports[port]
        if found.shut or found.lag or found.mode is Mode.ROUTED:
            return Carried(None, frozenset())
        native = found.access if found.access in config.vlans else None
        if found.mode is Mode.ACCESS:
            return Carried(native, frozenset())
        allowed = (EVERY if found.allowed is None else found.allowed) & config.vlans
        return Carried(native, frozenset(allowed - {native}), everything=found.allowed is None)

    def held(self, config: Config, port: str) -> Held:
        found = config.ports[port]
        raw = "\n".join(os10_show.configured(port, found))
        if found.lag:
            return Foreign(f"member of LAG {found.lag}", raw, CLOSED)
        if found.mode is Mode.ROUTED:
            return Foreign("no switch port", raw, CLOSED)
        if any(line.startswith("switchport voice") for line in found.lines):
            return Foreign("a voice VLAN", raw)
        if found.shut:
            return CLOSED
        if found.mode is Mode.TRUNK and found.allowed is None:
            return Foreign("trunk of all VLANs", raw)
        tagged = (found.allowed or frozenset()) if found.mode is Mode.TRUNK else frozenset()
        if PARKED in tagged | {found.access}:
            return Foreign("open in the parked VLAN", raw, PortState(None, tagged))
        return PortState(found.access, tagged - {found.access})

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        """Tagged VLANs alone cannot be had here: their untagged one is then the parked VLAN."""
        plain = replace(config.ports[port], lag="", lines=frozenset(), mode=Mode.TRUNK)
        if isinstance(held, Foreign):
            return replace(trunk_of_all(plain), access=1)
        mode = Mode.TRUNK if held.enabled else Mode.ACCESS
        return replace(plain, mode=mode, allowed=held.tagged, access=held.native or PARKED, shut=not held.enabled)


# -- the transaction --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Transaction:
    """What a session has gathered: a copy of the configuration, and the ports that it has touched."""

    candidate: Config
    touched: set[str] = field(default_factory=set)


def _transaction(terminal: Terminal) -> Transaction | None:
    found: Transaction | None = terminal.memory.get("transaction")
    return found


def _config(terminal: Terminal) -> Config:
    """What the session's commands see and change."""
    transaction = _transaction(terminal)
    return transaction.candidate if transaction else terminal.device.config


async def _start(terminal: Terminal, found: re.Match[str]) -> str:
    if _transaction(terminal):
        return "% Error: Transaction is already in progress"
    terminal.memory["transaction"] = Transaction(terminal.device.config.copy())
    return ""


async def _commit(terminal: Terminal, found: re.Match[str]) -> str:
    transaction, session = _transaction(terminal), terminal.session
    if transaction is None:
        return "% Error: No transaction in progress"
    await session.enter(Op.WRITE)
    if bundled := [port for port in sorted(transaction.touched) if terminal.device.config.ports[port].lag]:
        session.leave(Op.WRITE)
        return f"% Error: Commit failed: {bundled[0]} is a member of a port-channel"
    if any(terminal.device.faults.strike(FaultKind.HALF, Op.WRITE, port) for port in sorted(transaction.touched)):
        session.close()
        raise Dropped
    new = terminal.device.config.copy()
    new.vlans |= transaction.candidate.vlans
    new.ports.update({port: transaction.candidate.ports[port] for port in transaction.touched})
    session.commit(new)
    del terminal.memory["transaction"]
    session.leave(Op.WRITE)
    return ""


async def _discard(terminal: Terminal, found: re.Match[str]) -> str:
    if terminal.memory.pop("transaction", None) is None:
        return "% Error: No transaction in progress"
    return ""


async def _changes(terminal: Terminal, change: Callable[[PortConfig], PortConfig]) -> str:
    """Change the port of the mode, in the transaction if there is one."""
    session, port, transaction = terminal.session, terminal.place, _transaction(terminal)
    await session.enter(Op.WRITE, port)
    refused = session.refusal(port)
    if refused is None:
        into = _config(terminal)
        session.set(port, change(into.ports[port]), into=into)
        if transaction:
            transaction.touched.add(port)
    session.leave(Op.WRITE, port)
    return refused or ""


# -- commands ---------------------------------------------------------------------------------------------------------


async def _show(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.show(os10_show.SHOWN[" ".join(found[1].lower().split())])


async def _interface(terminal: Terminal, found: re.Match[str]) -> str:
    try:
        port = SPEC.port_name(found[1])
    except BadArgument:
        port = ""
    if port not in terminal.device.config.ports:
        return "% Error: Invalid interface"
    terminal.mode, terminal.place = "if", port
    return ""


async def _vlan(terminal: Terminal, found: re.Match[str]) -> str:
    vlan = int(found[1])
    if vlan not in EVERY:
        return "% Error: Value out of range (1 - 4093)"
    terminal.mode = "vlan"
    await terminal.session.enter(Op.WRITE)
    _config(terminal).vlans.add(vlan)
    terminal.session.leave(Op.WRITE)
    return ""


async def _save(terminal: Terminal, found: re.Match[str]) -> str:
    return await terminal.save("Copy completed")


async def _access(terminal: Terminal, found: re.Match[str]) -> str:
    config, vlan = _config(terminal), int(found[1])
    port = config.ports[terminal.place]
    if vlan not in config.vlans:
        return f"% Error: Vlan {vlan} does not exist"
    if port.mode is Mode.TRUNK and vlan in (port.allowed or ()):
        return f"% Error: {terminal.place} is already a tagged member of vlan {vlan}"
    return await _changes(terminal, lambda entry: replace(entry, access=vlan))


async def _allowed(terminal: Terminal, found: re.Match[str]) -> str:
    """Add to the tagged VLANs, or with `no` take from them."""
    config = _config(terminal)
    port = config.ports[terminal.place]
    try:
        vlans = unfold(found[2])
    except BadArgument:
        return "% Error: Invalid vlan range"
    if port.mode is not Mode.TRUNK:
        return "% Error: Interface is not in trunk mode"
    if not found[1] and not vlans <= config.vlans:
        return f"% Error: Vlan {min(vlans - config.vlans)} does not exist"
    if not found[1] and port.access in vlans:
        return f"% Error: {terminal.place} is already an untagged member of vlan {port.access}"

    def change(entry: PortConfig) -> PortConfig:
        now = EVERY if entry.allowed is None else entry.allowed
        return replace(entry, allowed=now - vlans if found[1] else now | vlans)

    return await _changes(terminal, change)


def _mode(port: PortConfig, found: re.Match[str]) -> PortConfig:
    """An access port loses its tagged VLANs for good."""
    if found[1].lower() == "access":
        return replace(port, mode=Mode.ACCESS, allowed=frozenset())
    return replace(port, mode=Mode.TRUNK)


def _line(pattern: str, change: Callable[[PortConfig, re.Match[str]], PortConfig]) -> Command:
    """A line of an interface, in the session's transaction if it has one."""

    async def does(terminal: Terminal, found: re.Match[str]) -> str:
        return await _changes(terminal, lambda config: change(config, found))

    return command("if", pattern, does)


TABLE: Final[Sequence[Command]] = (
    command("exec", r"terminal length (\d+)", page_length),
    command("exec", rf"({'|'.join(os10_show.SHOWN)})", _show),
    command("exec", r"start transaction", _start),
    command("exec", r"commit", _commit),
    command("exec", r"discard", _discard),
    command("exec", r"configure terminal", enters("config")),
    command("exec", r"copy running-configuration startup-configuration", _save),
    command("exec", r"exit", goodbye),
    command("config", r"interface vlan (\d+)", _vlan),
    command("config", r"interface ((?:ethernet|port-channel) ?\S+)", _interface),
    command("config if vlan", r"end", enters("exec")),
    command("if vlan", r"exit", enters("config")),
    command("config", r"exit", enters("exec")),
    _line(r"switchport mode (trunk|access)", _mode),
    _line(r"no switchport", lambda port, _: replace(port, mode=Mode.ROUTED)),
    command("if", r"switchport access vlan (\d+)", _access),
    _line(r"no switchport access vlan", lambda port, _: replace(port, access=1)),
    command("if", r"(no )?switchport trunk allowed vlan ([\d,-]+)", _allowed),
    _line(r"shutdown", lambda port, _: replace(port, shut=True)),
    _line(r"no shutdown", lambda port, _: replace(port, shut=False)),
    _line(r"channel-group (\d+) mode active", lambda port, found: replace(port, lag=found[1])),
    _line(rf"{_OWN_LINES}(?: \S+)*", own),
)

FACE: Final = Face(
    prompts={"exec": "#", "config": "(config)#", "if": "(conf-if-eth)#", "vlan": "(conf-if-vl)#"},
    invalid="% Error: Unrecognized command",
    busy="% Error: Configuration is locked by another session.",
    banner="Debian GNU/Linux 9\n-*- Dell SmartFabric OS10 -*-\n",
    pager="--More--",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Os10Emulator:
    """An S4148F-ON."""

    ports: tuple[str, ...] = PORTS

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        own: dict[str, Any] = {"factory": PortConfig(), "max_sessions": 10}
        return Device(name, Os10Rule(), ports or self.ports, **own | settings)

    def terminal(self, session: Session, process: Process | None = None) -> Terminal:
        return Terminal(process, session, FACE, TABLE, "OS10")

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        async def talk(process: Process, session: Session) -> None:
            await self.terminal(session, process).converse()

        async with serve_ssh(device, talk) as config:
            yield Served(device, {**config, "parked": PARKED})


EMULATOR: Final = Os10Emulator()
