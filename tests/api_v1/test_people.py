"""Users, passwords, keys, and who the caller is."""

from __future__ import annotations

import pytest

from tests.api_v1.world import PASSWORD, PEOPLE, World

LONG = "a much longer password"


def test_who_am_i(world: World) -> None:
    assert world.ok("GET", "/v1/whoami", by="mara") == {
        "user": "mara", "operator": False, "via": "basic", "projects": [{"project": "p", "role": "manager"}],
    }  # fmt: skip
    assert world.ok("GET", "/v1/whoami")["operator"] is True


def test_without_or_with_wrong_credentials_the_answer_says_how_to_log_in(small_world: World) -> None:
    for headers in ({}, {"Authorization": "Basic !"}, {"Authorization": "Digest x"}, {"Authorization": "Bearer x"}):
        answer = small_world("GET", "/v1/whoami", by=None, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Basic realm="HIL"')
        assert answer.headers["www-authenticate"].endswith(", Bearer")


def test_unknown_user_and_wrong_password_read_the_same(small_world: World) -> None:
    def told(name: str) -> str:
        return str({**small_world("GET", "/v1/whoami", by=None, headers=basic(name)).json(), "instance": ""})

    def basic(name: str) -> dict[str, str]:
        import base64

        return {"Authorization": "Basic " + base64.b64encode(f"{name}:wrong password".encode()).decode()}

    assert told("alice") == told("nobody")


def test_too_many_failures_are_slowed_down_and_say_for_how_long(world: World) -> None:
    from hil.api.app import create_app
    from hil.auth.database import DatabaseBackend

    world.backend.close()
    world.backend = DatabaseBackend({"user_burst": 2}, world.store)
    world.app = create_app(world.store, world.backend)
    wrong = {"Authorization": "Basic YWxpY2U6bm8="}
    answers = [world("GET", "/v1/whoami", by=None, headers=wrong) for _ in range(4)]
    assert [answer.status_code for answer in answers][-1] == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json()["retry"] is True


def test_users_are_made_shown_and_deleted_by_operators(world: World) -> None:
    made = world("POST", "/v1/users", {"name": "new@x", "password": LONG})
    assert (made.status_code, made.headers["location"]) == (201, "/v1/users/new%40x")
    assert made.json() == world.ok("GET", "/v1/users/new@x") == {"name": "new@x", "operator": False, "projects": []}
    assert world.ok("PATCH", "/v1/users/new@x", {"operator": True})["operator"] is True
    assert world.refused("POST", "/v1/users", {"name": "new@x", "password": LONG}) == "409 duplicate"
    assert world.refused("POST", "/v1/users", {"name": "weak", "password": "short"}) == "400 bad-argument"
    assert world.refused("POST", "/v1/users", {"name": "a:b", "password": LONG}) == "400 validation"
    assert world("DELETE", "/v1/users/new@x").status_code == 204
    assert world.refused("GET", "/v1/users/new@x") == "404 not-found"
    assert LONG not in world("GET", "/v1/journal?limit=1000").text


def test_others_see_themselves_only(world: World) -> None:
    assert [user["name"] for user in world.ok("GET", "/v1/users", by="eve")["items"]] == ["eve"]
    assert world.refused("GET", "/v1/users/root", by="eve") == "404 not-found"
    assert world.refused("POST", "/v1/users", {"name": "x", "password": LONG}, by="mara") == "403 denied"
    assert [user["name"] for user in world.ok("GET", "/v1/users")["items"]] == sorted({"root", "eve", *PEOPLE})


def test_the_last_operator_stays(world: World) -> None:
    assert world.refused("DELETE", "/v1/users/root") == "409 blocked"
    assert world.refused("PATCH", "/v1/users/root", {"operator": False}) == "409 illegal-state"


def test_ones_own_password_needs_the_old_one(world: World) -> None:
    url = "/v1/users/alice/password"
    assert world.refused("PUT", url, {"password": LONG}, by="alice") == "403 denied"
    assert world.refused("PUT", url, {"password": LONG, "old_password": "no"}, by="alice") == "403 denied"
    assert world("PUT", url, {"password": LONG, "old_password": PASSWORD}, by="alice").status_code == 204
    assert world.refused("GET", "/v1/whoami", by="alice") == "401 unauthenticated"
    assert world("PUT", url, {"password": PASSWORD}).status_code == 204
    assert world.ok("GET", "/v1/whoami", by="alice")["user"] == "alice"
    assert world.refused("PUT", "/v1/users/root/password", {"password": LONG}, by="alice") == "404 not-found"


def test_a_key_is_shown_once_works_within_its_limits_and_dies_at_once(world: World) -> None:
    body = {"description": "for ci", "project": "p", "role": "reader", "expires_in": 3600}
    made = world("POST", "/v1/keys", body, by="alice")
    key = made.json()
    token = key.pop("token")
    assert made.status_code == 201
    assert (key["user"], key["project"], key["role"], key["operator"]) == ("alice", "p", "reader", False)
    assert world.ok("GET", "/v1/keys", by="alice")["items"] == [key]
    who = world.ok("GET", "/v1/whoami", token=token)
    assert (who["user"], who["via"], who["projects"]) == (
        "alice", f"key:{key['id']}", [{"project": "p", "role": "reader"}],
    )  # fmt: skip
    assert world.refused("POST", "/v1/networks", {"name": "x", "owner": "p"}, token=token) == "403 denied"
    assert world.ok("GET", "/v1/whoami", by=None, headers={"X-Auth-Token": token})["user"] == "alice"
    assert world.refused("DELETE", f"/v1/keys/{key['id']}", by="bob") == "404 not-found"
    assert world("DELETE", f"/v1/keys/{key['id']}", by="alice").status_code == 204
    assert world.refused("GET", "/v1/whoami", token=token) == "401 unauthenticated"
    assert token not in world("GET", "/v1/journal?limit=1000").text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"project": "q"}, "404 not-found"),
        ({"project": "p", "role": "manager"}, "403 denied"),
        ({"operator": True}, "403 denied"),
        ({"expires_in": 0}, "400 validation"),
        ({"description": "two\nlines"}, "400 validation"),
    ],
)
def test_a_key_never_has_more_than_its_user(small_world: World, body: dict[str, object], words: str) -> None:
    assert small_world.refused("POST", "/v1/keys", body, by="alice") == words


def test_an_operator_lists_the_keys_of_others(world: World) -> None:
    made = world.ok("POST", "/v1/keys", {}, by="alice")
    assert [key["id"] for key in world.ok("GET", "/v1/keys?user=alice")["items"]] == [made["id"]]
    assert world.refused("GET", "/v1/keys?user=root", by="alice") == "404 not-found"
    assert world("DELETE", f"/v1/keys/{made['id']}").status_code == 204


def test_a_backend_without_users_has_no_calls_about_them(small_world: World) -> None:
    from hil.api.app import create_app
    from hil.auth.null import NullBackend
    from tests.api_v1.promise import Promise

    small_world.app = create_app(small_world.store, NullBackend({}, small_world.store))
    small_world.promise = Promise(small_world.app.openapi())
    assert small_world.ok("GET", "/v1/whoami", by=None)["user"] == "null"
    for path in ("/v1/users", "/v1/keys", "/v1/projects/p/members"):
        assert small_world.refused("GET", path, by=None) == "404 not-found"
