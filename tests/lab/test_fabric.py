"""Who hears whom: the fabric's answer against a slow and obvious model that sends every possible frame."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.model import CLOSED, PortState
from hil.drivers.switch.mock.device import EmulatedSwitch, Foreign
from hil.lab.fabric import EVERY, Fabric, Heard

VLANS = range(1, 6)
ALL = Foreign("trunk of all VLANs", "trunk all")


def state(native: int | None = None, *tagged: int) -> PortState:
    return PortState(native, frozenset(tagged))


def lab(ports: Mapping[str, PortState | Foreign], islands: Iterable[list[str]] = ()) -> Fabric[str]:
    """A fabric with one NIC per port, named alike: `s1/a` is NIC and port a of switch s1."""
    switches: dict[str, EmulatedSwitch] = {}
    for name, held in ports.items():
        switch, _, port = name.partition("/")
        switches.setdefault(switch, EmulatedSwitch(switch)).set_by_hand(port, held)
    wiring = {name: (name.partition("/")[0], name.partition("/")[2]) for name in ports}
    return Fabric(switches, wiring, islands)


CASES = [
    (state(10), state(10), [Heard(10, "untagged")]),
    (state(10), state(11), []),
    (state(10), state(None, 10), [Heard(10, "untagged to tag 10")]),
    (state(None, 10, 20), state(11, 20, 10), [Heard(10, "tag 10"), Heard(20, "tag 20")]),
    (state(10, 20), state(20, 10), [Heard(10, "untagged to tag 10"), Heard(20, "tag 20 to untagged")]),
    (state(10), CLOSED, []),
    (CLOSED, CLOSED, []),
    (ALL, state(10, 20), [Heard(10, "tag 10 to untagged"), Heard(20, "tag 20")]),
    (ALL, CLOSED, []),
    (ALL, ALL, [Heard(EVERY, "any tag"), Heard(1, "untagged")]),
    (Foreign("LAG member", "lag", state(10)), state(10), [Heard(10, "untagged")]),
]


@pytest.mark.parametrize("ports", [("s1/a", "s1/b"), ("s1/a", "s2/b")], ids=["one switch", "two switches"])
@pytest.mark.parametrize(("a", "b", "heard"), CASES)
def test_two_nics_hear_each_other_on_the_vlans_that_both_ports_carry(
    ports: tuple[str, str], a: PortState | Foreign, b: PortState | Foreign, heard: list[Heard]
) -> None:
    fabric = lab({ports[0]: a, ports[1]: b})
    assert fabric.hears(*ports) == heard
    assert fabric.pairs() == ({frozenset(ports)} if heard else set())


def test_switches_that_are_not_linked_do_not_hear_each_other() -> None:
    ports = {"s1/a": state(10), "s2/b": state(10), "s3/c": state(10), "s1/d": ALL, "s2/e": ALL}
    fabric = lab(ports, islands=[["s1"], ["s2", "s3"]])
    assert fabric.hears("s1/a", "s2/b") == fabric.hears("s1/d", "s2/e") == []
    assert fabric.hears("s2/b", "s3/c") == [Heard(10, "untagged")]
    assert fabric.domains(1)[10] == {"s1/a", "s1/d"}
    assert fabric.domains(2)[10] == {"s2/b", "s3/c", "s2/e"}
    assert fabric.domains() == {}
    fabric.divide([])
    assert fabric.domains()[10] == set(ports)
    fabric.divide([["s1"]])
    assert fabric.domains()[10] == {"s2/b", "s3/c", "s2/e"}


def test_the_domains_are_the_nics_of_each_vlan() -> None:
    fabric = lab({"s1/a": state(10, 20), "s1/b": state(20), "s2/c": ALL, "s2/d": CLOSED})
    assert fabric.domains() == {
        10: {"s1/a", "s2/c"},
        20: {"s1/a", "s1/b", "s2/c"},
        1: {"s2/c"},
        EVERY: {"s2/c"},
    }


def test_the_fabric_sees_what_the_device_carries_now_and_not_what_it_promised() -> None:
    switch = EmulatedSwitch()
    fabric = Fabric({"s": switch}, {"x": ("s", "a"), "y": ("s", "b")})
    assert fabric.pairs() == {frozenset("xy")}, "new ports carry VLAN 1"
    switch.set_by_hand("a", CLOSED)
    assert fabric.pairs() == set()
    switch.reboot()
    assert fabric.pairs() == {frozenset("xy")}, "nobody saved it"


def test_wiring_that_cannot_be_is_refused() -> None:
    switches = {"s": EmulatedSwitch()}
    with pytest.raises(ValueError, match="two cables"):
        Fabric(switches, {"x": ("s", "a"), "y": ("s", "a")})
    with pytest.raises(ValueError, match="no switch here"):
        Fabric(switches, {"x": ("t", "a")})
    for islands in ([["t"]], [["s"], ["s"]]):
        with pytest.raises(ValueError, match="no switch here, or is in two islands"):
            Fabric(switches, {}, islands)


class Frames:
    """The slow model: every frame that a NIC can send, step by step through ports and trunks."""

    def __init__(self, ports: Mapping[str, PortState | Foreign], islands: list[list[str]]) -> None:
        self.ports, self.islands = ports, islands

    def carries(self, nic: str) -> tuple[int | None, set[int]]:
        held = self.ports[nic]
        if held is ALL:
            return 1, set(VLANS)
        assert isinstance(held, PortState)
        return held.native, set(held.vlans)

    def vlan_of(self, nic: str, tag: int | None) -> int | None:
        """The VLAN that a frame with this tag (None: untagged) enters at the NIC's port, if it is let in."""
        native, vlans = self.carries(nic)
        vlan = native if tag is None else tag
        return vlan if vlan in vlans else None

    def linked(self, a: str, b: str) -> bool:
        island = {switch: number for number, group in enumerate(self.islands, 1) for switch in group}
        return island.get(a[:2], 0) == island.get(b[:2], 0)

    def hears(self, sender: str, receiver: str) -> set[int]:
        """The VLANs on which some frame of the sender reaches the receiver."""
        entered = {self.vlan_of(sender, tag) for tag in (None, *VLANS)} - {None}
        return (
            {vlan for vlan in entered if vlan in self.carries(receiver)[1]} if self.linked(sender, receiver) else set()
        )


