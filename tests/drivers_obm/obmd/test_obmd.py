"""The driver for a foreign OBMd against our own obmd, which serves the original protocol, over an emulated BMC."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from hil.core.errors import BadArgument, DeviceError, LostReply, Refused, Unreachable
from hil.core.obms import BootChoice, BootDevice, PowerAction
from hil.core.secret import Secret
from hil.drivers.obm.obmd.session import open_session, refusal
from hil.drivers.obm.obmd.spec import SPEC
from hil.lab.bmc.machine import Machine
from hil.obmd.store import ObmdStore
from hil.store.keys import Keyring
from hil.testing.obm import check_obm_driver
from hil.testing.obm_case import ObmControl
from tests.obmd.serving import ADMIN, Site, site

CONFIG: dict[str, Any] = {"url": "https://obmd.example.net", "path": "/node/n1", "admin_token": ADMIN}


@asynccontextmanager
async def foreign(dir: Path) -> AsyncIterator[tuple[Site, Machine, dict[str, Any]]]:
    """An obmd with one node, and the configuration that leads to it."""
    store = ObmdStore(f"sqlite:///{dir}/obmd.db", Keyring([Secret(Fernet.generate_key().decode())]))
    store.prepare()
    try:
        async with site(store) as obmd:
            machine = await obmd.add("n1")
            yield obmd, machine, SPEC.validate({**CONFIG, "url": obmd.url, "timeout": 10.0})
    finally:
        store.close()


def control(machine: Machine) -> ObmControl:
    async def power() -> bool:
        return machine.on

    async def boots() -> int:
        return len(machine.boots)

    async def say(data: bytes) -> None:
        machine.print(data)

    return ObmControl(power=power, boots=boots, say=say)


@pytest.mark.net
def test_it_keeps_its_promises_to_an_obmd(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            async with foreign(tmp_path) as (_, machine, config):
                report = await check_obm_driver(
                    open_session,
                    config,
                    control(machine),
                    spec=SPEC,
                    wrong_login={**config, "admin_token": "f" * 32},
                    unreachable={**config, "url": f"http://127.0.0.1:{closed.getsockname()[1]}"},
                )
        assert {"restarts", "sets_the_boot_device", "carries_console_output", "gives_the_console_back"} <= set(
            report.kept
        )
        assert "carries_console_input" in report.not_tried

    asyncio.run(story())


@pytest.mark.net
def test_the_boot_device_stays_and_what_the_protocol_lacks_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with foreign(tmp_path) as (_, machine, config):
            session = await open_session(config)
            await session.boot_set(BootChoice(BootDevice.PXE, persistent=True))
            assert machine.override == BootChoice(BootDevice.PXE, persistent=True)
            for choice in (BootChoice(BootDevice.PXE), BootChoice(BootDevice.PXE, True, uefi=True)):
                with pytest.raises(Refused):
                    await session.boot_set(choice)
            line = await session.console()
            with pytest.raises(Refused, match="no input"):
                await line.write(b"x")
            await line.close()
            await session.close()

    asyncio.run(story())


@pytest.mark.net
def test_a_token_that_another_has_replaced_ends_the_session_and_its_console(tmp_path: Path) -> None:
    async def story() -> None:
        async with foreign(tmp_path) as (_, machine, config):
            first = await open_session(config)
            line = await first.console()
            second = await open_session(config)
            assert await line.read() == b""
            assert await line.read() == b""
            await line.close()
            with pytest.raises(Unreachable, match="token"):
                await first.power_set(PowerAction.ON)
            assert machine.on is False
            assert await second.power() is False
            await second.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("status", "changing", "kind"),
    [(401, True, Unreachable), (500, True, LostReply), (500, False, Unreachable), (400, True, Refused)],
)
def test_statuses_are_told_apart(status: int, changing: bool, kind: type[DeviceError]) -> None:
    assert type(refusal("obmd", status, changing=changing)) is kind


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "https://obmd.example.net/node/n1"),
        ("path", "node/n1"),
        ("path", "/node/n1?token=x"),
        ("path", "/node/../n1"),
        ("admin_token", "secret"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(BadArgument, match=key) as seen:
        SPEC.validate({**CONFIG, key: value})
    assert ADMIN not in seen.value.message


def test_the_originals_uri_becomes_a_configuration() -> None:
    config = SPEC.v0_config({"uri": "http://obmd:8080/some/proxy/node/n1/", "admin_token": ADMIN})
    assert (config["url"], config["path"]) == ("http://obmd:8080", "/some/proxy/node/n1")
    with pytest.raises(BadArgument, match="uri"):
        SPEC.v0_config({"uri": "obmd/node/n1", "admin_token": ADMIN})
    assert SPEC.controller(config) == "obmd+http://obmd:8080/some/proxy/node/n1"
