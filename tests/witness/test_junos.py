"""What our edits mean to a Juniper switch of the ELS style that others simulate.

The driver's own session is used, but for one call: the simulator has no `get-configuration` with groups expanded, so
what is committed is read by `get-config` of the running datastore, which is all that it has, as it knows no groups. It
knows no `bpdu-block-on-edge` either, hence no hardening. It announces `validate` and has none, under a name of its own
that the driver does not take for it. Its commits are never undone by a timer, and it lets go of neither lock nor
candidate when a session ends: what the driver relies on there is shown against our own emulator only.
"""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hil.core.errors import DeviceBusy, LoginRefused
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.junos import parse
from hil.drivers.switch.junos.parse import Configuration
from hil.drivers.switch.junos.render import edit
from hil.drivers.switch.junos.session import JunosSession, open_session
from hil.drivers.switch.junos.spec import SPEC, hardening
from hil.drivers.transport.netconf import open_netconf
from hil.drivers.transport.ssh import connect
from hil.drivers.xml import local
from tests.witness.world import WRITER, witness

pytestmark = pytest.mark.net

PORT, OTHER = "ge-0/0/1", "ge-0/0/2"
LOCK = "<lock><target><candidate/></target></lock>"
UNLOCK = "<unlock><target><candidate/></target></unlock>"


class Poorer(JunosSession):
    """The driver's session, reading what is committed as the simulator can tell it."""

    async def _configuration(self) -> Configuration:
        return parse.configuration(await self.running())

    async def running(self) -> ET.Element:
        reply = await self._rpc("<get-config><source><running/></source></get-config>")
        assert not reply.errors
        return reply.root

    async def say(self, operation: str) -> list[str]:
        """Send an operation; answer the errors in the switch's words."""
        return [str(error) for error in (await self._rpc(operation, WRITER)).errors]

    async def write(self, *changes: PortChange) -> dict[str, str]:
        answers = await self.apply(changes, WRITER)
        return {port: error.message for port, error in answers.items() if error is not None}


@asynccontextmanager
async def session(config: Mapping[str, Any]) -> AsyncIterator[Poorer]:
    settings = SPEC.validate({**config, "edge": False})
    ssh = await connect(settings)
    try:
        yield Poorer(await open_netconf(ssh), settings)
    finally:
        await ssh.closed()


@pytest.fixture
def switch() -> Iterator[dict[str, Any]]:
    with witness("juniper_qfx_copper_generic") as config:
        yield config


def test_hello_names_the_candidate_and_confirmed_commits(switch: dict[str, Any]) -> None:
    async def story() -> None:
        async with session(switch) as there:
            told = {name.rpartition("capability:")[2] for name in there._netconf.capabilities}
            assert {"candidate:1.0", "confirmed-commit:1.0"} <= told
            assert await there.say(LOCK) == await there.say(UNLOCK) == []

    asyncio.run(story())


def test_a_wrong_password_is_refused(switch: dict[str, Any]) -> None:
    with pytest.raises(LoginRefused):
        asyncio.run(open_session(SPEC.validate({**switch, "password": "guessed"})))


STATES = [
    PortState(100),
    PortState(None, frozenset({100})),
    PortState(None, frozenset({100, 200, 201, 202})),
    PortState(100, frozenset({300, 301})),
]


@pytest.mark.parametrize("want", STATES, ids=str)
def test_a_confirmed_commit_leaves_what_was_meant(switch: dict[str, Any], want: PortState) -> None:
    """Lock, edit, commit for a while, read back, confirm, unlock; then what another session is told."""

    async def story() -> None:
        async with session(switch) as there:
            assert await there.write(PortChange(PORT, None, want)) == {}
            await there.save(WRITER)
        async with session(switch) as later:
            assert (await later.read([PORT]))[PORT].state == want
            _shows(await later.running(), want)

    asyncio.run(story())


