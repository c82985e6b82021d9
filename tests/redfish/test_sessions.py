"""Logging in: sessions, Basic, keys; and that nobody is let in by any of them who should not be."""

from __future__ import annotations

import time

import httpx
import pytest
from sqlalchemy import update

from hil.store.tables import ApiKey
from tests.api_v1.world import PASSWORD
from tests.obm_side.world import ObmWorld
from tests.redfish.world import Tenant

pytestmark = pytest.mark.net
SESSIONS = "/SessionService/Sessions"


def begin(redfish: Tenant, user: str, password: str) -> httpx.Response:
    return redfish("POST", SESSIONS, {"UserName": user, "Password": password}, by=None)


def shown(redfish: Tenant, answer: httpx.Response, path: str = "/Systems") -> int:
    """The status of a reading with the token of a session."""
    return redfish("GET", path, by=None, headers={"X-Auth-Token": answer.headers["x-auth-token"]}).status_code


def test_a_session_holds_what_its_user_holds_until_it_is_ended(redfish: Tenant) -> None:
    answer = begin(redfish, "alice", PASSWORD)
    assert answer.status_code == 201
    assert answer.json()["UserName"] == "alice"
    assert answer.json()["Password"] is None
    assert shown(redfish, answer, "/Systems/n1") == 200
    assert shown(redfish, answer, "/Systems/theirs") == 404
    where = answer.headers["location"]
    assert redfish.members(SESSIONS) == [answer.json()["Id"]]
    assert redfish.members(SESSIONS, "bob") == []
    assert redfish.refused("DELETE", where, by="bob") == "404 ResourceMissingAtURI"
    assert redfish("DELETE", where).status_code == 204
    assert shown(redfish, answer) == 401
    assert redfish.refused("GET", where) == "404 ResourceMissingAtURI"


def test_a_session_made_with_a_key_keeps_within_it_and_dies_with_it(world: ObmWorld, redfish: Tenant) -> None:
    end = time.time() + 600
    made = world.hil.ok("POST", "/v1/keys", {"project": "p", "role": "reader"}, by="alice")
    answer = begin(redfish, "alice", made["token"])
    reset, token = "/Systems/n1/Actions/ComputerSystem.Reset", {"X-Auth-Token": answer.headers["x-auth-token"]}
    assert shown(redfish, answer, "/Systems/n1") == 200
    assert redfish.refused("POST", reset, {"ResetType": "On"}, by=None, headers=token) == "403 InsufficientPrivilege"
    world.hil.ok("DELETE", f"/v1/keys/{made['id']}", by="alice")
    assert shown(redfish, answer) == 401
    assert world.machines["n1"].changes() == []
    ends = world.hil.store.read(lambda session: [key.expires_at for key in session.query(ApiKey)])
    assert all(each is None or each > end for each in ends)


def test_an_ended_session_opens_nothing_and_is_cleared_away(world: ObmWorld, redfish: Tenant) -> None:
    answer = begin(redfish, "alice", PASSWORD)
    world.hil.store.change(lambda unit: unit.session.execute(update(ApiKey).values(expires_at=1.0)))
    world.hil.backend.close()
    assert redfish.members(SESSIONS) == []
    again = begin(redfish, "alice", PASSWORD)
    assert again.status_code == 201
    assert redfish.members(SESSIONS) == [again.json()["Id"]]
    kept = world.hil.store.read(lambda session: session.query(ApiKey).count())
    assert kept == 1
    assert shown(redfish, answer) == 401


def test_wrong_credentials_are_refused_alike(redfish: Tenant) -> None:
    for user, password in (("alice", "wrong"), ("nobody", PASSWORD), ("", ""), ("bob", redfish.key("alice"))):
        answer = begin(redfish, user, password)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Base.1.8.NoValidSession")
        assert answer.headers["www-authenticate"].startswith("Basic ")
    halved = b'{"UserName": "\\ud800", "Password": "\\ud800"}'
    assert redfish.refused("POST", SESSIONS, raw=halved, by=None) == "401 NoValidSession"
    assert begin(redfish, "a\0b", "\0").status_code == 401
    bad = {"UserName": "alice"}, {"UserName": "alice", "Password": 1}, {"UserName": "a", "Password": "b", "Role": "c"}
    assert [redfish("POST", SESSIONS, body, by=None).status_code for body in bad] == [400] * 3
    assert redfish.members(SESSIONS) == []


def test_a_key_is_a_password_and_a_token(redfish: Tenant) -> None:
    key = redfish.key("alice", project="p")
    for headers in (
        {"X-Auth-Token": key},
        {"Authorization": f"Bearer {key}"},
        {"Authorization": httpx.BasicAuth("key", key)._auth_header},
    ):
        assert redfish("GET", "/Systems/n1", by=None, headers=headers).status_code == 200
    both = {"X-Auth-Token": "hil_no", "Authorization": httpx.BasicAuth("alice", PASSWORD)._auth_header}
    assert redfish("GET", "/Systems/n1", by=None, headers=both).status_code == 401


def test_the_root_is_for_everybody_and_names_what_is_there(redfish: Tenant) -> None:
    assert redfish("GET", "/redfish", by=None).json() == {"v1": "/redfish/v1/"}
    root = redfish("GET", "/redfish/v1/", by=None).json()
    assert "AccountService" not in root
    for part in ("Systems", "Managers", "Chassis", "SessionService"):
        assert redfish.show(root[part]["@odata.id"])["@odata.id"] == root[part]["@odata.id"]
    assert redfish("GET", "/$metadata", by=None).headers["content-type"].startswith("application/xml")
    assert redfish("GET", "/odata", by=None).status_code == 200
    assert redfish("GET", "", by=None, headers={"OData-Version": "3.0"}).status_code == 412


def test_on_each_database_a_session_drives_its_own_node_and_no_other(either_world: ObmWorld) -> None:
    redfish = Tenant(either_world)
    answer = begin(redfish, "alice", redfish.key("alice", project="p"))
    token = {"X-Auth-Token": answer.headers["x-auth-token"]}
    path = "/Systems/{}/Actions/ComputerSystem.Reset"
    asked = {
        name: redfish("POST", path.format(name), {"ResetType": "On"}, by=None, headers=token).status_code
        for name in ("n1", "theirs", "loose", "none", "n1%00", "%ff")
    }
    assert asked == {"n1": 204, "theirs": 404, "loose": 404, "none": 404, "n1%00": 404, "%ff": 404}
    assert {name: machine.on for name, machine in either_world.machines.items()} == {
        "n1": True, "theirs": False, "loose": False,
    }  # fmt: skip
    assert begin(redfish, "a\0", "b\0").status_code == 401
    assert redfish("GET", "/Systems/n1", by="root").status_code == 200
    assert redfish("DELETE", answer.headers["location"], by=None, headers=token).status_code == 204
    assert shown(redfish, answer) == 401
