"""The machine room: every node of a lab as a QEMU guest on its own cable, with a BMC on a loopback port.

Guests run inside the lab's sandbox and end with it; controllers run outside, where HIL is, and end with the process
that holds the room, however that ends. Nothing is left but the directory. Every second node is behind Redfish, the
others behind IPMI. `room.sock` in the directory is for the lab's own eyes and hands: what a machine is, what it said,
what is wrong with its controller. It tells no password.
"""

from __future__ import annotations

import secrets
import shutil
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.obms import PowerAction
from hil.lab.faults import ask
from hil.lab.machines import asks, boot, ipmi, qemu
from hil.lab.machines.bmc import DEAD, FAULTS, HANG, Bmc, RedfishBmc
from hil.lab.machines.machine import Machine
from hil.lab.ovs.daemons import SEARCH
from hil.lab.ovs.datacentre import DataCentre
from hil.lab.site import NIC, Site

__all__ = [
    "DEAD",
    "FAULTS",
    "HANG",
    "Controller",
    "MachineFacts",
    "fault_clear",
    "fault_set",
    "heard",
    "machines",
    "possible",
    "power",
    "serving",
    "typed",
]
_USER: Final = "hil"
_PROGRAMS: Final = {ipmi.PROGRAM: "openipmi", "ipmitool": "ipmitool", boot.PROGRAM: "dnsmasq-base"}


@dataclass(frozen=True, slots=True)
class Controller:
    """What HIL must be told to reach a BMC: the name of a driver, and its configuration, which holds a password."""

    driver: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """A machine as it is. `pid`: its emulator, as this host numbers it, None while it is off."""

    node: str
    protocol: str
    power: bool
    boots: int
    pid: int | None
    heard: int
    """Bytes that its serial port has said so far."""
    next_boot: str
    bmc_pid: int | None
    fault: str
    """What is wrong with its controller: a key of FAULTS, or nothing."""


def possible() -> str:
    """Why QEMU machines cannot be had here, beside what the sandbox needs; empty if they can."""
    if why := qemu.missing():
        return why
    absent = [f"{name} (Debian: {pack})" for name, pack in _PROGRAMS.items() if not shutil.which(name, path=SEARCH)]
    return f"missing: {', '.join(absent)}" if absent else ""


class _Unit:
    """A machine and its controller."""

    def __init__(self, number: int, node: str, mac: str, directory: Path, centre: DataCentre) -> None:
        directory.mkdir(mode=0o700)
        self.machine = Machine(node, mac, directory, centre.directory / "control.sock", f"{node}/{NIC}")
        password = secrets.token_urlsafe(12)  # 16 bytes; IPMI has room for 20
        if number % 2:
            self.protocol = "redfish"
            self.bmc = Bmc(node, directory, RedfishBmc(node, directory, _USER, password))
        else:
            self.protocol = ipmi.DRIVER
            self.bmc = Bmc(node, directory, ipmi.IpmiBmc(node, number + 1, directory, password))

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        async with self.machine.standing(), self.bmc.standing(self.machine.serial):
            yield

    @property
    def controller(self) -> Controller:
        return Controller(self.protocol, self.bmc.kind.config)

    @property
    def facts(self) -> MachineFacts:
        machine = self.machine
        return MachineFacts(
            node=machine.name,
            protocol=self.protocol,
            power=machine.on,
            boots=machine.boots,
            pid=machine.pid,
            heard=machine.serial.heard,
            next_boot=str(machine.override.device),
            bmc_pid=self.bmc.pid,
            fault=self.bmc.fault,
        )


@asynccontextmanager
async def serving(site: Site, centre: DataCentre, nodes: Mapping[str, str]) -> AsyncIterator[dict[str, Controller]]:
    """Put a machine on the cable of each node (name and MAC), all without power; yield their controllers.

    Belongs into the process that holds the data centre, in its main thread. Raises Unavailable.
    """
    place = _room(site)
    for node in nodes:
        asks.check(place / node / "monitor")
    place.mkdir(mode=0o700, exist_ok=True)
    units = {node: _Unit(number, node, mac, place / node, centre) for number, (node, mac) in enumerate(nodes.items())}
    async with AsyncExitStack() as stack:
        for unit in units.values():
            await stack.enter_async_context(unit.standing())
        await stack.enter_async_context(asks.serving(place / "room.sock", _Desk(units).answer))
        yield {node: unit.controller for node, unit in units.items()}


class _Desk:
    """Who answers at `room.sock`."""

    def __init__(self, units: Mapping[str, _Unit]) -> None:
        self._units = units

    async def answer(self, request: asks.Request) -> Any:
        if request["do"] == "list":
            return [asdict(unit.facts) for unit in self._units.values()]
        if request["node"] not in self._units:
            known = ", ".join(self._units)
            raise BadArgument(f"{str(request['node'])[:64]!a} is no machine here: use one of {known}.")
        unit = self._units[request["node"]]
        match request["do"]:
            case "heard":
                place, data = unit.machine.serial.since(int(request["since"]))
                return [place, b64encode(data).decode()]
            case "type":
                return unit.machine.serial.type(b64decode(request["data"]))
            case "power":
                return await unit.machine.power_set(PowerAction(request["action"]))
            case "fault":
                return await unit.bmc.break_(request["fault"])
            case "mend":
                return await unit.bmc.mend()
        raise BadArgument(f"{str(request['do'])[:40]!a} is nothing that can be asked here.")


# What any process of the lab may ask.


def machines(site: Site) -> dict[str, MachineFacts]:
    """Every machine as it is. Raises Unavailable if there are none."""
    return {told["node"]: MachineFacts(**told) for told in _ask(site, "list")}


def heard(site: Site, node: str, since: int = 0) -> tuple[int, bytes]:
    """What a machine's serial port has said from a place on (at most 64 KiB), and the place that follows."""
    place, data = _ask(site, "heard", node=node, since=since)
    return place, b64decode(data)


def typed(site: Site, node: str, data: bytes) -> None:
    """Type at a machine's serial port, past its controller."""
    _ask(site, "type", node=node, data=b64encode(data).decode())


def power(site: Site, node: str, action: PowerAction) -> None:
    """Press the button at the machine, past its controller."""
    _ask(site, "power", node=node, action=str(action))


def fault_set(site: Site, node: str, fault: str) -> None:
    """Break a machine's controller: a key of FAULTS. Raises BadArgument."""
    _ask(site, "fault", node=node, fault=fault)


def fault_clear(site: Site, node: str) -> None:
    """Have a machine's controller work again."""
    _ask(site, "mend", node=node)


def _ask(site: Site, what: str, **details: Any) -> Any:
    return ask(_room(site) / "room.sock", {"do": what, **details}, patience=60.0)


def _room(site: Site) -> Path:
    return site.directory / "vm"
