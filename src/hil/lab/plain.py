"""The data plane that needs nothing of the machine: emulated switches, and a fabric that computes who hears whom.

It runs as any user, and on any system that Python runs on. Nodes are no more than ports here: no frame is sent, so
nothing can be captured and nobody can step into a node. What it answers is computed from what the devices carry.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from hil.cli.session import Fault
from hil.core.model import PortState
from hil.core.wiring import Mac
from hil.drivers.switch.emulated import wire
from hil.drivers.switch.mock.device import EmulatedSwitch
from hil.lab import faults
from hil.lab.fabric import Fabric
from hil.lab.faults import ask
from hil.lab.hearing import UNTAGGED, Heard, Hearing
from hil.lab.plane import place_of, unknown
from hil.lab.site import Facts, Place, Site
from hil.lab.switchd import ControlSocket, EmulatedSwitchServer

DRIVER: Final = "emulated"
TITLE: Final = "emulated switches"
BASIS: Final = "the devices' state"
OFF: Final = "power-off"
_USER: Final = "hil"
_EVERYTHING: Final = {"reason": "a trunk of every VLAN", "raw": "switchport mode trunk"}


@asynccontextmanager
async def serving(site: Site, wiring: Mapping[str, Place], password: str) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """Run the switches, and yield what HIL must be told to reach each."""
    servers: dict[str, EmulatedSwitchServer] = {}
    async with AsyncExitStack() as stack:
        for switch in dict.fromkeys(switch for switch, _ in wiring.values()):
            ports = [port for where, port in wiring.values() if where == switch]
            device = EmulatedSwitch(switch, ports=ports, username=_USER, password=password)
            device.macs = {
                port: [Mac(mac(number), None)]
                for number, (where, port) in enumerate(wiring.values())
                if where == switch
            }
            servers[switch] = await stack.enter_async_context(EmulatedSwitchServer(device))
        await stack.enter_async_context(ControlSocket(site.switches, servers))
        login = {"username": _USER, "password": password}
        yield {name: {"address": server.address, **login} for name, server in servers.items()}


class _Told:
    """A switch as it tells its ports: what is not representable counts as everything, and no power as nothing."""

    def __init__(self, ports: Mapping[str, Any], powered: bool) -> None:
        self._ports, self._powered = ports, powered

    def carried(self, port: str) -> tuple[int | None, Collection[int], bool]:
        if not self._powered:
            return None, (), False
        if isinstance(told := self._ports[port], dict):
            return 1, (), True
        state = wire.state_in(told)
        return state.native, state.tagged, False


class PlainPlane:
    """Emulated switches, asked over their control socket."""

    title = TITLE

    def __init__(self, site: Site, facts: Facts) -> None:
        self.facts = facts
        self._site = site
        self._switches = tuple(dict.fromkeys(switch for switch, _ in facts.wiring.values()))

    def hearing(self, vlans: Collection[int]) -> Hearing:
        """Compute it; every VLAN is looked at, whichever are named."""
        fabric = self._fabric()
        nodes = tuple(self.facts.wiring)
        found = {
            Heard(receiver, sender, heard.how)
            for receiver in nodes
            for sender in nodes
            if receiver != sender
            for heard in fabric.hears(sender, receiver)
        }
        return Hearing(nodes, nodes, frozenset(found), 0, BASIS)

    def ping(self, one: str, other: str) -> tuple[bool, str]:
        for node in (one, other):
            place_of(self.facts, node)
        ways = [heard for heard in self._fabric().hears(one, other) if heard.how == UNTAGGED] if one != other else []
        if one == other or ways:
            return True, f"{one} reaches {other} untagged, computed from {BASIS}"
        return False, f"{one} does not reach {other} untagged, computed from {BASIS}"

    def shell(self, node: str, argv: Sequence[str]) -> list[str]:
        raise Fault("the nodes of this lab are ports of emulated switches: there is nothing to step into", _REMEDY)

    def capture(self, node: str, file: Path) -> bool:
        return False

    def captured(self, node: str) -> int:
        return 0

    def programs(self) -> list[tuple[str, int, str]]:
        return []

    def addresses(self, node: str) -> tuple[str, str]:
        return mac(list(self.facts.wiring).index(node)), ""

    def faults(self) -> list[tuple[str, str]]:
        off = self._off()
        found = [(switch, OFF) for switch in self._switches if switch in off]
        for switch in self._switches:
            found += [(switch, _words(fault)) for fault in self._ask("dump", switch=switch)["faults"]]
        return found

    def fault_set(self, switch: str, kind: str, settings: Sequence[str] = ()) -> None:
        self._known(switch)
        if kind == OFF and not settings:
            self._ask("power", switch=switch, on=False)
        else:
            pairs = dict(word.partition("=")[::2] for word in settings)
            self._ask("fault", switch=switch, fault=faults.to_json(faults.from_json({**pairs, "kind": kind})))

    def fault_clear(self, switch: str | None) -> None:
        for name in self._switches if switch is None else (self._known(switch),):
            self._ask("clear", switch=name)
            self._ask("power", switch=name, on=True)

    def reboot(self, switch: str) -> None:
        self._ask("reboot", switch=self._known(switch))

    def kept(self, place: Place) -> str:
        return str(self._ask("dump", switch=place[0])["ports"][place[1]])

    def by_hand(self, place: Place, state: PortState | None) -> None:
        self._ask("hand", switch=place[0], port=place[1], state=_EVERYTHING if state is None else wire.state_out(state))

    def writes(self, switch: str, since: int = 0) -> list[dict[str, Any]]:
        """The commands that a switch has accepted, but for the first `since`."""
        found: list[dict[str, Any]] = self._ask("log", switch=self._known(switch), since=since)
        return found

    def _fabric(self) -> Fabric[str]:
        off = self._off()
        told = {
            switch: _Told(self._ask("dump", switch=switch)["ports"], switch not in off) for switch in self._switches
        }
        return Fabric(told, self.facts.wiring)

    def _off(self) -> set[str]:
        """The switches without power: nobody listens there."""
        addresses = self._ask("names")
        return {switch for switch in self._switches if not _listens(addresses[switch])}

    def _known(self, switch: str) -> str:
        if switch not in self._switches:
            unknown(switch, "switch", self._switches)
        return switch

    def _ask(self, what: str, **details: Any) -> Any:
        return ask(self._site.switches, {"do": what, **details})


_REMEDY: Final = "start the lab as root on a Linux with Open vSwitch: `hil lab up --ovs`"


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def mac(number: int) -> str:
    """The hardware address of a node by its number; locally administered."""
    return "02:48:49:4c:" + ":".join(f"{byte:02x}" for byte in divmod(number + 1, 256))


def _words(fault: Mapping[str, Any]) -> str:
    """A fault as it is typed."""
    kind = str(fault["kind"])
    default = faults.to_json(faults.parse(kind))
    return " ".join([kind, *(f"{key}={value}" for key, value in fault.items() if value != default[key])])
