"""A data centre of network namespaces on a real Open vSwitch: what the lab, the demonstration and the tests hold.

It knows machines, NICs, cables and faults, and nothing of HIL: HIL reaches the switches through `ovsdb`, as it would
reach any. Every question about isolation is answered by frames. Its calls are synchronous and take milliseconds, but
for `run` and `ping`; whoever runs an event loop puts them into a thread.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from hil.core.errors import BadArgument, Unavailable
from hil.core.vlans import FIRST, LAST
from hil.lab.ovs.layout import SUBNET
from hil.lab.ovs.sandbox import Sandbox, process_of, request

Nic = tuple[str, str]
"""A machine and its NIC."""
Place = tuple[str, str]
"""A switch and its port."""
PRIORITY: Final = 0
"""The tag of a frame that has a priority and no VLAN."""
EDGES: Final = (None, PRIORITY, FIRST, LAST, 4095)
"""How a frame may be sent beside the VLANs in use: without a tag, and with the ids at the rim."""
_INTERFACE_CHARS: Final = 15


class Heard(NamedTuple):
    """One frame that arrived: who sent it with which tag, who got it with which."""

    sender: str
    receiver: str
    sent: int | None
    got: int | None


def wire(machines: Mapping[str, Sequence[str]], switches: Sequence[str] = ("sw1", "sw2")) -> dict[Nic, Place]:
    """Plug machines in by turns, so that neighbours, and the NICs of one machine, are on different switches.

    >>> wire({"node1": ["eth0"], "node2": ["eth0"]})
    {('node1', 'eth0'): ('sw1', 'sw1p1'), ('node2', 'eth0'): ('sw2', 'sw2p1')}
    """
    taken = dict.fromkeys(switches, 0)
    found: dict[Nic, Place] = {}
    for number, (machine, nics) in enumerate(machines.items()):
        for place, nic in enumerate(nics):
            switch = switches[(number + place) % len(switches)]
            taken[switch] += 1
            found[machine, nic] = switch, f"{switch}p{taken[switch]}"
    return found


class DataCentre:
    """A running data centre in one directory; `attach` finds it from another process."""

    def __init__(self, directory: Path, wiring: Mapping[Nic, Place], switches: Sequence[str]) -> None:
        self.directory, self.wiring, self.switches = directory, dict(wiring), tuple(switches)
        self.ovsdb = f"unix:{directory / 'db.sock'}"
        self._control = directory / "control.sock"
        self._sandbox: Sandbox | None = None
        self._namespaces: dict[str, int] = {}

    @classmethod
    def start(cls, directory: Path, wiring: Mapping[Nic, Place], switches: Sequence[str] = ("sw1", "sw2")) -> Self:
        """Build it; it ends with this process, or with `stop`. Raises Unavailable, BadArgument."""
        _check(wiring, switches)
        centre = cls(directory.absolute(), wiring, switches)
        centre._sandbox = Sandbox(centre.directory)
        try:
            centre._build()
        except BaseException:
            centre.stop()
            raise
        return centre

    @classmethod
    def attach(cls, directory: Path) -> Self:
        """Find the data centre that another process runs in this directory. Raises Unavailable."""
        directory = directory.absolute()
        try:
            told = json.loads((directory / "lab.json").read_text())
            process_of(directory / "control.sock")
        except (OSError, ValueError) as error:
            raise Unavailable(f"No lab runs in {directory}.", detail=str(error)) from error
        wiring = {(machine, nic): (switch, port) for machine, nic, switch, port in told["wiring"]}
        centre = cls(directory, wiring, told["switches"])
        centre._namespaces = told["namespaces"]
        return centre

    def stop(self) -> None:
        """End everything; only the process that started it can."""
        if self._sandbox is not None:
            self._sandbox.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def config(self, switch: str, **more: Any) -> dict[str, Any]:
        """What HIL must be told to reach a switch."""
        return {"ovsdb": self.ovsdb, "bridge": switch, **more}

    def nic_at(self, switch: str, port: str) -> Nic:
        return next(nic for nic, place in self.wiring.items() if place == (switch, port))

    def address(self, nic: Nic) -> str:
        """The IPv4 address of a NIC: the third number counts machines, the fourth NICs."""
        machines = list(dict.fromkeys(machine for machine, _ in self.wiring))
        nics = [name for machine, name in self.wiring if machine == nic[0]]
        return str(SUBNET[256 * (machines.index(nic[0]) + 1) + nics.index(nic[1]) + 1])

    def mac(self, nic: Nic) -> str:
        """The hardware address of a NIC; locally administered."""
        return "02:48:49:4c:" + ":".join(f"{byte:02x}" for byte in divmod(list(self.wiring).index(nic) + 1, 256))

    # Who hears whom.

    def probe(
        self,
        tags: Iterable[int | None] = EDGES,
        senders: Collection[str] | None = None,
        receivers: Collection[str] | None = None,
        *,
        fresh: bool = True,
        patience: float = 5.0,
    ) -> list[Heard]:
        """Send frames with each tag (None: without) and answer every one that arrived, with its tag on the cable.

        Places are `machine/nic`, and the name of a switch for the port of its own that every Open vSwitch has. By
        default every NIC sends, and NICs and switches listen. `fresh` has the switch judge each frame anew; without
        it, flows that earlier probes began go on, as a tenant's would. Raises BadArgument if in `patience` seconds
        nothing at all is forwarded.
        """
        nics = ["/".join(nic) for nic in self.wiring]
        found = self._ask(
            "probe",
            tags=list(dict.fromkeys(tags)),
            senders=sorted(nics if senders is None else senders),
            receivers=sorted([*nics, *self.switches] if receivers is None else receivers),
            fresh=fresh,
            wait=patience,
        )
        return [Heard(sender, receiver, sent, got) for receiver, sender, sent, got in found]

    def hears(self, vlans: Iterable[int]) -> set[frozenset[Nic]]:
        """Answer every pair of NICs of which one really heard the other, on these VLANs or at the rim of the ids."""
        heard = self.probe(chain(EDGES, vlans), receivers=["/".join(nic) for nic in self.wiring])
        by_name = {"/".join(nic): nic for nic in self.wiring}
        return {frozenset((by_name[one.sender], by_name[one.receiver])) for one in heard}

    # The machines.

    def run(self, machine: str, *argv: str, timeout: float = 20.0) -> tuple[int, str, str]:
        """Run a program in a machine; answer its exit status and what it wrote."""
        status, out, err = self._ask("exec", machine=machine, argv=argv, timeout=timeout)
        return status, out, err

    def ping(self, one: Nic, other: Nic, wait: float = 1.0) -> bool:
        """Whether a NIC gets an answer of another to one echo request within `wait` seconds."""
        words = ("ping", "-n", "-q", "-c", "1", "-W", f"{wait:g}", "-I", self.address(one), self.address(other))
        return self.run(one[0], *words, timeout=wait + 10)[0] == 0

    def shell(self, machine: str, *argv: str) -> list[str]:
        """The command that puts a person (or `argv`) into a machine; needs root, as the lab did."""
        pid = process_of(self._control)
        if machine not in self._namespaces:
            raise BadArgument(f"{machine[:64]!a} is no machine here: use one of {', '.join(self._namespaces)}.")
        where = f"--net=/proc/{pid}/fd/{self._namespaces[machine]}"
        return ["nsenter", f"--target={pid}", "--mount", "--pid", where, "--", *(argv or ("bash", "--norc", "-i"))]

    def capture(self, place: str, file: Path) -> None:
        """Begin to write every frame that passes a place into a pcap file."""
        self._ask("capture", place=place, file=str(file.absolute()))

    def captured(self, place: str) -> int:
        """End a capture; answer how many frames it holds."""
        frames: int = self._ask("capture", place=place)
        return frames

    # Faults and the operator's hand.

    def by_hand(self, port: str, **columns: Any) -> None:
        """Change a port behind HIL's back, in OVSDB's notation, and wait until the switch obeys."""
        change = {"op": "update", "table": "Port", "where": [["name", "==", port]], "row": columns}
        if not self.transact(change)[0]["count"]:
            raise BadArgument(f"{port[:64]!a} is no port here.")
        self.settle()

    def transact(self, *ops: Mapping[str, Any]) -> list[Any]:
        """Run a transaction of one's own, past any fault on the way that HIL uses."""
        results: list[Any] = self._ask("transact", ops=list(ops))
        return results

    def settle(self) -> None:
        """Wait until the switch has applied its database."""
        self._ask("settle")

    def control(self, program: str, *words: str) -> str:
        """Say something to `ovs-vswitchd` or `ovsdb-server`, as `ovs-appctl` does."""
        told: str = self._ask("control", name=program, words=words)
        return told

    def power(self, on: bool) -> None:
        """Switch the data plane off, keeping the database, or on again."""
        self._ask("daemon", name="ovs-vswitchd", action="start" if on else "stop")
        if on:
            self.settle()

    def freeze(self, program: str, frozen: bool = True) -> None:
        """Have `ovs-vswitchd` or `ovsdb-server` stand still, or go on."""
        self._ask("daemon", name=program, action="freeze" if frozen else "thaw")

    def reachable(self, reachable: bool) -> None:
        """Close HIL's way to the switches together with its sessions, or open it again."""
        self._ask("daemon", action="open" if reachable else "close")

    def reboot(self) -> None:
        """Power both programs off and on; the database is kept, every session dies."""
        self._ask("daemon", action="reboot")

    def _build(self) -> None:
        machines: dict[str, list[dict[str, str]]] = {}
        for nic, (_, port) in self.wiring.items():
            cable = {"nic": nic[1], "port": port, "mac": self.mac(nic), "address": self.address(nic)}
            machines.setdefault(nic[0], []).append(cable)
        ports = {name: [port for switch, port in self.wiring.values() if switch == name] for name in self.switches}
        self._namespaces = self._ask("build", bridges=ports, machines=machines)["namespaces"]
        wiring = [(*nic, *place) for nic, place in self.wiring.items()]
        told = {"switches": self.switches, "wiring": wiring, "namespaces": self._namespaces}
        (self.directory / "lab.json").write_text(json.dumps(told))

    def _ask(self, what: str, **details: Any) -> Any:
        return request(self._control, what, **details)


def _check(wiring: Mapping[Nic, Place], switches: Sequence[str]) -> None:
    """Raise BadArgument unless every name can be an interface and no port has two cables."""
    names = [*switches, *(port for _, port in wiring.values()), *(nic for _, nic in wiring)]
    if wrong := [name for name in names if not 1 <= len(name) <= _INTERFACE_CHARS or "/" in name or " " in name]:
        raise BadArgument(f"{wrong[0][:64]!a} cannot be an interface: use 1 to {_INTERFACE_CHARS} characters.")
    ports = [port for _, port in wiring.values()]
    if len(set(ports)) != len(ports):
        raise BadArgument("Port names must be unique over all switches of one Open vSwitch, one cable each.")
    if strange := {switch for switch, _ in wiring.values()} - set(switches):
        raise BadArgument(f"{', '.join(sorted(strange))} is no switch here.")
