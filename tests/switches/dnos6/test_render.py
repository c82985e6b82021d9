"""From any state to any state of an N-series port, line by line: nothing outside old ∪ new, and the end is exact."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.cli.submodes import SubmodeSession
from hil.drivers.switch.dnos6.render import LONGEST_LIST
from hil.drivers.switch.dnos6.session import Dnos6
from hil.drivers.switch.dnos6.spec import SPEC
from hil.drivers.switch.mock.device import Foreign
from hil.lab.devices.dnos6 import PARKED, Dnos6Emulator
from hil.lab.devices.model import Mode, PortConfig
from tests.switches.desk import WRITER, Desk, Held, every_pair
from tests.switches.harness import port_states, run

CONFIG = {"parked": PARKED}
STATES = port_states()
VLANS = st.sampled_from([1, 10, 11, 20, 77, PARKED])
CONFIGURED = st.builds(
    PortConfig,
    mode=st.sampled_from([Mode.ACCESS, Mode.TRUNK, Mode.TRUNK, Mode.HYBRID]),
    access=VLANS,
    native=VLANS,
    allowed=st.none() | st.frozensets(VLANS, max_size=4),
    shut=st.booleans(),
)
ANYTHING = st.one_of(STATES, st.just(Foreign("all", "all")), CONFIGURED)


def desk(*, old: bool = False) -> Desk:
    emulated = Dnos6Emulator(old=old)
    return Desk(emulated, emulated.device("n1", emulated.ports[:3]), Dnos6(), CONFIG, SubmodeSession)


@settings(max_examples=80)
@given(before=st.tuples(ANYTHING, ANYTHING), after=st.tuples(STATES, STATES), blind=st.booleans(), old=st.booleans())
def test_no_line_opens_what_was_not_asked_for(
    before: tuple[Held, Held], after: tuple[PortState, PortState], blind: bool, old: bool
) -> None:
    there = desk(old=old)
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
    assert there.shell.said == SPEC.render(CONFIG, batch)


def said(have: PortState | None, want: PortState, **config: object) -> list[str]:
    """The lines of the port alone."""
    lines = SPEC.render({**CONFIG, **config}, [PortChange("gi1/0/1", have, want)])
    return lines[lines.index("interface gi1/0/1") + 1 : lines.index("end") - 1] if lines else []


ALLOWED, NATIVE = "switchport trunk allowed vlan", "switchport trunk native vlan"
EDGE = "spanning-tree portfast"
PARKING = ["switchport mode trunk", f"{ALLOWED} 900", f"{NATIVE} 900"]
BOTH, TAGGED = PortState(10, frozenset({20, 21})), PortState(None, frozenset({20}))


@pytest.mark.parametrize(
    ("have", "want", "lines"),
    [
        (BOTH, BOTH, []),
        (BOTH, PortState(20), [f"{ALLOWED} 20", f"{NATIVE} 20", EDGE]),
        (BOTH, CLOSED, ["shutdown", *PARKING]),
        (None, CLOSED, ["shutdown", *PARKING]),
        (TAGGED, BOTH, [f"{ALLOWED} 10,20-21", f"{NATIVE} 10", EDGE]),
        (TAGGED, PortState(None, frozenset({20, 30})), [f"{ALLOWED} 20,30", EDGE]),
        (BOTH, TAGGED, ["shutdown", *PARKING, f"{ALLOWED} 20", EDGE, "no shutdown"]),
        (CLOSED, TAGGED, [*PARKING, f"{ALLOWED} 20", EDGE, "no shutdown"]),
        (None, BOTH, ["shutdown", PARKING[0], f"{ALLOWED} 10,20-21", f"{NATIVE} 10", EDGE, "no shutdown"]),
    ],
)
def test_a_port_is_led_by_these_lines(have: PortState | None, want: PortState, lines: list[str]) -> None:
    assert said(have, want) == lines


def test_hardening_follows_the_settings() -> None:
    assert not [line for line in said(CLOSED, BOTH, edge=False) if "spanning-tree" in line]
    assert "spanning-tree bpdu-protection" in SPEC.render(CONFIG, [PortChange("gi1/0/1", CLOSED, BOTH)])
    assert "storm-control broadcast level 5" in said(CLOSED, BOTH, storm_control=5)


def test_a_long_list_is_replaced_once_and_then_grows() -> None:
    want = PortState(None, frozenset(range(2, 800, 2)))
    lists = [line for line in said(CLOSED, want) if ALLOWED in line]
    assert lists[0] == f"{ALLOWED} {PARKED}"
    assert not lists[1].startswith(f"{ALLOWED} add")
    assert len(lists) > 3
    assert all(line.startswith(f"{ALLOWED} add") for line in lists[2:])
    assert max(map(len, lists)) <= LONGEST_LIST + len(f"{ALLOWED} add ")
    there = desk()
    run(there.leads({"gi1/0/1": want}))


def test_vlans_are_made_once_for_all_ports_and_the_parked_one_too() -> None:
    batch = [PortChange(f"gi1/0/{number}", CLOSED, BOTH) for number in range(1, 49)]
    lines = SPEC.render(CONFIG, batch)
    assert [line for line in lines if line.startswith("vlan")] == [f"vlan {PARKED}", "vlan 10,20-21"]


@pytest.mark.parametrize("vlan", [1, PARKED, 4094])
def test_vlans_of_the_switch_itself_are_refused(vlan: int) -> None:
    with pytest.raises(BadArgument, match=str(vlan)):
        SPEC.render(CONFIG, [PortChange("gi1/0/1", CLOSED, PortState(vlan))])
