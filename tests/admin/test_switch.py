"""hil-admin switch test: what it shows of a switch, and that each failure is told apart in one line with its remedy."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hil.admin import switch_ask
from hil.admin.command import admin
from hil.admin.switch_ask import REMEDIES, told
from hil.admin.switch_books import Book
from hil.core.errors import DeviceBusy, DeviceError, IdentityChanged, LostReply, Refused, Unreachable
from hil.core.model import PortState
from hil.core.wiring import About
from hil.drivers.switch.mock.device import Delays, EmulatedSwitch, Foreign, place
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.drivers.switch.mock.session import EmulatedSession
from tests.admin.inventories import SITE

Run = Callable[..., Result]


@pytest.fixture
def leaf() -> Iterator[EmulatedSwitch]:
    """The mock switch of the inventory, which has two ports that HIL does not know."""
    ports = ["gi1/0/1", "gi1/0/2", "te1/1", "gi1/0/47", "gi1/0/48"]
    found = EmulatedSwitch("leaf1", ports=ports, password="hunter2", factory=PortState())
    place("leaf1", found)
    yield found
    place("leaf1", None)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LEAF_PASSWORD", "hunter2")

    def runner(*arguments: str) -> Result:
        return CliRunner().invoke(admin, ["--state", str(tmp_path / "state"), *arguments], prog_name="hil-admin")

    (tmp_path / "site.yaml").write_text(SITE)
    assert runner("db", "upgrade").exit_code == 0
    assert runner("inventory", "apply", "--yes", str(tmp_path / "site.yaml")).exit_code == 0
    return runner


def test_a_switch_is_shown_beside_the_books_and_left_alone(run: Run, leaf: EmulatedSwitch) -> None:
    result = run("switch", "test", "leaf1")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("leaf1 answers: emulated switch, firmware ")
    assert lines[1].startswith("driver mock: update replace-port, not atomic, save explicit, no native: true, VLANs 1-")
    assert [line.split("  ")[0] for line in lines[3:7]] == ["PORT", "gi1/0/1", "gi1/0/2", "te1/1"]
    assert "node-01/eth0  carries nothing  as wanted" in lines[4]
    assert lines[6].endswith("locked: left alone")
    assert lines[8:] == ["3 ports registered, none wrong", "2 ports of the switch not known to HIL: gi1/0/47, gi1/0/48"]
    assert [entry.action for entry in leaf.log] == ["login"]
    assert not leaf.sessions
    assert "hunter2" not in result.output


def test_for_programs_it_is_json(run: Run, leaf: EmulatedSwitch) -> None:
    leaf.set_by_hand("te1/1", Foreign("trunk of all VLANs", "allowed vlan all"))
    leaf.set_by_hand("gi1/0/48", PortState(7))
    result = run("switch", "test", "leaf1", "-o", "json")
    report: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (report["driver"], report["about"]["model"]) == ("mock", "emulated switch")
    assert report["ports"][2]["now"] == {"reason": "trunk of all VLANs", "raw": "allowed vlan all"}
    assert report["unknown_ports"]["gi1/0/48"] == {"native": 7, "tagged": []}
    assert report["ports"][0]["want"] == {"native": None, "tagged": []}
    assert "hunter2" not in result.output


def test_a_port_that_differs_is_pending_until_it_was_applied_once(run: Run, leaf: EmulatedSwitch) -> None:
    leaf.set_by_hand("gi1/0/1", PortState(9))
    result = run("switch", "test", "leaf1")
    assert result.exit_code == 0
    assert "native 9, tagged none  pending: wanted is native none, tagged none" in result.stdout


def test_a_registered_port_that_the_switch_lacks_is_wrong(run: Run) -> None:
    place("leaf1", EmulatedSwitch("leaf1", ports=["gi1/0/1", "te1/1"], factory=PortState()))
    result = run("switch", "test", "leaf1")
    place("leaf1", None)
    assert result.exit_code == 1
    assert "the switch has no such port" in result.stdout
    assert "3 ports registered, 1 wrong" in result.stdout


@pytest.mark.parametrize(
    ("kind", "op", "words"),
    [
        (FaultKind.UNREACHABLE, Op.LOGIN, "cannot be reached: leaf1 does not answer. Check its address"),
        (FaultKind.WRONG_PASSWORD, Op.LOGIN, "refuses the log-in: leaf1 refuses the user name or password. Correct"),
        (FaultKind.LOSE_REPLY, Op.READ, "stopped answering: leaf1 stopped answering in the middle of a request. Try"),
    ],
)
def test_each_failure_is_one_line_with_its_remedy(
    run: Run, leaf: EmulatedSwitch, kind: FaultKind, op: Op, words: str
) -> None:
    leaf.faults.add(Fault(kind=kind, op=op, count=None))
    result = run("switch", "test", "leaf1")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"hil-admin: Switch leaf1 {words}")
    assert result.stdout == ""


@pytest.mark.parametrize("error", [IdentityChanged, DeviceBusy, LostReply, Refused, Unreachable])
def test_every_error_of_a_device_keeps_its_class_and_gets_its_own_remedy(error: type[DeviceError]) -> None:
    found = told(Book("leaf1", "mock", {}), error("In\ntwo lines."))
    assert type(found) is error
    assert "\n" not in found.message
    assert sum(remedy in found.message for _, _, remedy in REMEDIES) == 1


def test_a_switch_that_takes_for_ever_is_given_up(
    run: Run, leaf: EmulatedSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_ever(seconds: float) -> None:
        await asyncio.Event().wait()

    leaf.delays, leaf.sleep = Delays(read=1.0), for_ever
    monkeypatch.setattr(switch_ask, "PATIENCE", 0.0)
    result = run("switch", "test", "leaf1")
    assert (result.exit_code, "stopped answering: it took too long." in result.stderr) == (1, True)
    assert not leaf.sessions


def test_what_a_device_says_of_itself_cannot_play_with_the_terminal(
    run: Run, leaf: EmulatedSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def about(self: EmulatedSession) -> About:
        return About("\x1b[2Jmodel", "")

    monkeypatch.setattr(EmulatedSession, "about", about)
    assert run("switch", "test", "leaf1").stdout.startswith("leaf1 answers: \\x1b[2Jmodel\n")


def test_a_switch_that_is_not_registered_is_told(run: Run) -> None:
    result = run("switch", "test", "leaf9")
    assert (result.exit_code, result.stderr.startswith("hil-admin: There is no switch 'leaf9'")) == (1, True)
