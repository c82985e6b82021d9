"""From any state to any state of an OS10 port: one transaction, nothing outside old ∪ new, and the end is exact."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.devices import Writer
from hil.core.errors import BadArgument, LeaseLost, LostReply, Refused
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.mock.faults import Fault, FaultKind
from hil.drivers.switch.os10.render import LONGEST_LIST
from hil.drivers.switch.os10.session import Os10, Os10Session
from hil.drivers.switch.os10.spec import SPEC
from hil.lab.devices.model import Mode, PortConfig
from hil.lab.devices.os10 import PARKED, Os10Emulator
from hil.lab.devices.shell import command
from tests.switches.desk import WRITER, Desk, Held, every_pair
from tests.switches.harness import port_states, run

CONFIG = {"parked": PARKED}
STATES = port_states(nativeless=False)
VLANS = st.sampled_from([1, 10, 11, 20, 77, PARKED])
CONFIGURED = st.builds(
    PortConfig,
    mode=st.sampled_from([Mode.ACCESS, Mode.TRUNK, Mode.TRUNK]),
    access=VLANS,
    allowed=st.none() | st.frozensets(VLANS, max_size=4),
    shut=st.booleans(),
).map(
    lambda port: PortConfig(
        mode=port.mode,
        access=port.access,
        allowed=(port.allowed and port.allowed - {port.access}) if port.mode is Mode.TRUNK else frozenset(),
        shut=port.shut,
    )
)
ANYTHING = st.one_of(STATES, st.just(Foreign("all", "all")), CONFIGURED)
P1, P2, P3 = (f"ethernet1/1/{number}" for number in (1, 2, 3))


def desk() -> Desk:
    emulated = Os10Emulator()
    return Desk(emulated, emulated.device("o1", emulated.ports[:3]), Os10(), CONFIG, Os10Session)


@settings(max_examples=80)
@given(before=st.tuples(ANYTHING, ANYTHING), after=st.tuples(STATES, STATES), blind=st.booleans())
def test_no_line_opens_what_was_not_asked_for(
    before: tuple[Held, Held], after: tuple[PortState, PortState], blind: bool
) -> None:
    there = desk()
    for port, held in zip((P1, P2), before, strict=True):
        there.put(port, held)
    bystander = there.device.running(P3)
    wants = dict(zip((P1, P2), after, strict=True))
    run(there.leads(wants, blind=blind))
    assert run(there.leads(wants)) == []
    assert there.device.running(P3) == bystander


def test_every_pair_of_states_is_walked() -> None:
    run(every_pair(desk, P1, nativeless=False))


@given(have=st.none() | STATES, want=STATES)
def test_what_is_shown_to_people_is_what_is_sent(have: PortState | None, want: PortState) -> None:
    there = desk()
    there.put(P1, have or Foreign("all", "all"))
    batch = [PortChange(P1, have, want)]

    async def drive() -> None:
        await there.read()
        there.shell.said.clear()
        await there.session.apply(batch, WRITER)

    run(drive())
    assert there.shell.said == SPEC.render(CONFIG, batch)


def said(have: PortState | None, want: PortState, **config: object) -> list[str]:
    """The lines of the port alone."""
    lines = SPEC.render({**CONFIG, **config}, [PortChange(P1, have, want)])
    return lines[lines.index("interface ethernet 1/1/1") + 1 : lines.index("end") - 1] if lines else []


ALLOWED, ACCESS, TRUNK = "switchport trunk allowed vlan", "switchport access vlan", "switchport mode trunk"
EDGE = ["spanning-tree port type edge", "spanning-tree bpduguard enable"]
BOTH = PortState(10, frozenset({20, 21}))


@pytest.mark.parametrize(
    ("have", "want", "lines"),
    [
        (BOTH, BOTH, []),
        (BOTH, PortState(20), [TRUNK, f"no {ALLOWED} 20-21", f"{ACCESS} 20", *EDGE]),
        (
            BOTH,
            PortState(20, frozenset({10})),
            [TRUNK, f"no {ALLOWED} 20-21", f"{ACCESS} 20", f"{ALLOWED} 10", *EDGE],
        ),
        (BOTH, PortState(10, frozenset({20, 30})), [TRUNK, f"no {ALLOWED} 21", f"{ALLOWED} 30", *EDGE]),
        (BOTH, CLOSED, ["shutdown", "switchport mode access", f"{ACCESS} 4000"]),
        (None, CLOSED, ["shutdown", "switchport mode access", f"{ACCESS} 4000"]),
        (CLOSED, PortState(10), ["switchport mode access", f"{ACCESS} 10", TRUNK, *EDGE, "no shutdown"]),
        (
            None,
            BOTH,
            ["shutdown", "switchport mode access", f"{ACCESS} 10", TRUNK, f"{ALLOWED} 20-21", *EDGE, "no shutdown"],
        ),
    ],
)
def test_a_port_is_led_by_these_lines(have: PortState | None, want: PortState, lines: list[str]) -> None:
    assert said(have, want) == lines


def test_hardening_follows_the_settings() -> None:
    assert not set(EDGE) & set(said(CLOSED, BOTH, edge=False))
    assert "storm-control broadcast 1000" in said(CLOSED, BOTH, storm_control=1000)


def test_a_batch_is_one_transaction_and_its_vlans_are_made_once() -> None:
    batch = [PortChange(f"ethernet1/1/{number}", CLOSED, BOTH) for number in range(1, 49)]
    lines = SPEC.render(CONFIG, batch)
    assert [lines[0], lines[-2], lines[-1]] == ["start transaction", "end", "commit"]
    assert [line for line in lines if "interface vlan" in line] == [f"interface vlan {vlan}" for vlan in (10, 20, 21)]


def test_long_lists_are_cut_and_add_up() -> None:
    want = PortState(3, frozenset(range(10, 800, 2)))
    lists = [line for line in said(CLOSED, want) if ALLOWED in line]
    assert len(lists) > 3
    assert max(map(len, lists)) <= LONGEST_LIST + len(f"{ALLOWED} ")
    run(desk().leads({P1: want}))


@pytest.mark.parametrize("want", [PortState(1), PortState(PARKED), PortState(4094), PortState(None, frozenset({20}))])
def test_what_the_switch_cannot_or_must_not_carry_is_refused_and_nothing_is_sent(want: PortState) -> None:
    batch = [PortChange(P1, CLOSED, want), PortChange(P2, CLOSED, BOTH)]
    with pytest.raises(BadArgument):
        SPEC.render(CONFIG, batch)
    there = desk()
    run(there.leads({P1: CLOSED, P2: CLOSED}))
    answers = run(there.session.apply(batch, WRITER))
    assert isinstance(answers[P1], Refused)
    assert answers[P2] is None
    assert there.device.running(P1) == CLOSED


def test_a_port_that_is_refused_leaves_the_batch_and_the_others_are_committed_without_it() -> None:
    there = desk()
    run(there.leads({P1: BOTH, P2: BOTH, P3: BOTH}))
    there.shell.said.clear()
    there.device.faults.add(Fault(kind=FaultKind.REFUSE, port=P2, words="% Error: Not while I live", count=None))
    answers = run(there.session.apply([PortChange(port, BOTH, CLOSED) for port in (P1, P2, P3)], WRITER))
    assert [answers[P1], answers[P3]] == [None, None]
    assert str(answers[P2]) == "Port ethernet1/1/2: The switch refuses `shutdown`: % Error: Not while I live"
    assert [there.device.running(port) for port in (P1, P2, P3)] == [CLOSED, BOTH, CLOSED]
    assert [line for line in there.shell.said if line in ("discard", "commit")] == ["discard", "commit"]


def test_a_vlan_that_cannot_be_made_harms_only_those_who_need_it() -> None:
    there = desk()
    run(there.leads({P1: CLOSED, P2: CLOSED}))
    there.shell.terminal._table = [
        command(
            "config", "interface vlan 66", lambda terminal, found: asyncio.sleep(0, "% Error: Vlan 66 is reserved")
        ),
        *there.shell.terminal._table,
    ]
    batch = [PortChange(P1, CLOSED, PortState(66)), PortChange(P2, CLOSED, PortState(10))]
    answers = run(there.session.apply(batch, WRITER))
    assert "Vlan 66 is reserved" in str(answers[P1])
    assert answers[P2] is None
    assert there.device.running(P2) == PortState(10)


def test_a_lost_lease_commits_nothing() -> None:
    there = desk()
    run(there.leads({P1: CLOSED}))
    for writes in range(9):
        left = [writes]

        def check(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise LeaseLost("no more")

        with pytest.raises(LeaseLost):
            run(there.session.apply([PortChange(P1, CLOSED, BOTH)], Writer(1, check)))
        assert there.device.running(P1) == CLOSED
        there.shell.terminal.mode = "exec"
        there.shell.terminal.memory.clear()


def test_a_transaction_that_cannot_be_discarded_ends_the_session() -> None:
    there = desk()
    run(there.leads({P1: CLOSED}))
    there.device.faults.add(Fault(kind=FaultKind.REFUSE, port=P1))
    there.shell.after = lambda line: there.shell.terminal.memory.clear() if line == "end" else None
    with pytest.raises(LostReply):
        run(there.session.apply([PortChange(P1, CLOSED, BOTH)], WRITER))


def test_a_transaction_that_is_not_begun_is_told_of_every_port() -> None:
    there = desk()
    run(there.leads({P1: CLOSED, P2: CLOSED}))
    run(there.shell.terminal.obey("start transaction"))
    answers = run(there.session.apply([PortChange(port, CLOSED, BOTH) for port in (P1, P2)], WRITER))
    assert all("already in progress" in str(error) for error in answers.values())


def test_whose_fault_a_refused_commit_was_is_found_out_port_by_port() -> None:
    there = desk()
    run(there.leads({P1: CLOSED, P2: CLOSED}))

    def bundles(line: str) -> None:
        if line == "end":
            there.device.config.ports[P2] = replace(there.device.config.ports[P2], lag="7")

    there.shell.after = bundles
    answers = run(there.session.apply([PortChange(port, CLOSED, BOTH) for port in (P1, P2)], WRITER))
    assert answers[P1] is None
    assert "is a member of a port-channel" in str(answers[P2])
    assert there.device.running(P1) == BOTH