HELD = (
    st.builds(
        lambda native, tagged: PortState(native, tagged - {native}),
        st.none() | st.sampled_from(VLANS),
        st.frozensets(st.sampled_from(VLANS), max_size=3),
    )
    | st.just(CLOSED)
    | st.just(ALL)
)
NICS = st.sampled_from([f"s{switch}/{port}" for switch in "123" for port in "ab"])
ISLANDS = st.sampled_from([[], [["s1"]], [["s1"], ["s2"]], [["s1", "s2"], ["s3"]]])


@given(st.dictionaries(NICS, HELD, min_size=2), ISLANDS)
def test_the_fabric_agrees_with_every_frame_that_could_be_sent(
    ports: dict[str, PortState | Foreign], islands: list[list[str]]
) -> None:
    used = {nic[:2] for nic in ports}
    islands = [kept for group in islands if (kept := [switch for switch in group if switch in used])]
    fabric, frames = lab(ports, islands), Frames(ports, islands)
    for a, b in combinations(ports, 2):
        heard, back = ([vlan for vlan, _ in fabric.hears(*pair)] for pair in ((a, b), (b, a)))
        assert heard == back
        assert every(heard) == frames.hears(a, b) == frames.hears(b, a)
        assert (frozenset((a, b)) in fabric.pairs()) is bool(heard)
        domains = [fabric.domains(island) for island in range(len(islands) + 1)]
        assert every(vlan for domain in domains for vlan, nics in domain.items() if {a, b} <= nics) == every(heard)


def every(vlans: Iterable[int]) -> set[int]:
    """What EVERY stands for, written out."""
    found = set(vlans)
    return set(VLANS) if EVERY in found else found


def test_how_they_hear_is_told_from_the_side_of_the_first() -> None:
    fabric = lab({"s1/a": state(10), "s1/b": state(None, 10)})
    assert fabric.hears("s1/a", "s1/b") == [Heard(10, "untagged to tag 10")]
    assert fabric.hears("s1/b", "s1/a") == [Heard(10, "tag 10 to untagged")]
