"""What is special about a session with a Catalyst: enable, VTP, encapsulation, the question of a copy."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from hil.core.devices import SwitchSession
from hil.core.errors import LoginRefused, Refused
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.ios.session import DIALECT, Ios
from hil.drivers.switch.ios.spec import SPEC
from hil.lab.devices.ios import IosEmulator
from hil.lab.devices.model import Device
from hil.lab.devices.shell import Login
from tests.switches.harness import changed, opened, run, writer

pytestmark = pytest.mark.net
TEN = PortState(10)


def against(emulated: IosEmulator, use: Callable[[Device, SwitchSession], Awaitable[None]], **settings: Any) -> Device:
    device = emulated.device("sw")

    async def all_of_it() -> None:
        async with emulated.serve(device) as served:
            session = await opened("ios", served, **settings)
            await use(device, session)
            await session.close()
        assert not device.sessions

    run(all_of_it())
    return device


def test_a_wrong_enable_password_is_a_refused_login() -> None:
    async def use(device: Device, session: SwitchSession) -> None:
        raise AssertionError("no session")

    with pytest.raises(LoginRefused, match="enable"):
        against(IosEmulator(enable="right"), use, enable_password="wrong")


def test_an_old_switch_may_let_everybody_in_and_ask_nothing() -> None:
    async def use(device: Device, session: SwitchSession) -> None:
        port = device.ports()[0]
        assert await changed(session, {port: TEN}) == {port: None}

    against(IosEmulator(login=Login.SHELL), use)


def test_a_vtp_server_makes_no_high_vlan_and_says_so_to_those_who_need_it() -> None:
    async def use(device: Device, session: SwitchSession) -> None:
        first, second = device.ports()[:2]
        answers = await changed(session, {first: PortState(2000), second: TEN})
        assert isinstance(answers[first], Refused)
        assert "not allowed in current VTP mode" in str(answers[first])
        assert answers[second] is None
        assert not device.writes(first)

    against(IosEmulator(vtp=True), use)


def test_a_switch_that_knows_isl_must_be_told_the_encapsulation() -> None:
    async def use(device: Device, session: SwitchSession) -> None:
        port = device.ports()[0]
        assert await changed(session, {port: TEN}) == {port: None}

    async def refused(device: Device, session: SwitchSession) -> None:
        port = device.ports()[0]
        error = (await changed(session, {port: TEN}))[port]
        assert "trunk encapsulation" in str(error)
        assert device.running(port) == CLOSED

    against(IosEmulator(isl=True), use)
    against(IosEmulator(isl=True), refused, encapsulation=False)


def test_the_copy_asks_for_a_name_and_is_told_the_usual_one() -> None:
    async def use(device: Device, session: SwitchSession) -> None:
        port = device.ports()[0]
        await changed(session, {port: TEN})
        await session.save(writer())
        assert device.startup(port) == TEN

    against(IosEmulator(), use, save_command="copy running-config startup-config")


def test_a_voice_vlan_is_taken_off_a_port() -> None:
    async def use(device: Device, session: SwitchSession) -> None:
        port = device.ports()[0]
        config = device.config.ports[port]
        device.config.ports[port] = type(config)(lines=frozenset({"switchport voice vlan 30"}))
        assert await session.apply([PortChange(port, None, TEN)], writer()) == {port: None}
        assert (await session.read([port]))[port].state == TEN

    against(IosEmulator(), use)


def test_a_pager_that_cannot_be_turned_off_is_turned_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ios, "dialect", replace(DIALECT, quiet=()))

    async def use(device: Device, session: SwitchSession) -> None:
        port = device.ports()[0]
        assert await changed(session, {port: TEN}) == {port: None}
        found = await session.read()
        assert set(found) == set(device.ports())
        assert found[port].state == TEN

    against(IosEmulator(ports=tuple(f"GigabitEthernet1/0/{number}" for number in range(1, 25))), use)


def test_two_sessions_do_not_share_a_mode() -> None:
    emulated = IosEmulator()
    device = emulated.device("sw")

    async def both() -> None:
        async with emulated.serve(device) as served:
            sessions = [await opened("ios", served) for _ in range(2)]
            ports = device.ports()[:2]
            batch = [[PortChange(port, None, PortState(10 + number))] for number, port in enumerate(ports)]
            await asyncio.gather(*(one.apply(work, writer()) for one, work in zip(sessions, batch, strict=True)))
            assert [device.running(port) for port in ports] == [PortState(10), PortState(11)]
            for one in sessions:
                await one.close()

    run(both())


def test_the_original_has_no_such_switch() -> None:
    assert SPEC.v0_type is None
    fields = {"hostname": "switch:2222", "username": "hil", "password": "pw", "host_key": "first-use", "parked": 999}
    assert SPEC.v0_config(fields)["port"] == 2222
