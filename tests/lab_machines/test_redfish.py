"""The Redfish controller as other programs see it: what it refuses, and that sushy, the field's client, drives it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hil.core.obms import BootDevice, PowerAction
from hil.lab.machines import room
from tests.lab_machines.rack import OVER_REDFISH, Rack

pytestmark = [pytest.mark.ovs, pytest.mark.machines]
TOP = Path(__file__).resolve().parents[2]
SYSTEM = f"/redfish/v1/Systems/{OVER_REDFISH}"
SESSIONS = "/redfish/v1/SessionService/Sessions"


@pytest.fixture
def web(machines: Rack) -> Iterator[httpx.Client]:
    config = machines.controllers[OVER_REDFISH].config
    with httpx.Client(base_url=config["url"], verify=False, trust_env=False) as client:
        client.headers["X-Lab"] = "test"
        yield client


def login(machines: Rack) -> tuple[str, str]:
    config = machines.controllers[OVER_REDFISH].config
    return config["username"], config["password"]


def test_only_the_root_and_the_log_in_answer_a_stranger(web: httpx.Client) -> None:
    assert web.get("/redfish/v1/").status_code == 200
    for path in ("/redfish/v1/Systems", SYSTEM, "/redfish/v1/Managers/BMC", SESSIONS, "/redfish/v1/SessionService"):
        assert web.get(path).status_code == 401, path
        assert web.get(path, headers={"X-Auth-Token": ""}).status_code == 401
        assert web.get(path, auth=("hil", "")).status_code == 401
        assert web.get(path, headers={"Authorization": "Basic ?"}).status_code == 401
    assert web.patch(SYSTEM, json={"LocationIndicatorActive": True}).status_code == 401
    assert web.post(f"{SYSTEM}/Actions/ComputerSystem.Reset", json={"ResetType": "On"}).status_code == 401
    assert web.post(SESSIONS, json={"UserName": "hil", "Password": "guess"}).status_code == 401


def test_a_session_lasts_until_it_is_ended(machines: Rack, web: httpx.Client) -> None:
    user, password = login(machines)
    made = web.post(SESSIONS, json={"UserName": user, "Password": password})
    assert made.status_code == 201
    token = {"X-Auth-Token": made.headers["X-Auth-Token"]}
    assert web.get(SYSTEM, headers=token).status_code == 200
    assert {"@odata.id": made.headers["Location"]} in web.get(SESSIONS, headers=token).json()["Members"]
    assert web.delete(made.headers["Location"], headers=token).status_code == 204
    assert web.get(SYSTEM, headers=token).status_code == 401


def test_forgotten_sessions_lock_nobody_out(machines: Rack, web: httpx.Client) -> None:
    user, password = login(machines)
    made = [web.post(SESSIONS, json={"UserName": user, "Password": password}) for _ in range(20)]
    assert [each.status_code for each in made] == [201] * 20
    assert web.get(SYSTEM, headers={"X-Auth-Token": made[-1].headers["X-Auth-Token"]}).status_code == 200
    assert web.get(SYSTEM, headers={"X-Auth-Token": made[0].headers["X-Auth-Token"]}).status_code == 401


def override(**settings: Any) -> dict[str, Any]:
    return {"Boot": {f"BootSourceOverride{name}": value for name, value in settings.items()}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "Boot and LocationIndicatorActive"),
        ({"PowerState": "On"}, "Boot and LocationIndicatorActive"),
        ({"Boot": "Pxe"}, "BootSourceOverrideEnabled"),
        ({"Boot": {"Order": []}}, "BootSourceOverrideEnabled"),
        (override(Target="Floppy"), "None, Pxe"),
        (override(Target=["Pxe"]), "None, Pxe"),
        (override(Enabled="Always"), "Disabled, Once"),
        (override(Mode="UEFI"), "Legacy alone"),
        ({**override(Target="Pxe"), "LocationIndicatorActive": "yes"}, "true or false"),
    ],
)
def test_a_change_that_is_none_is_refused_whole(machines: Rack, web: httpx.Client, body: Any, words: str) -> None:
    room.power(machines.site, OVER_REDFISH, PowerAction.OFF)
    before = web.get(SYSTEM, auth=login(machines)).json()
    refused = web.patch(SYSTEM, json=body, auth=login(machines))
    assert refused.status_code == 400
    assert words in refused.json()["error"]["message"]
    assert web.get(SYSTEM, auth=login(machines)).json() == before


def test_a_change_of_what_was_not_read_is_refused(machines: Rack, web: httpx.Client) -> None:
    auth = login(machines)
    etag = web.get(SYSTEM, auth=auth).headers["ETag"]
    first = web.patch(SYSTEM, json=override(Target="Cd", Enabled="Once"), auth=auth, headers={"If-Match": etag})
    assert first.status_code == 200
    second = web.patch(SYSTEM, json=override(Target="Pxe"), auth=auth, headers={"If-Match": etag})
    assert second.status_code == 412
    assert machines.facts(OVER_REDFISH).next_boot == BootDevice.CDROM
    assert web.patch(SYSTEM, json=override(Enabled="Disabled"), auth=auth).status_code == 200
    assert machines.facts(OVER_REDFISH).next_boot == BootDevice.NONE


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"{}", b'{"ResetType": "Nmi"}', b'{"ResetType": ["On"]}'])
def test_a_reset_that_is_none_is_refused(machines: Rack, web: httpx.Client, body: bytes) -> None:
    answer = web.post(f"{SYSTEM}/Actions/ComputerSystem.Reset", content=body, auth=login(machines))
    assert answer.status_code == 400
    assert not machines.facts(OVER_REDFISH).power


STORY = """
import json, sys
import sushy
from sushy import auth
facts = json.loads(sys.stdin.read())
seen = []
for kind in (auth.SessionAuth, auth.BasicAuth):
    root = sushy.Sushy(facts["url"], auth=kind(facts["username"], facts["password"]), verify=facts["ca"])
    system = root.get_system(root.get_system_collection().members_identities[0])
    told = {"name": system.name, "managers": [each.identity for each in system.managers], "power": []}
    for word in (sushy.RESET_ON, sushy.RESET_FORCE_RESTART, sushy.RESET_FORCE_OFF):
        system.reset_system(word)
        system.refresh(force=True)
        told["power"].append(system.power_state.value)
    for source, enabled in (("PXE", "CONTINUOUS"), ("CD", "ONCE")):
        system.set_system_boot_options(
            getattr(sushy, "BOOT_SOURCE_TARGET_" + source), getattr(sushy, "BOOT_SOURCE_ENABLED_" + enabled))
        system.refresh(force=True)
        told[source] = [system.boot.target.value, system.boot.enabled.value]
    if kind is auth.SessionAuth:
        root._auth.close()
    seen.append(told)
print(json.dumps(seen))
"""


def test_sushy_drives_a_machine(machines: Rack) -> None:
    certificate = machines.site.directory / "vm" / OVER_REDFISH / "switch.pem"
    config = machines.controllers[OVER_REDFISH].config
    facts = {name: config[name] for name in ("url", "username", "password")} | {"ca": str(certificate)}
    before = machines.facts(OVER_REDFISH).boots
    done = subprocess.run(
        [TOP / ".venv-peers" / "bin" / "python", "-c", STORY],
        input=json.dumps(facts),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    for told in json.loads(done.stdout):
        assert (told["name"], told["managers"]) == (OVER_REDFISH, ["BMC"])
        assert told["power"] == ["On", "On", "Off"]
        assert (told["PXE"], told["CD"]) == (["Pxe", "Continuous"], ["Cd", "Once"])
    assert machines.facts(OVER_REDFISH).boots == before + 4
