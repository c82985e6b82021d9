"""From any state to any state of a PowerConnect port, line by line: nothing outside old ∪ new, and the end is exact."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.cli.submodes import SubmodeSession
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.powerconnect.render import LONGEST_LIST
from hil.drivers.switch.powerconnect.session import PowerConnect
from hil.drivers.switch.powerconnect.spec import SPEC
from hil.lab.devices.model import Mode, PortConfig
from hil.lab.devices.powerconnect import PowerConnectEmulator
from tests.switches.desk import WRITER, Desk, Held, every_pair
from tests.switches.harness import port_states, run

STATES = port_states()
VLANS = st.sampled_from([1, 10, 11, 20, 77])
CONFIGURED = st.builds(
    PortConfig,
    mode=st.sampled_from([Mode.ACCESS, Mode.TRUNK, Mode.TRUNK, Mode.HYBRID]),
    access=VLANS,
    native=st.none() | VLANS,
    allowed=st.none() | st.frozensets(VLANS, max_size=4),
    shut=st.booleans(),
)
ANYTHING = st.one_of(STATES, st.just(Foreign("all", "all")), CONFIGURED)


def desk(*, terse: bool = False) -> Desk:
    emulated = PowerConnectEmulator(terse=terse)
    return Desk(emulated, emulated.device("p1", emulated.ports[:3]), PowerConnect(), {}, SubmodeSession)


@settings(max_examples=80)
@given(before=st.tuples(ANYTHING, ANYTHING), after=st.tuples(STATES, STATES), blind=st.booleans(), terse=st.booleans())
def test_no_line_opens_what_was_not_asked_for(
    before: tuple[Held, Held], after: tuple[PortState, PortState], blind: bool, terse: bool
) -> None:
    there = desk(terse=terse)
    for port, held in zip(("gi1/0/1", "gi1/0/2"), before, strict=True):
        there.put(port, held)
    bystander = there.device.running("gi1/0/3")
    wants = dict(zip(("gi1/0/1", "gi1/0/2"), after, strict=True))
    run(there.leads(wants, blind=blind))
    assert run(there.leads(wants)) == []
    assert there.device.running("gi1/0/3") == bystander


def test_every_pair_of_states_is_walked() -> None:
    run(every_pair(desk, "gi1/0/1"))


@given(have=st.none() | STATES, want=STATES)
def test_what_is_shown_to_people_is_what_is_sent(have: PortState | None, want: PortState) -> None:
    there = desk()
    there.put("gi1/0/1", have or Foreign("all", "all"))
    batch = [PortChange("gi1/0/1", have, want)]

    async def drive() -> None:
        await there.read()
        there.shell.said.clear()
        await there.session.apply(batch, WRITER)

    run(drive())
    assert there.shell.said == SPEC.render({}, batch)


def said(have: PortState | None, want: PortState, **config: object) -> list[str]:
    """The lines of the port alone."""
    lines = SPEC.render(config, [PortChange("gi1/0/1", have, want)])
    return lines[lines.index("interface gi1/0/1") + 1 : lines.index("end") - 1] if lines else []


ALLOWED, NATIVE = "switchport trunk allowed vlan", "switchport trunk native vlan"
EMPTY = ["switchport mode trunk", f"{NATIVE} none", f"{ALLOWED} none"]
EDGE = ["spanning-tree portfast", "spanning-tree bpduguard enable"]
BOTH, TAGGED = PortState(10, frozenset({20, 21})), PortState(None, frozenset({20}))


@pytest.mark.parametrize(
    ("have", "want", "lines"),
    [
        (BOTH, BOTH, []),
        (BOTH, PortState(20), [f"{NATIVE} none", f"{ALLOWED} remove 10,21", f"{NATIVE} 20", *EDGE]),
        (
            BOTH,
            PortState(11, frozenset({20, 21})),
            [f"{NATIVE} none", f"{ALLOWED} remove 10", f"{ALLOWED} add 11", f"{NATIVE} 11", *EDGE],
        ),
        (BOTH, TAGGED, [f"{NATIVE} none", f"{ALLOWED} remove 10,21", *EDGE]),
        (BOTH, PortState(10, frozenset({20})), [f"{ALLOWED} remove 21", *EDGE]),
        (TAGGED, BOTH, [f"{ALLOWED} add 10,21", f"{NATIVE} 10", *EDGE]),
        (BOTH, CLOSED, ["shutdown", *EMPTY]),
        (None, CLOSED, ["shutdown", *EMPTY]),
        (CLOSED, TAGGED, [*EMPTY, f"{ALLOWED} add 20", *EDGE, "no shutdown"]),
        (None, BOTH, ["shutdown", *EMPTY, f"{ALLOWED} add 10,20-21", f"{NATIVE} 10", *EDGE, "no shutdown"]),
    ],
)
def test_a_port_is_led_by_these_lines(have: PortState | None, want: PortState, lines: list[str]) -> None:
    assert said(have, want) == lines


def test_hardening_follows_the_settings() -> None:
    assert not set(EDGE) & set(said(CLOSED, BOTH, edge=False))
    assert "storm-control broadcast level kbps 5000" in said(CLOSED, BOTH, storm_control=5000)


def test_the_last_vlan_is_removed_and_the_list_never_replaced() -> None:
    """A list that is replaced by nothing would be all VLANs on other platforms; here none is said in a word."""
    lines = said(PortState(None, frozenset({20})), PortState(30))
    assert lines == [f"{ALLOWED} remove 20", f"{ALLOWED} add 30", f"{NATIVE} 30", *EDGE]


def test_long_lists_are_cut_and_add_up() -> None:
    want = PortState(None, frozenset(range(2, 400, 2)))
    lists = [line for line in said(CLOSED, want) if f"{ALLOWED} add" in line]
    assert len(lists) > 3
    assert max(map(len, lists)) <= LONGEST_LIST + len(f"{ALLOWED} add ")
    there = desk()
    run(there.leads({"gi1/0/1": want}))


def test_vlans_are_made_once_for_all_ports_in_the_database() -> None:
    batch = [PortChange(f"gi1/0/{number}", CLOSED, BOTH) for number in range(1, 49)]
    lines = SPEC.render({}, batch)
    assert lines[:4] == ["configure", "vlan database", "vlan 10,20-21", "exit"]
    assert lines.count("vlan database") == 1


@pytest.mark.parametrize("vlan", [0, 1, 4095])
def test_vlans_of_the_switch_itself_are_refused(vlan: int) -> None:
    with pytest.raises(BadArgument, match=str(vlan)):
        SPEC.render({}, [PortChange("gi1/0/1", CLOSED, PortState(vlan))])
