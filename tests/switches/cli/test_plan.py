"""How a plan is worked off: who is refused, who goes on, and when nothing is sent. Against lines in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from hil.core import guard
from hil.core.devices import Capabilities, Writer
from hil.core.errors import DeviceError, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, Observed, PortChange, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.cli.session import BY_HAND, LineSession
from hil.drivers.switch.cli.steps import Step
from hil.drivers.switch.ios.spec import CAPABILITIES
from tests.switches.harness import writer

TEN = PortState(10)


class Lines:
    """Takes every line but those that hold one of `bad`; `dies` at a line."""

    device = "switch.example:22"

    def __init__(self, bad: tuple[str, ...] = (), dies: str = "") -> None:
        self.sent, self.told, self.open = False, list[str](), True
        self._bad, self._dies = bad, dies

    async def tell_all(self, commands: Sequence[str], asked: Writer) -> Refused | None:
        for command in commands:
            asked.check()
            self.sent = True
            self.told.append(command)
            if self._dies == command:
                raise EOFError
            if any(bad in command for bad in self._bad):
                return Refused(f"`{command}`: % no")
        return None

    async def enter(self, asked: Writer) -> None:
        if "configure" in self._bad:
            raise Refused("`configure`: % no rights")

    async def leave(self) -> None:
        self.told.append("end")

    def close(self) -> None:
        self.open = False

    async def closed(self) -> None:
        self.open = False


class Platform:
    """Two steps a port, after one for both of the first ports together."""

    capabilities: Capabilities = CAPABILITIES
    ports: Mapping[str, Observed] = {"a": Observed(CLOSED), "b": Observed(None, "x", "y")}

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset({999})

    async def read(self, shell: Lines, config: Mapping[str, Any]) -> dict[str, Observed]:
        if shell.told == ["nonsense"]:
            raise ValueError("no sense")
        return dict(self.ports)

    def steps(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
        ports = [change.port for change in batch]
        made = Step(tuple(ports[:2]), ("vlan",))
        return [made, *(Step((port,), (f"{port} {number}",)) for port in ports for number in (1, 2))]

    async def save(self, shell: Lines, asked: Writer) -> None:
        raise Refused("full")

    async def about(self, shell: Lines) -> About:
        return About("", "")

    async def neighbours(self, shell: Lines) -> dict[str, list[Neighbour]]:
        return {}

    async def macs(self, shell: Lines) -> dict[str, list[Mac]]:
        return {}


def applied(lines: Lines, *changes: PortChange, platform: Platform | None = None) -> dict[str, DeviceError | None]:
    session = LineSession(lines, lines, platform or Platform(), {})
    return asyncio.run(session.apply(changes, writer()))


def opens(*ports: str) -> list[PortChange]:
    return [PortChange(port, CLOSED, TEN) for port in ports]


def test_a_port_that_failed_takes_part_in_no_later_step() -> None:
    lines = Lines(bad=("a 1",))
    answers = applied(lines, *opens("a", "b", "c"))
    assert lines.told == ["vlan", "a 1", "b 1", "b 2", "c 1", "c 2", "end"]
    assert isinstance(answers["a"], Refused)
    assert "Port a" in str(answers["a"])
    assert answers == {"a": answers["a"], "b": None, "c": None}


def test_what_ports_need_together_fails_for_them_alone() -> None:
    lines = Lines(bad=("vlan",))
    answers = applied(lines, *opens("a", "b", "c"))
    assert lines.told == ["vlan", "c 1", "c 2", "end"]
    assert [port for port, error in answers.items() if error is None] == ["c"]


def test_a_switch_that_may_not_be_configured_refuses_every_port() -> None:
    lines = Lines(bad=("configure",))
    answers = applied(lines, *opens("a", "b"))
    assert lines.told == []
    assert all("no rights" in str(error) for error in answers.values())


def test_nothing_is_sent_for_nothing() -> None:
    lines = Lines(bad=("configure",))
    assert applied(lines, PortChange("a", TEN, TEN)) == {"a": None}
    foreign = applied(lines, PortChange("a", CLOSED, PortState(999)), PortChange("b", CLOSED, PortState(1003)))
    assert all("cannot carry" in str(error) for error in foreign.values())
    assert lines.told == []


@pytest.mark.parametrize("reason", ["member of LAG 3", f"{BY_HAND}a port profile"])
def test_a_port_that_follows_something_else_is_not_written(reason: str) -> None:
    platform = Platform()
    platform.ports = {"a": Observed(None, reason, "raw"), "b": Observed(None, "trunk of all VLANs", "raw")}
    lines = Lines()
    answers = applied(lines, PortChange("a", None, TEN), PortChange("b", None, TEN), platform=platform)
    assert reason in str(answers["a"])
    assert answers["b"] is None
    assert lines.told == ["vlan", "b 1", "b 2", "end"]


def test_a_death_between_two_lines_is_a_lost_reply_and_closes() -> None:
    lines = Lines(dies="b 1")
    with pytest.raises(LostReply):
        applied(lines, *opens("a", "b"))
    assert lines.told == ["vlan", "a 1", "a 2", "b 1"]
    assert not lines.open


def test_an_answer_without_sense_closes_and_a_refusal_does_not() -> None:
    lines = Lines()
    session = LineSession(lines, lines, Platform(), {})

    async def use() -> None:
        with pytest.raises(Refused, match="full"):
            await session.save(writer())
        with pytest.raises(Refused, match="no port x"):
            await session.read(["a", "x"])
        assert lines.open
        lines.told = ["nonsense"]
        with pytest.raises(Unreachable, match="no sense"):
            await session.read()
        assert not lines.open
        with guard.transaction(), pytest.raises(guard.DeviceInTransaction):
            await session.read()

    asyncio.run(use())
