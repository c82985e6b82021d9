"""What our lines for Catalysts mean to a Catalyst that others simulate.

The driver's own shell, dialect and renderer are used, over our SSH. Three things differ, as the simulator is poorer
than what it simulates. It has no `show interfaces switchport`, so that its `show running-config interface` is compared
as text instead of read by the driver. It takes one VLAN after `vlan`, where IOS takes a list, so that lists are written
apart. It knows neither `end` nor lines about the spanning tree and storms: `exit` leaves a port and the configuration,
and the settings ask for no hardening. It says `No such command` where IOS marks the place, and here that is a refusal
too: every line that passes is the name of something that it has. (What follows a `switchport` that it does not know, as
in `nonegotiate`, it passes over.)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from hil.core.errors import IdentityChanged, LoginRefused, Refused
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.vlans import fold, unfold
from hil.drivers.switch.cli.session import CliSession
from hil.drivers.switch.cli.shell import Shell
from hil.drivers.switch.cli.steps import Step
from hil.drivers.switch.ios.render import LONGEST_LIST
from hil.drivers.switch.ios.session import DIALECT, Ios, open_session
from hil.drivers.switch.ios.spec import SPEC
from hil.drivers.transport.ssh import connect
from tests.witness.world import ENABLE, WRITER, witness

pytestmark = pytest.mark.net

PARKED = 999
PORT, OTHER = "FastEthernet0/1", "FastEthernet0/2"
MANY = frozenset(range(101, 301, 2))


class Poorer(Ios):
    """The platform, as far as the simulator goes."""

    dialect = replace(
        DIALECT, leave="exit", refused=re.compile(f"{DIALECT.refused.pattern}|^No such command", DIALECT.refused.flags)
    )

    def steps(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
        return [Step(step.ports, tuple(_poorer(step.lines))) for step in super().steps(config, batch)]


def _poorer(lines: Sequence[str]) -> Iterator[str]:
    """Write lists of VLANs apart, and leave what was entered; a step enters one place, by its first line."""
    first, *rest = lines
    if first.startswith("vlan "):
        for vlan in sorted(unfold(first.removeprefix("vlan "))):
            yield f"vlan {vlan}"
            yield "exit"
    else:
        yield from (first, *rest, "exit")


class Desk:
    """A session of the driver with one switch, and the shell below it."""

    def __init__(self, session: CliSession, shell: Shell) -> None:
        self.session, self.shell = session, shell

    async def write(self, *changes: PortChange) -> dict[str, str]:
        """Apply a batch; answer whom the switch refused, and why."""
        answers = await self.session.apply(changes, WRITER)
        return {port: error.message for port, error in answers.items() if error is not None}

    async def shown(self, port: str = PORT) -> set[str]:
        """The lines of one port in the switch's own running configuration."""
        output = await self.shell.ask(f"show running-config interface {port}")
        return {line.strip() for line in output.partition(f"interface {port}\n")[2].splitlines()} - {"end", ""}


@asynccontextmanager
async def desk(config: Mapping[str, Any]) -> AsyncIterator[Desk]:
    settings = SPEC.validate({**config, "enable_password": ENABLE, "parked": PARKED, "edge": False})
    platform = Poorer(settings["save_command"])
    ssh = await connect(settings)
    shell = Shell(ssh.device, await ssh.shell(), platform.dialect, ssh.patience)
    session = CliSession(ssh, shell, platform, settings)
    try:
        await shell.login(settings["username"], settings["password"], settings["enable_password"])
        yield Desk(session, shell)
    finally:
        await session.close()


@pytest.fixture(scope="module")
def switch() -> Iterator[dict[str, Any]]:
    with witness("cisco_generic") as config:
        yield config


@pytest.fixture
def fresh() -> Iterator[dict[str, Any]]:
    with witness("cisco_generic") as config:
        yield config


def test_the_log_in_ends_at_a_privileged_prompt(switch: dict[str, Any]) -> None:
    async def story() -> None:
        async with desk(switch) as there:
            assert (there.shell.host, there.shell.mode) == ("witness", "witness#")
            about = await there.session.about()
            assert (about.model, about.serial) == ("WS-C3750G-24TS-S1U", "FOC1530X2F7")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"password": "guessed"}, LoginRefused),
        ({"enable_password": "guessed"}, LoginRefused),
        ({"host_key": "SHA256:" + "A" * 43}, IdentityChanged),
    ],
)
def test_nobody_gets_in_with_anything_wrong(
    switch: dict[str, Any], wrong: dict[str, str], error: type[Exception]
) -> None:
    config = SPEC.validate({**switch, "enable_password": ENABLE, "parked": PARKED, **wrong})
    with pytest.raises(error):
        asyncio.run(open_session(config))


