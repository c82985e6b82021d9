"""From any state to any state of an OS9 port, line by line: nothing outside old ∪ new, and the end is exact."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument, Refused
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.cli.session import CliSession
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.os9.render import UNKNOWN
from hil.drivers.switch.os9.session import Os9, Os9Session
from hil.drivers.switch.os9.spec import SPEC
from hil.lab.devices.model import Mode, PortConfig
from hil.lab.devices.os9 import Os9Emulator
from hil.lab.devices.os9_show import HYBRID
from tests.switches.desk import WRITER, Desk, Held, every_pair
from tests.switches.harness import port_states, run

STATES = port_states()
VLANS = st.sampled_from([10, 11, 20, 77])
P1, P2, P3 = (f"TenGigabitEthernet0/{number}" for number in range(3))


def possible(port: PortConfig) -> PortConfig:
    """What the switch lets a port be: a plain one is tagged or untagged, and no VLAN lists what is no switch port."""
    if port.mode is Mode.ROUTED:
        return replace(port, native=None, allowed=frozenset())
    allowed = (port.allowed or frozenset()) - {port.native}
    return replace(port, allowed=allowed, native=None if allowed and HYBRID not in port.lines else port.native)


CONFIGURED = st.builds(
    PortConfig,
    mode=st.sampled_from([Mode.ROUTED, Mode.HYBRID, Mode.HYBRID]),
    access=st.none(),
    native=st.none() | VLANS,
    allowed=st.frozensets(VLANS, max_size=4),
    shut=st.booleans(),
    lines=st.sampled_from([frozenset(), frozenset({HYBRID})]),
).map(possible)
ANYTHING = st.one_of(STATES, st.just(Foreign("all", "all")), CONFIGURED)


def falls(held: Held) -> Held:
    """What becomes of it where the default VLAN is enabled."""
    if isinstance(held, PortConfig) and held.mode is Mode.HYBRID and held.native is None:
        return held if held.allowed and HYBRID not in held.lines else replace(held, native=1)
    return held


def desk(*, disabled: bool = True, says: bool | None = None, **more: object) -> Desk:
    emulated = Os9Emulator(disabled=disabled)
    config = {"default_vlan_disabled": disabled if says is None else says, **more}
    platform = Os9(config)
    there = Desk(emulated, emulated.device("s1", (P1, P2, P3)), platform, config)
    there.device.config.vlans |= {10, 11, 20, 77}
    opened: CliSession = there.session
    there.session = Os9Session(opened, platform)
    return there


@settings(max_examples=80)
@given(before=st.tuples(ANYTHING, ANYTHING), after=st.tuples(STATES, STATES), blind=st.booleans())
def test_no_line_opens_what_was_not_asked_for(
    before: tuple[Held, Held], after: tuple[PortState, PortState], blind: bool
) -> None:
    walk(desk(), before, after, blind)


@settings(max_examples=80)
@given(
    before=st.tuples(ANYTHING, ANYTHING).map(lambda pair: (falls(pair[0]), falls(pair[1]))),
    after=st.tuples(port_states(nativeless=False), port_states(nativeless=False)),
    blind=st.booleans(),
)
def test_no_port_falls_into_the_default_vlan_on_its_way(
    before: tuple[Held, Held], after: tuple[PortState, PortState], blind: bool
) -> None:
    walk(desk(disabled=False), before, after, blind)


def walk(there: Desk, before: tuple[Held, Held], after: tuple[PortState, PortState], blind: bool) -> None:
    for port, held in zip((P1, P2), before, strict=True):
        there.put(port, held)
    bystander = there.device.running(P3)
    wants = dict(zip((P1, P2), after, strict=True))
    run(there.leads(wants, blind=blind))
    assert run(there.leads(wants)) == []
    assert there.device.running(P3) == bystander


def test_every_pair_of_states_is_walked() -> None:
    run(every_pair(desk, P1))
    run(every_pair(lambda: desk(disabled=False), P1, nativeless=False))


@given(have=STATES.filter(lambda state: state.enabled), want=STATES)
def test_what_is_shown_to_people_is_what_is_sent(have: PortState, want: PortState) -> None:
    there = desk()
    there.put(P1, have)
    batch = [PortChange(P1, have, want)]

    async def drive() -> None:
        await there.read()
        there.shell.said.clear()
        await there.session.apply(batch, WRITER)

    run(drive())
    assert there.shell.said == SPEC.render(there.config, batch)


TE = "TenGigabitEthernet 0/0"
PORT, BOTH = f"interface {TE}", PortState(10, frozenset({20, 21}))
EDGE = "spanning-tree rstp edge-port bpduguard shutdown-on-violation"


def vlan(number: int, what: str) -> list[str]:
    return [f"interface vlan {number}", f"{what} {TE}"]


@pytest.mark.parametrize(
    ("have", "want", "lines"),
    [
        (BOTH, BOTH, []),
        (BOTH, PortState(10, frozenset({21, 30})), [PORT, EDGE, *vlan(20, "no tagged"), *vlan(30, "tagged")]),
        (BOTH, PortState(None, frozenset({20, 21})), [PORT, EDGE, *vlan(10, "no untagged")]),
        (
            BOTH,
            PortState(20, frozenset({10, 21})),
            [
                *[PORT, EDGE, *vlan(10, "no untagged"), *vlan(20, "no tagged")],
                *[*vlan(10, "tagged"), *vlan(20, "untagged")],
            ],
        ),
        (
            PortState(10, frozenset({20})),
            CLOSED,
            [PORT, "shutdown", *vlan(10, "no untagged"), *vlan(20, "no tagged"), PORT, "no switchport"],
        ),
        (
            CLOSED,
            PortState(10),
            [
                *[UNKNOWN, PORT, "no switchport", "portmode hybrid", "switchport", EDGE],
                *[*vlan(10, "untagged"), PORT, "no shutdown"],
            ],
        ),
        (None, CLOSED, [PORT, "shutdown", UNKNOWN, PORT, "no switchport"]),
    ],
)
def test_a_port_is_led_by_these_lines(have: PortState | None, want: PortState, lines: list[str]) -> None:
    said = SPEC.render({"default_vlan_disabled": True}, [PortChange(P1, have, want)])
    assert said == (["configure terminal", *lines, "end"] if lines else [])


def test_between_two_untagged_vlans_a_port_is_shut_where_it_would_fall() -> None:
    said = SPEC.render({}, [PortChange(P1, PortState(10), PortState(11))])
    moved = [PORT, EDGE, *vlan(10, "no untagged"), *vlan(11, "untagged")]
    assert said[1:-1] == [PORT, "shutdown", *moved, PORT, "no shutdown"]
    assert SPEC.render({"default_vlan_disabled": True}, [PortChange(P1, PortState(10), PortState(11))])[1:-1] == moved


def test_numbers_alone_are_ports_of_the_configured_kind() -> None:
    batch = [PortChange("1/3", PortState(10), PortState(10, frozenset({20})))]
    said = SPEC.render({"interface_type": "GigabitEthernet"}, batch)
    assert said[1:-1] == ["interface GigabitEthernet 1/3", EDGE, "interface vlan 20", "tagged GigabitEthernet 1/3"]
    with pytest.raises(BadArgument, match="interface_type"):
        SPEC.render({}, batch)


def test_hardening_follows_the_settings() -> None:
    batch = [PortChange(P1, CLOSED, PortState(10))]
    assert not [line for line in SPEC.render({"edge": False}, batch) if "spanning-tree" in line]
    assert "spanning-tree mstp edge-port bpduguard shutdown-on-violation" in SPEC.render(
        {"spanning_tree": "mstp"}, batch
    )
    assert "storm-control broadcast 1000 in" in SPEC.render({"storm_control": 1000}, batch)


def test_what_was_left_on_a_closed_port_does_not_come_back_with_it() -> None:
    there = desk()
    there.put(
        P1, PortConfig(mode=Mode.HYBRID, native=77, allowed=frozenset({20}), shut=True, lines=frozenset({HYBRID}))
    )
    assert run(there.read())[P1].state == CLOSED
    run(there.leads({P1: PortState(10)}))


def test_a_plan_is_made_from_a_reading_of_its_own() -> None:
    """The ports stand otherwise after a batch: the next one looks again, even if nobody read in between."""
    there = desk()

    async def drive() -> None:
        await there.read()
        assert (await there.session.apply([PortChange(P1, None, PortState(10))], WRITER))[P1] is None
        there.put(P1, PortConfig(mode=Mode.HYBRID, native=77, shut=True, lines=frozenset({HYBRID})))
        assert (await there.session.apply([PortChange(P1, CLOSED, PortState(11))], WRITER))[P1] is None

    run(drive())
    assert there.device.running(P1) == PortState(11)


def test_a_switch_whose_default_vlan_is_not_disabled_as_promised_gets_no_port_opened() -> None:
    there = desk(disabled=False, says=True)
    answers = run(there.session.apply([PortChange(P1, CLOSED, PortState(10)), PortChange(P2, None, CLOSED)], WRITER))
    assert isinstance(answers[P1], Refused)
    assert "default-vlan disable" in str(answers[P1])
    assert answers[P2] is None
    assert there.device.running(P1) == CLOSED


def test_tagged_networks_alone_are_refused_where_ports_would_fall() -> None:
    batch = [PortChange(P1, CLOSED, PortState(None, frozenset({20})))]
    there = desk(disabled=False)
    assert isinstance(run(there.session.apply(batch, WRITER))[P1], Refused)
    with pytest.raises(BadArgument, match="native network"):
        SPEC.render({}, batch)


@pytest.mark.parametrize("number", [1, 30, 4094])
def test_vlans_of_the_switch_itself_are_refused(number: int) -> None:
    with pytest.raises(BadArgument, match=str(number)):
        SPEC.render({"default_vlan": 30}, [PortChange(P1, CLOSED, PortState(number))])
