"""The whole way of a HIL below a HIL: the child's obmd, the driver, the parent's API, the parent's obmd, a machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from hil.core.secret import Secret
from hil.obmd.store import ObmdStore
from hil.store.keys import Keyring
from tests.drivers_obm.parent.peer import api_key, api_of, config
from tests.obm_side.world import ObmWorld
from tests.obmd.serving import QUICK, site, true, until

pytestmark = pytest.mark.net


@pytest.fixture
def below(tmp_path: Path) -> Iterator[ObmdStore]:
    """The store of the child's obmd."""
    store = ObmdStore(f"sqlite:///{tmp_path}/below.db", Keyring([Secret(Fernet.generate_key().decode())]))
    store.prepare()
    yield store
    store.close()


def test_a_tenant_of_the_child_powers_and_types_on_a_machine_of_the_parent(
    small_world: ObmWorld, below: ObmdStore
) -> None:
    machine = small_world.machine("n1", "p", enabled=True)
    _, token = api_key(small_world)

    async def story() -> None:
        async with api_of(small_world) as url, site(below, QUICK) as obmd:
            registered = await obmd.put("c1", config(url, token), driver="hil")
            assert registered.status_code == 201, registered.text
            assert token not in registered.text
            assert (await obmd.epoch("c1", 1)).status_code == 200
            assert (await obmd.call("POST", "c1", "power", json={"action": "on"})).status_code == 202
            assert machine.on
            assert (await obmd.call("GET", "c1", "power")).json()["power"] == "on"
            async with obmd.console("c1") as console:
                await until(console, "hello")
                await console.send(b"root")
                await true(lambda: bytes(machine.typed) == b"root")
                machine.print(b"Welcome")
                await until(console, b"Welcome")
            gone = await small_world.hil.ask("POST", "/v1/nodes/n1/obm/disable", by="alice")
            assert gone.status_code == 200
            answer = await obmd.call("POST", "c1", "power", json={"action": "off"})
            assert answer.json()["type"] == "/errors/device-refused"
            assert "not enabled" in answer.json()["detail"]
            assert machine.on

    small_world.run(story())
