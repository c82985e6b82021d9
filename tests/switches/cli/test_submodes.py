"""Questions before a save, and the way back from a mode, on Dell's older platforms."""

import pytest

from hil.core.errors import LostReply, Refused
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.cli.submodes import SURE, SubmodeSession
from hil.drivers.switch.dnos6.session import SAVED, Dnos6
from hil.drivers.switch.mock.faults import Fault, FaultKind
from hil.lab.devices.dnos6 import PARKED, Dnos6Emulator
from tests.switches.desk import WRITER, Desk
from tests.switches.harness import run

P1, P2 = "gi1/0/1", "gi1/0/2"


def desk() -> Desk:
    emulated = Dnos6Emulator()
    there = Desk(emulated, emulated.device("n1", (P1, P2)), Dnos6(), {"parked": PARKED}, SubmodeSession)
    run(there.leads({P1: CLOSED, P2: CLOSED}))
    there.shell.said.clear()
    return there


@pytest.mark.parametrize(
    "question",
    [
        "Are you sure you want to save? (y/n)",
        "Are you sure you want to save? (y/n) ",
        "Overwrite file [startup-config].... (Y/N)[N] ?",
        "Overwrite file [startup-config] ?[Yes/press any key for no]....",
    ],
)
def test_it_is_sure_when_it_is_asked(question: str) -> None:
    assert SURE.search(question)


@pytest.mark.parametrize("text", ["(y/n) y", "Saving [Yes/press any key for no].... done", "(a/b)", "console#"])
def test_it_answers_nothing_else(text: str) -> None:
    assert not SURE.search(text)


def test_what_was_not_saved_is_not_taken_for_saved() -> None:
    assert SAVED.search("Configuration Saved!")
    assert not SAVED.search("Configuration Not Saved!")


def test_after_a_refusal_the_next_port_begins_in_the_global_mode() -> None:
    there = desk()
    there.device.faults.add(Fault(kind=FaultKind.REFUSE, port=P1, words="% No"))
    answers = run(there.session.apply([PortChange(port, CLOSED, PortState(10)) for port in (P1, P2)], WRITER))
    assert isinstance(answers[P1], Refused)
    assert answers[P2] is None
    place = there.shell.said.index("interface gi1/0/1")
    assert there.shell.said[place : place + 4] == [
        "interface gi1/0/1",
        "switchport mode trunk",
        "exit",
        "interface gi1/0/2",
    ]


def test_a_mode_that_cannot_be_left_ends_the_session() -> None:
    there = desk()
    there.device.faults.add(Fault(kind=FaultKind.REFUSE, port=P1, words="% No"))

    def stays(line: str) -> None:
        if line == "exit" and "switchport mode trunk" in there.shell.said:
            there.shell.terminal.mode, there.shell.mode = "if", "console(config-if)#"

    there.shell.after = stays
    with pytest.raises(LostReply, match="makes no sense"):
        run(there.session.apply([PortChange(P1, CLOSED, PortState(10))], WRITER))
