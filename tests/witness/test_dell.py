"""How a Dell switch answers, and what our dialect for Dells makes of it, with a PowerConnect 62xx that others simulate.

Only log-in and dialect are tried here, not what the driver writes. The simulated models take neither of the two lines
that a port of an N-series switch is made of: `switchport trunk allowed vlan LIST` kills the session of a 62xx, which
knows `add` alone, and does nothing on the later model (`dell10g`), and `switchport trunk native vlan` does nothing on
either. No sentence of HIL could be shown there. What they do have is how Dells refuse, in several forms, and warn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hil.core.errors import LoginRefused, LostReply
from hil.drivers.switch.cli.shell import Shell
from hil.drivers.switch.dnos6.session import DIALECT, open_session
from hil.drivers.switch.dnos6.spec import SPEC
from hil.drivers.transport.ssh import connect
from tests.witness.world import ENABLE, WRITER, witness

pytestmark = pytest.mark.net

PORT = "ethernet 1/g1"


@pytest.fixture
def switch() -> Iterator[dict[str, Any]]:
    with witness("dell_generic") as config:
        yield SPEC.validate({**config, "enable_password": ENABLE, "parked": 999})


@asynccontextmanager
async def configuring(config: Mapping[str, Any]) -> AsyncIterator[Shell]:
    """A shell in which VLANs 100 and 101 were made, where a port is about to be configured."""
    ssh = await connect(config)
    shell = Shell(ssh.device, await ssh.shell(), DIALECT, ssh.patience)
    try:
        await shell.login(config["username"], config["password"], config["enable_password"])
        await shell.enter(WRITER)
        made = ["vlan database", "vlan 100", "vlan 101", "exit", f"interface {PORT}"]
        assert await shell.tell_all(made, WRITER) is None
        yield shell
    finally:
        await ssh.closed()


def test_lines_are_taken_with_warnings_and_the_switch_shows_what_was_meant(switch: dict[str, Any]) -> None:
    wide = "switchport trunk allowed vlan add 100-101"
    lines = ["shutdown", "switchport mode trunk", wide, "spanning-tree portfast", "no shutdown", "shutdown"]

    async def story() -> None:
        async with configuring(switch) as shell:
            assert shell.mode == "witness(config-if-1/g1)#"
            assert await shell.tell_all(lines, WRITER) is None
            assert "Warning: The use of large numbers of VLANs" in await shell.run(wide, changes=True)
            assert await shell.tell_all(["exit", "exit"], WRITER) is None
            assert shell.mode == "witness#"
            shown = await shell.ask(f"show running-config interface {PORT}")
            assert set(shown.splitlines()) - {""} == {
                "shutdown",
                "switchport mode trunk",
                wide,
                "spanning-tree portfast",
            }

    asyncio.run(story())


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["switchport trunk allowed vlan add 100"], "Interface not in Trunk Mode."),
        (["switchport mode trunk", "switchport trunk allowed vlan add 500"], "VLANs failed to be configured : 1"),
        (["switchport mode general", "switchport general pvid 500"], "Could not configure pvid."),
        (["switchport mode sideways"], "% Invalid input detected at '^' marker."),
        (["storm-control broadcast"], "% Invalid input detected at '^' marker."),
    ],
)
def test_every_form_of_refusal_is_one(switch: dict[str, Any], lines: list[str], words: str) -> None:
    async def story() -> None:
        async with configuring(switch) as shell:
            *before, last = lines
            assert await shell.tell_all(before, WRITER) is None
            refused = await shell.tell(last, WRITER)
            assert refused is not None
            assert refused.message.startswith(f"The switch refuses `{last}`: ")
            assert words in refused.message
            assert await shell.tell("no shutdown", WRITER) is None

    asyncio.run(story())


@pytest.mark.parametrize("wrong", ["password", "enable_password"])
def test_nobody_gets_in_with_a_wrong_password(switch: dict[str, Any], wrong: str) -> None:
    with pytest.raises(LoginRefused):
        asyncio.run(open_session({**switch, wrong: "guessed"}))


def test_a_switch_that_falls_over_in_the_middle_of_a_line_is_a_lost_reply(switch: dict[str, Any]) -> None:
    """It dies of a line that it does not know the form of: whether anything was done, nobody can tell."""

    async def story() -> None:
        async with configuring(switch) as shell:
            assert await shell.tell("switchport mode trunk", WRITER) is None
            with pytest.raises(LostReply):
                await shell.tell("switchport trunk allowed vlan 100", WRITER)

    asyncio.run(story())
