"""Compares who is wired where by the books with whom the switches see. Pure.

What a switch sees is what the machines at the other ends send, and a tenant can send anything: a finding is a reason
to look at a cable, never a proof, and the absence of findings is none either.

A MAC address is seen on every port that leads to its machine, links between switches included. So on a port that HIL
does not know, an address that belongs to another switch may be traffic through a link; LLDP never passes a switch and
is believed on every port.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hil.admin.switch_ask import Sight
from hil.admin.switch_books import Book, Wire
from hil.core.wiring import canonical_mac


class What(StrEnum):
    """The kinds of finding; all but the last two are disagreements."""

    ELSEWHERE = "nic-elsewhere"
    UNKNOWN = "unknown-mac"
    CROWDED = "two-nics"
    CONTRADICTION = "lldp-contradicts-mac"
    TWICE = "mac-registered-twice"
    FAILED = "not-asked"
    NEVER = "never-seen"
    NO_MAC = "no-mac-registered"


WARNINGS = frozenset({What.NEVER, What.NO_MAC})


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something about one port of one switch; `port` is empty where it concerns the whole switch."""

    switch: str
    port: str
    what: What
    words: str

    @property
    def warning(self) -> bool:
        return self.what in WARNINGS


@dataclass(frozen=True, slots=True)
class Place:
    switch: str
    port: str
    nic: str


class Register:
    """The books, by address and by port."""

    def __init__(self, books: Iterable[Book]) -> None:
        self.wires: dict[tuple[str, str], Wire] = {}
        self.by_mac: dict[str, list[Place]] = {}
        for book in books:
            for wire in book.wires:
                self.wires[book.name, wire.port] = wire
                if wire.mac:
                    self.by_mac.setdefault(wire.mac, []).append(Place(book.name, wire.port, wire.nic))

    def nics(self, macs: Iterable[str]) -> set[str]:
        return {place.nic for mac in macs for place in self.by_mac.get(mac, ())}


def compare(books: Sequence[Book], sights: Mapping[str, Sight]) -> list[Finding]:
    """Every disagreement and warning, in the order of switches and ports.

    `books` are all switches, so that addresses of any are known; `sights` are of those that were asked.
    """
    return sorted(set(_Comparison(Register(books), sights).findings()))


@dataclass(frozen=True, slots=True)
class _Comparison:
    register: Register
    sights: Mapping[str, Sight]

    def findings(self) -> Iterator[Finding]:
        for switch, sight in self.sights.items():
            yield from self._registered_twice(switch)
            if sight.error:
                yield Finding(switch, "", What.FAILED, sight.error)
                continue
            registered = {port for name, port in self.register.wires if name == switch}
            for port in registered | {*(sight.macs or {}), *(sight.neighbours or {})}:
                yield from self._port(switch, port)

    def _port(self, switch: str, port: str) -> Iterator[Finding]:
        macs, lldp = self._macs(switch, port), self._lldp(switch, port)
        wire = self.register.wires.get((switch, port))
        for mac in sorted(macs | lldp):
            yield from self._heard(switch, port, mac, by_lldp=mac in lldp)
        nics, said = self.register.nics(macs), self.register.nics(lldp)
        if wire is not None and len(nics) > 1:
            yield Finding(switch, port, What.CROWDED, f"{len(nics)} NICs are seen: {', '.join(sorted(nics))}")
        if said and nics and not said & nics:
            words = f"LLDP names {', '.join(sorted(said))}, and the MAC table {', '.join(sorted(nics))}"
            yield Finding(switch, port, What.CONTRADICTION, words)
        if wire is not None and wire.nic:
            yield from self._expected(switch, wire, macs | lldp)

    def _heard(self, switch: str, port: str, mac: str, *, by_lldp: bool) -> Iterator[Finding]:
        """Judge one address on one port."""
        places, wire = self.register.by_mac.get(mac, []), self.register.wires.get((switch, port))
        if not places:
            if wire is not None and wire.nic and wire.mac:
                yield Finding(switch, port, What.UNKNOWN, f"{mac} is seen, which is registered nowhere")
            return
        if any((place.switch, place.port) == (switch, port) for place in places):
            return
        if wire is None and not by_lldp and all(self._through_link(switch, port, mac, place) for place in places):
            return
        nics = ", ".join(f"{place.nic} ({mac}), wired to {place.switch} {place.port}" for place in places)
        yield Finding(switch, port, What.ELSEWHERE, f"{'LLDP names' if by_lldp else 'seen is'} {nics}")

    def _through_link(self, switch: str, port: str, mac: str, place: Place) -> bool:
        """Whether an address on a port that HIL does not know can be traffic from behind another switch.

        It cannot if its own switch was asked and does not see it, unless the port shows several NICs, as links do.
        """
        home = self.sights.get(place.switch)
        if place.switch == switch:
            return False
        if home is None or home.macs is None or mac in self._macs(place.switch, place.port):
            return True
        return len(self.register.nics(self._macs(switch, port))) > 1

    def _expected(self, switch: str, wire: Wire, seen: set[str]) -> Iterator[Finding]:
        """Warn where the NIC that should be there cannot be recognised."""
        if not wire.mac:
            shown = f"; seen: {', '.join(sorted(seen))}" if seen else ""
            yield Finding(switch, wire.port, What.NO_MAC, f"{wire.nic} has no MAC address in the books{shown}")
        elif self.sights[switch].macs is not None and wire.mac not in seen:
            yield Finding(switch, wire.port, What.NEVER, f"{wire.nic} ({wire.mac}) was not seen")

    def _registered_twice(self, switch: str) -> Iterator[Finding]:
        for mac, places in self.register.by_mac.items():
            for place in [place for place in places if place.switch == switch and len(places) > 1]:
                others = ", ".join(sorted(other.nic for other in places if other != place))
                yield Finding(switch, place.port, What.TWICE, f"{place.nic} has the address {mac}, as has {others}")

    def _macs(self, switch: str, port: str) -> set[str]:
        return {mac.address for mac in (self.sights[switch].macs or {}).get(port, ())}

    def _lldp(self, switch: str, port: str) -> set[str]:
        """The MAC addresses that LLDP gives as port ids, which is how servers name their NICs."""
        heard = (self.sights[switch].neighbours or {}).get(port, ())
        return {mac for each in heard if (mac := canonical_mac(each.port))}