def _shows(root: ET.Element, want: PortState) -> None:
    """Compare with the datastore's own words, without the driver's reading of them."""
    (shown,) = (part for part in root.findall(".//{*}interface") if _named(part, PORT))
    assert {int(part.text or "") for part in shown.findall(".//{*}members")} == want.vlans
    assert [part.text for part in shown.findall(".//{*}interface-mode")] == ["trunk" if want.tagged else "access"]
    assert shown.findtext("{*}native-vlan-id") == (str(want.native) if want.tagged and want.native else None)
    assert shown.find("{*}disable") is None
    assert want.vlans <= {int(part.text or "") for part in root.findall(".//{*}vlan-id")}


def _named(part: ET.Element, name: str) -> bool:
    return part.findtext("{*}name") == name


def test_several_ports_are_one_commit_and_change_again(switch: dict[str, Any]) -> None:
    first = {PORT: PortState(100, frozenset({200})), OTHER: PortState(None, frozenset({200, 201}))}
    then = {PORT: PortState(None, frozenset({200})), OTHER: PortState(300)}

    async def story() -> None:
        async with session(switch) as there:
            assert await there.write(*(PortChange(port, None, want) for port, want in first.items())) == {}
            assert {port: seen.state for port, seen in (await there.read([*first])).items()} == first
            assert await there.write(*(PortChange(port, first[port], want) for port, want in then.items())) == {}
            assert {port: seen.state for port, seen in (await there.read([*then])).items()} == then

    asyncio.run(story())


def test_a_closed_port_is_disabled_and_in_no_vlan(switch: dict[str, Any]) -> None:
    want = PortState(100, frozenset({200}))

    async def story() -> None:
        async with session(switch) as there:
            assert await there.write(PortChange(PORT, None, want)) == {}
            assert await there.write(PortChange(PORT, want, CLOSED)) == {}
            (shown,) = (part for part in (await there.running()).findall(".//{*}interface") if _named(part, PORT))
            assert [local(part) for part in shown] == ["name", "disable"]
            assert (await there.read([PORT]))[PORT].state == CLOSED
            assert await there.write(PortChange(PORT, CLOSED, want)) == {}
            _shows(await there.running(), want)

    asyncio.run(story())


def test_a_port_that_cannot_be_is_refused_in_the_words_of_the_switch_and_the_others_go_on(
    switch: dict[str, Any],
) -> None:
    want, wrong = PortState(100), "ge-0/0/200"

    async def story() -> None:
        async with session(switch) as there:
            refused = await there.write(PortChange(wrong, CLOSED, want), PortChange(PORT, None, want))
            assert refused == {
                wrong: f"Port {wrong}: the switch refused: port value outside range 1..127 for '200' in '{wrong}'."
            }
            assert (await there.read([PORT]))[PORT].state == want

    asyncio.run(story())


def test_nothing_is_done_while_another_session_holds_the_lock(switch: dict[str, Any]) -> None:
    async def story() -> None:
        async with session(switch) as first, session(switch) as second:
            before = ET.tostring((await first.running())[0])
            assert await first.say(LOCK) == []
            with pytest.raises(DeviceBusy, match="Configuration database is already open"):
                await second.write(PortChange(PORT, None, PortState(100)))
            assert ET.tostring((await first.running())[0]) == before
            assert await first.say(UNLOCK) == []
        async with session(switch) as third:
            assert await third.write(PortChange(PORT, None, PortState(100))) == {}

    asyncio.run(story())


def test_nothing_is_done_on_top_of_what_another_has_left_in_the_candidate(switch: dict[str, Any]) -> None:
    want = PortState(100)

    async def story() -> None:
        async with session(switch) as first, session(switch) as second:
            body = edit({OTHER: PortState(300)}, await first._candidate(), **hardening(first._config))
            target = "<target><candidate/></target>"
            assert await first.say(f"<edit-config>{target}<config>{body}</config></edit-config>") == []
            with pytest.raises(DeviceBusy, match="configuration database modified"):
                await second.write(PortChange(PORT, None, want))
            assert await first.say("<discard-changes/>") == []
        async with session(switch) as third:
            assert await third.write(PortChange(PORT, None, want)) == {}
            assert "300" not in {part.text for part in (await third.running()).iter()}

    asyncio.run(story())
