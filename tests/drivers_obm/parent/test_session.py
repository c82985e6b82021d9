"""What the driver `hil` tells when the parent, its obmd, or the right to ask them is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hil.core.errors import DeviceBusy, DeviceError, IdentityChanged, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import PowerAction
from hil.drivers.obm.parent.session import open_session
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from tests.drivers_obm.parent.peer import api_key, api_of, config, nowhere, road_to
from tests.drivers_obm.redfish.certificate import make
from tests.obm_side.world import ObmWorld

pytestmark = pytest.mark.net
Story = Callable[[dict[str, Any]], Awaitable[None]]


def play(world: ObmWorld, story: Story) -> None:
    """Run a story with the configuration of a key of project p."""
    _, token = api_key(world)

    async def run() -> None:
        async with api_of(world) as url:
            await story(config(url, token))

    world.run(run())


async def refused(found: dict[str, Any], kind: type[DeviceError], words: str) -> None:
    with pytest.raises(DeviceError, match=words) as seen:
        await open_session(found)
    assert type(seen.value) is kind
    assert found["api_key"] not in f"{seen.value!r}{seen.value.detail}"


def test_a_key_that_was_revoked_is_a_refused_log_in_at_once(small_world: ObmWorld) -> None:
    machine = small_world.machine("n1", "p", enabled=True)
    identity, token = api_key(small_world)

    async def story() -> None:
        async with api_of(small_world) as url:
            session = await open_session(config(url, token))
            gone = await small_world.hil.ask("DELETE", f"/v1/keys/{identity}", by="alice")
            assert gone.status_code == 204
            with pytest.raises(LoginRefused):
                await session.power_set(PowerAction.ON)
            with pytest.raises(Unreachable, match="has ended"):
                await session.power()
            await refused(config(url, token), LoginRefused, "API key")

    small_world.run(story())
    assert machine.changes() == []


def test_a_node_that_is_anothers_or_unknown_or_not_enabled_is_refused_in_the_parents_words(
    small_world: ObmWorld,
) -> None:
    mine, other = small_world.machine("n1", "p"), small_world.machine("n2", "q", enabled=True)

    async def story(found: dict[str, Any]) -> None:
        await refused(found, Refused, "not enabled: enable it first")
        await refused({**found, "node": "n2"}, Refused, "n2|may not|denied|role")
        await refused({**found, "node": "n 3"}, Refused, "n 3")

    play(small_world, story)
    assert not mine.log
    assert not other.log


def test_a_node_that_leaves_the_project_is_refused_in_the_middle_of_a_session(small_world: ObmWorld) -> None:
    machine = small_world.machine("n1", "p", enabled=True)

    async def story(found: dict[str, Any]) -> None:
        session = await open_session(found)
        assert await session.power() is False
        assert (await small_world.hil.ask("POST", "/v1/nodes/n1/release", by="alice")).status_code == 202
        for call in (session.power_set(PowerAction.ON), session.console()):
            with pytest.raises(Refused):
                await call
        await session.close()

    play(small_world, story)
    assert machine.changes() == []


def test_a_parent_that_is_away_is_unreachable_and_one_that_comes_back_is_there(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p", enabled=True)

    async def story(found: dict[str, Any]) -> None:
        async with road_to(found["url"]) as road:
            session = await open_session({**found, "url": road.url})
            road.drop()
            with pytest.raises(Unreachable):
                await session.power()
            again = await open_session({**found, "url": road.url})
            road.drop()
            with pytest.raises(LostReply):
                await again.power_set(PowerAction.ON)
        with nowhere() as closed:
            await refused({**found, "url": f"http://127.0.0.1:{closed.getsockname()[1]}"}, Unreachable, "refused")

    play(small_world, story)


def test_an_obmd_that_is_away_is_unreachable_and_a_change_is_then_not_sure(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p", enabled=True)

    async def story(found: dict[str, Any]) -> None:
        session = await open_session(found)
        other = await open_session(found)
        await small_world.stack.aclose()
        small_world.site = None
        with pytest.raises(Unreachable, match="obmd"):
            await session.power()
        with pytest.raises(LostReply, match="obmd"):
            await other.power_set(PowerAction.ON)
        await refused(found, Unreachable, "obmd")

    play(small_world, story)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (BmcFault(kind=BmcFaultKind.UNREACHABLE, count=None), Unreachable),
        (BmcFault(kind=BmcFaultKind.WRONG_PASSWORD, count=None), Unreachable),
        (BmcFault(kind=BmcFaultKind.BUSY, count=None), DeviceBusy),
        (BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE, words="not now"), Refused),
    ],
    ids=lambda value: value.kind if isinstance(value, BmcFault) else "",
)
def test_what_is_wrong_with_the_parents_controller_is_no_fault_of_our_key(
    small_world: ObmWorld, fault: BmcFault, kind: type[DeviceError]
) -> None:
    machine = small_world.machine("n1", "p", enabled=True)

    async def story(found: dict[str, Any]) -> None:
        session = await open_session(found)
        machine.faults.add(fault)
        with pytest.raises(DeviceError) as seen:
            await session.power_set(PowerAction.ON)
        assert type(seen.value) is kind, seen.value.message
        await session.close()

    play(small_world, story)
    assert not machine.on


def test_the_parent_is_known_by_its_certificate_and_a_console_without_tls_is_refused(
    small_world: ObmWorld, tmp_path: Path
) -> None:
    small_world.machine("n1", "p", enabled=True)
    _, token = api_key(small_world)
    pinned = make(tmp_path)

    async def story() -> None:
        async with api_of(small_world, (tmp_path / "cert.pem", tmp_path / "key.pem")) as url:
            session = await open_session(config(url, token, certificate=pinned))
            assert await session.power() is False
            with pytest.raises(Refused, match="no TLS"):
                await session.console()
            assert await session.power() is False
            await session.close()
            await refused(config(url, token, certificate="AB" * 32), IdentityChanged, "certificate")
            await refused(config(url, token), IdentityChanged, "certificate")

    small_world.run(story())


def test_a_slot_that_can_be_none_is_refused_here(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p", enabled=True)

    async def story(found: dict[str, Any]) -> None:
        session = await open_session(found)
        for slot in ("..", "", "cd/../../power", "cd?x"):
            with pytest.raises(Refused, match="slot"):
                await session.media_eject(slot)
        with pytest.raises(Refused):
            await session.media_insert("cd", "file:///etc/passwd")
        assert len(await session.event_log(0)) == 0
        assert [each.image for each in await session.media()] == [None, None]
        await session.close()

    play(small_world, story)