STATES = [
    (PortState(100), "100", 100),
    (PortState(None, frozenset({100})), "100", PARKED),
    (PortState(None, frozenset({100, 200, 201, 202})), "100,200-202", PARKED),
    (PortState(100, frozenset({300, 301})), "100,300,301", 100),
    (PortState(200, MANY | {4093}), None, 200),
]


@pytest.mark.parametrize(("want", "allowed", "native"), STATES)
def test_the_switch_shows_what_was_meant(
    fresh: dict[str, Any], want: PortState, allowed: str | None, native: int
) -> None:
    """`allowed` is in the simulator's own notation; None where only the set matters."""

    async def story() -> None:
        async with desk(fresh) as there:
            assert await there.write(PortChange(PORT, None, want)) == {}
            await _reads(there, want, allowed, native)
            assert await there.write(PortChange(PORT, want, CLOSED)) == {}
            assert await there.shown() == {
                "switchport mode trunk",
                "switchport trunk allowed vlan none",
                f"switchport trunk native vlan {PARKED}",
                "shutdown",
            }
            assert await there.write(PortChange(PORT, CLOSED, want)) == {}
            await _reads(there, want, allowed, native)

    asyncio.run(story())


async def _reads(there: Desk, want: PortState, allowed: str | None, native: int) -> None:
    lines = await there.shown()
    (told,) = (line.rpartition(" ")[2] for line in lines if " allowed " in line)
    assert unfold(told) == want.vlans
    assert allowed in (None, told)
    assert lines - {f"switchport trunk allowed vlan {told}"} == {
        "switchport mode trunk",
        f"switchport trunk native vlan {native}",
    }


def test_a_list_too_long_for_one_line_arrives_whole(fresh: dict[str, Any]) -> None:
    want = PortState(None, MANY)
    assert len(fold(want.vlans)) > LONGEST_LIST
    lines = SPEC.render({"parked": PARKED, "edge": False}, [PortChange(PORT, CLOSED, want)])
    assert any(line.startswith("switchport trunk allowed vlan add ") for line in lines)

    async def story() -> None:
        async with desk(fresh) as there:
            assert await there.write(PortChange(PORT, CLOSED, want)) == {}
            await _reads(there, want, None, PARKED)
            fewer = PortState(None, frozenset({101}))
            assert await there.write(PortChange(PORT, want, fewer)) == {}
            await _reads(there, fewer, "101", PARKED)

    asyncio.run(story())


def test_a_port_is_refused_in_the_words_of_the_switch_and_the_others_go_on(fresh: dict[str, Any]) -> None:
    want, missing = PortState(100), "FastEthernet0/77"

    async def story() -> None:
        async with desk(fresh) as there:
            refused = await there.write(PortChange(missing, CLOSED, want), PortChange(PORT, CLOSED, want))
            assert refused == {
                missing: f"Port {missing}: The switch refuses `interface {missing}`: "
                "% Invalid input detected at '^' marker (not such interface)"
            }
            await _reads(there, want, "100", 100)
            assert await there.shown(OTHER) == set()

    asyncio.run(story())


def test_a_vlan_that_the_switch_cannot_make_is_refused_in_its_words(fresh: dict[str, Any]) -> None:
    async def story() -> None:
        async with desk(fresh) as there:
            await there.shell.enter(WRITER)
            refused = await there.shell.tell("vlan 4095", WRITER)
            assert refused is not None
            assert "Command rejected: Bad VLAN list" in refused.message
            assert await there.shell.tell("vlan 4094", WRITER) is None

    asyncio.run(story())


def test_a_save_that_is_not_said_to_be_done_is_none(switch: dict[str, Any]) -> None:
    """The simulator says `OK`; IOS says `[OK]`, and the driver believes nothing else."""

    async def story() -> None:
        async with desk(switch) as there:
            with pytest.raises(Refused, match=r"did not save its configuration: Building configuration\.\.\. OK"):
                await there.session.save(WRITER)

    asyncio.run(story())
