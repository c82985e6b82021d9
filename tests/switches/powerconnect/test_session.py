"""How one gets into a PowerConnect switch: old algorithms, nobody asked by SSH, name and password in the shell."""

import pytest

from hil.core.errors import LoginRefused, Unreachable
from hil.lab.devices.powerconnect import PowerConnectEmulator
from tests.switches.harness import opened, run

pytestmark = pytest.mark.net
OLD = PowerConnectEmulator(
    options={
        "kex_algs": ["diffie-hellman-group1-sha1"],
        "encryption_algs": ["aes128-cbc", "3des-cbc"],
        "mac_algs": ["hmac-sha1"],
    }
)


async def reads(emulated: PowerConnectEmulator, **settings: object) -> int:
    device = emulated.device("p1")
    async with emulated.serve(device) as served:
        session = await opened("powerconnect", served, **settings)
        try:
            return len(await session.read())
        finally:
            await session.close()


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields", "ignore:.*(3DES|CBC|TripleDES).*")
def test_old_algorithms_are_spoken_where_the_settings_say_so() -> None:
    assert run(reads(OLD, legacy_algorithms=True)) == len(OLD.ports)


def test_and_nowhere_else() -> None:
    with pytest.raises(Unreachable, match="legacy_algorithms"):
        run(reads(OLD))


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "nobody"}])
def test_the_shell_is_told_each_credential_once(wrong: dict[str, str]) -> None:
    with pytest.raises(LoginRefused):
        run(reads(PowerConnectEmulator(), **wrong))
