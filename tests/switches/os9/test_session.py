"""What an OS9 switch asks before it lets anybody in."""

import pytest

from hil.core.errors import DeviceError, LoginRefused, Unreachable
from hil.lab.devices.os9 import Os9Emulator
from tests.switches.harness import opened, run

pytestmark = pytest.mark.net


async def reads(emulated: Os9Emulator, **settings: object) -> int:
    device = emulated.device("s1")
    async with emulated.serve(device) as served:
        session = await opened("os9", served, **settings)
        try:
            return len(await session.read())
        finally:
            await session.close()


def test_a_banner_that_wants_consent_gets_it() -> None:
    assert run(reads(Os9Emulator(accept=True))) == len(Os9Emulator().ports)


def test_the_session_of_somebody_else_is_never_cleared() -> None:
    """The question is answered with an empty line, which cancels the log-in and leaves the other session alone."""
    with pytest.raises(Unreachable):
        run(reads(Os9Emulator(crowded=True)))


def test_an_enable_password_that_is_not_asked_for_does_no_harm() -> None:
    assert run(reads(Os9Emulator(), enable_password="other")) == len(Os9Emulator().ports)


def test_a_wrong_password_is_not_an_unreachable_switch() -> None:
    with pytest.raises(LoginRefused) as found:
        run(reads(Os9Emulator(), password="wrong"))
    assert isinstance(found.value, DeviceError)
