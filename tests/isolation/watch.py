"""The watch: what must hold at every instant, asked of the devices first and of the books second.

It runs at every point of every process: after each commit, after each step inside a switch, at each gate. It judges by
rules of its own and shares no code with what it judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hil.drivers.switch.mock.device import EmulatedSwitch
from hil.lab.fabric import EVERY, Fabric
from tests.isolation.books import Books, Net, Wire, plain
from tests.isolation.lineage import EVERYTHING, Lineage, vlans

NodeNic = tuple[str, str]


class Violation(AssertionError):
    """What may never be, was."""


class Watch:
    """Holds what must be remembered between two looks: last owners of quarantined nodes and of draining ids."""

    def __init__(self, devices: Mapping[str, EmulatedSwitch], lineages: Mapping[str, Lineage]) -> None:
        self.devices, self.lineages = devices, lineages
        self.last_project: dict[str, int | None] = {}
        self.last_network: dict[int, Net] = {}
        self.shared = 0
        """Most projects that were seen on one VLAN at a time."""

    def look(self, books: Books) -> None:
        """Raise Violation if anything is wrong now."""
        for node in books.nodes.values():
            if node.state != "quarantined":
                self.last_project[node.name] = node.project
        self.last_network.update(books.by_vlan)
        self._hearing(books)
        for wire in books.wires.values():
            self._carried(books, wire)
            self._booked(wire)
        for node in books.nodes.values():
            for nic_wire in node.nics.values():
                if nic_wire is not None and not node.held and nic_wire.attachments:
                    raise Violation(f"{node.name} is {node.state} and has {nic_wire.attachments}")

    def project(self, books: Books, node: str) -> int | None:
        """Whose the node is; a quarantined one counts as its last project's."""
        found = books.nodes[node]
        return self.last_project.get(node) if found.state == "quarantined" else found.project

    # Who hears whom.

    def _hearing(self, books: Books) -> None:
        wiring = {(wire.node, wire.nic): wire.key for wire in books.wires.values() if wire.node and wire.nic}
        domains = Fabric(self.devices, wiring).domains()
        for vlan, nics in domains.items():
            heard = [nic for nic in nics if not self._excused(wiring[nic], vlan)]
            nodes = sorted({str(node) for node, _ in heard})
            if len(nodes) > 1:
                for node in nodes:
                    self._may_hear(books, node, vlan, nodes)
                self.shared = max(self.shared, len({self.project(books, node) for node in nodes}))

    def _excused(self, key: tuple[str, str], vlan: int) -> bool:
        switch, port = key
        return self.lineages[switch].excused(port, EVERYTHING if vlan == EVERY else vlan)

    def _may_hear(self, books: Books, node: str, vlan: int, others: list[str]) -> None:
        found = books.nodes[node]
        if not found.held:
            raise Violation(f"{node} is {found.state} and hears {others} on VLAN {vlan}")
        net = books.by_vlan.get(vlan)
        draining = net is None
        if net is None:
            net = self.last_network.get(vlan)
        if net is None:
            raise Violation(f"{others} hear each other on VLAN {vlan}, which no network ever had")
        project = self.project(books, node)
        if not net.public and project not in net.guests:
            words = "had it last" if draining else "has it"
            raise Violation(
                f"{node} of project {project} hears {others} on VLAN {vlan}; {net.name} {words}, for {net.guests}"
            )

    # What one port carries.

    def _carried(self, books: Books, wire: Wire) -> None:
        """Every VLAN on the wire is in the books of its port, and a node in the pool is on none."""
        lineage = self.lineages[wire.switch]
        for vlan in vlans(self.devices[wire.switch].carried(wire.port)):
            if lineage.excused(wire.port, vlan):
                continue
            if vlan not in wire.may:
                raise Violation(f"{wire.key} carries VLAN {vlan}, of which the books know nothing: {sorted(wire.may)}")
            if wire.node is not None:
                self._may_carry(books, wire, vlan)

    def _may_carry(self, books: Books, wire: Wire, vlan: int) -> None:
        assert wire.node is not None
        node = books.nodes[wire.node]
        if not node.held:
            raise Violation(f"{wire.key} carries VLAN {vlan}, and {node.name} behind it is {node.state}")
        self._may_hear(books, node.name, vlan, [node.name])

    def _booked(self, wire: Wire) -> None:
        """What the books claim to know of a port is so."""
        if wire.applied > wire.wanted:
            raise Violation(f"{wire.key} has applied {wire.applied} of {wire.wanted}")
        if not wire.read or wire.tainted or wire.drifted or self.lineages[wire.switch].foreign(wire.port):
            return
        device = self.devices[wire.switch]
        state = plain(device.running(wire.port), device.parked)
        if state != wire.observed:
            raise Violation(f"{wire.key} is not tainted; it is {state} and the books say that {wire.observed} was read")
        if wire.settled and wire.node is not None and state != wire.wish:
            raise Violation(f"{wire.key} is settled at {state} and shall be {wire.wish}")

    # Moments.

    def given(self, books: Books, nodes: list[str]) -> None:
        """These nodes were just handed out: their ports carry nothing but what a hand did after HIL had closed them."""
        for node in nodes:
            for wire in self._wires(books, node):
                state = plain(self.devices[wire.switch].running(wire.port), self.devices[wire.switch].parked)
                if (
                    state is not None
                    and state.vlans
                    and not (wire.read and self.lineages[wire.switch].foreign(wire.port))
                ):
                    raise Violation(f"{node} was handed out with {wire.key} at {state}")
                if not wire.read or not wire.settled or wire.quarantined:
                    raise Violation(f"{node} was handed out, and {wire.key} is not settled in the books")

    def claimed(self, books: Books, network: str) -> None:
        """This network just got its id: no port carries it yet."""
        vlan = books.networks[network].vlan
        for name, device in self.devices.items():
            for port in device.ports():
                if vlan in vlans(device.carried(port)) and not self.lineages[name].excused(port, vlan):
                    raise Violation(f"network {network} got VLAN {vlan}, which {(name, port)} carries")

    @staticmethod
    def _wires(books: Books, node: str) -> Iterator[Wire]:
        return (wire for wire in books.nodes[node].nics.values() if wire is not None)
