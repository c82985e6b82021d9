"""The whole way: a capability, our obmd, the IPMI driver, ipmitool, ipmi_sim, a machine."""

import asyncio
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from hil.core.secret import Secret
from hil.obmd.store import ObmdStore
from hil.store.keys import Keyring
from tests.drivers_obm.ipmi.simulator import PASSWORD, simulator
from tests.obmd.serving import QUICK, site, true, until

pytestmark = pytest.mark.net


def test_a_tenant_powers_and_watches_a_machine_behind_ipmi(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        store = ObmdStore(f"sqlite:///{tmp_path}/obmd.db", Keyring([Secret(Fernet.generate_key().decode())]))
        store.prepare()
        try:
            async with simulator(tmp_path) as sim, site(store, QUICK) as obmd:
                registered = await obmd.put("n1", sim.config, driver="ipmi")
                assert registered.status_code == 201, registered.text
                assert PASSWORD not in registered.text
                assert (await obmd.epoch("n1", 1)).status_code == 200
                assert (await obmd.call("POST", "n1", "power", json={"action": "on"})).status_code == 202
                assert (await obmd.call("GET", "n1", "power")).json()["power"] == "on"
                names = [each["name"] for each in (await obmd.call("GET", "n1", "sensors")).json()["items"]]
                assert names == ["CPU Temp", "Fan 1"]
                async with obmd.console("n1") as console:
                    await until(console, "hello")
                    await console.send(b"root\r~.")
                    await true(lambda: b"root\r~." in sim.typed)
                    await sim.say(b"Welcome")
                    await until(console, b"Welcome")
                refused = await obmd.put("n1", {**sim.config, "password": "wrong"}, driver="ipmi")
                assert refused.status_code == 200, refused.text
                answer = await obmd.call("GET", "n1", "power")
                assert answer.json()["type"] == "/errors/device-login-refused"
        finally:
            store.close()

    caplog.set_level("DEBUG")
    asyncio.run(story())
    assert PASSWORD not in caplog.text
