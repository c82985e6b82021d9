"""Logging in and out, and the profile that keeps the key."""

import os
from pathlib import Path

import pytest

from hil.client import Unauthenticated
from hil.client.profile import Profile, profile_load, profile_save
from tests.cli.terminal import run
from tests.client.server import MEMBER, PASSWORD, Server

pytestmark = pytest.mark.net


def environ(directory: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(directory), **more}


def profile(directory: Path, name: str = "default") -> Profile:
    found = profile_load(directory / "hil" / "config.toml", name)
    assert found is not None
    return found


def test_logging_in_keeps_a_key_and_no_password(server: Server, tmp_path: Path) -> None:
    ran = run(f"login {server.endpoint} -u {MEMBER} --password-stdin --expires 1h", environ(tmp_path), f"{PASSWORD}\n")
    assert ran.code == 0, ran.err
    assert ran.err.startswith(f"Logged in to {server.endpoint} as {MEMBER} until ")
    path = tmp_path / "hil" / "config.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text()
    kept = profile(tmp_path)
    assert kept.token.startswith("hil_")
    assert kept.token not in ran.out + ran.err
    who = run("whoami -o json", environ(tmp_path)).json
    assert (who["user"], who["via"]) == (MEMBER, f"key:{kept.key}")
    assert run("key list -o json", environ(tmp_path)).json[0]["expires_at"] is not None


def test_logging_in_again_revokes_the_key_that_is_replaced(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        command = f"login {server.endpoint} -u {MEMBER} -p blue"
        assert run(command, environ(tmp_path, HIL_PASSWORD=PASSWORD)).code == 0
        keys = {key.id for key in server.tenant.keys.list()}
        assert profile(tmp_path).key in keys
    assert profile(tmp_path).project == "blue"
    first = profile(tmp_path).key
    assert run("login", environ(tmp_path, HIL_PASSWORD=PASSWORD, HIL_USERNAME=MEMBER)).code == 0
    assert first not in {key.id for key in server.tenant.keys.list()}
    assert profile(tmp_path).project == "blue"


def test_an_operators_key_is_an_operators_unless_asked_otherwise(server: Server, tmp_path: Path) -> None:
    for option, operator in (("", True), ("--no-operator", False)):
        command = f"--profile ops login {server.endpoint} -u root {option}"
        assert run(command, environ(tmp_path, HIL_PASSWORD=PASSWORD)).code == 0
        assert run("--profile ops whoami -o json", environ(tmp_path)).json["operator"] is operator
    ran = run(f"login {server.endpoint} -u {MEMBER} --operator", environ(tmp_path, HIL_PASSWORD=PASSWORD))
    assert ran.code == 1
    assert ran.err == f"hil: {MEMBER} is no operator: log in without --operator\n"


def test_logging_out_revokes_the_key_and_keeps_where_hil_is(server: Server, tmp_path: Path) -> None:
    run(f"login {server.endpoint} -u {MEMBER}", environ(tmp_path, HIL_PASSWORD=PASSWORD))
    kept = profile(tmp_path)
    assert run("logout", environ(tmp_path)).code == 0
    with server.client(token=kept.token) as client, pytest.raises(Unauthenticated):
        client.whoami()
    left = profile(tmp_path)
    assert (left.endpoint, left.token, left.key) == (server.endpoint, "", "")
    ran = run("logout", environ(tmp_path))
    assert (ran.code, ran.err) == (1, "hil: profile default holds no login\n")


def test_logging_out_with_a_key_that_is_dead_already_works(server: Server, tmp_path: Path) -> None:
    run(f"login {server.endpoint} -u {MEMBER}", environ(tmp_path, HIL_PASSWORD=PASSWORD))
    server.tenant.keys.delete(profile(tmp_path).key)
    assert run("whoami", environ(tmp_path)).code == 4
    assert run("logout", environ(tmp_path)).code == 0


def test_a_wrong_password_keeps_the_profile_as_it_was(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "hil" / "config.toml"
    profile_save(path, "default", Profile(endpoint=server.endpoint, project="red"))
    ran = run(f"login -u {MEMBER}", environ(tmp_path, HIL_PASSWORD="wrong"))
    assert ran.code == 4
    assert profile(tmp_path) == Profile(endpoint=server.endpoint, project="red")


def test_a_profile_that_cannot_be_written_leaves_no_key_behind(server: Server, tmp_path: Path) -> None:
    before = {key.id for key in server.tenant.keys.list()}
    (tmp_path / "hil").write_text("in the way")
    ran = run(f"login {server.endpoint} -u {MEMBER}", environ(tmp_path, HIL_PASSWORD=PASSWORD))
    assert ran.code == 2
    assert "cannot" in ran.err
    assert {key.id for key in server.tenant.keys.list()} == before


def test_nobody_is_asked_where_nobody_sits(server: Server, tmp_path: Path) -> None:
    ran = run(f"login {server.endpoint} -u {MEMBER}", environ(tmp_path))
    assert ran.code == 2
    assert ran.err.startswith("hil: there is nobody to ask for the password: use --password-stdin or set HIL_PASSWORD")
    ran = run(f"login {server.endpoint} -u {MEMBER} --password-stdin", environ(tmp_path), "\n")
    assert (ran.code, ran.err) == (2, "hil: standard input holds no password: write it as the first line\n")


def test_a_user_without_a_password_is_told_what_to_set(server: Server) -> None:
    ran = run("whoami", {"HIL_ENDPOINT": server.endpoint, "HIL_USERNAME": MEMBER})
    assert ran.code == 2
    assert "set HIL_PASSWORD" in ran.err


def test_whoami_lists_roles(server: Server) -> None:
    ran = run("whoami", server.environ())
    assert ran.lines[:3] == ["user      root", "operator  yes", "via       basic"]


def test_the_version_is_told_with_and_without_a_server(server: Server) -> None:
    ran = run("version -o json", server.environ())
    assert ran.json["server"].startswith("HIL ")
    alone = run("version", {"HIL_ENDPOINT": "http://127.0.0.1:9"})
    assert alone.code == 0
    assert alone.lines[0].startswith("client ")
    assert "cannot reach" in alone.err
    assert run("--version").out.startswith("hil ")


def test_verbose_shows_requests_and_no_credential(server: Server) -> None:
    ran = run("-v whoami", server.environ())
    assert ran.err.startswith(f"hil: GET {server.endpoint}/v1/whoami: 200 in ")
    assert PASSWORD not in ran.err


def test_a_proxy_has_no_business_between_a_machine_and_itself(server: Server) -> None:
    assert (
        run("whoami", {**server.environ(), "HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}).code
        == 0
    )


def test_users_and_keys(server: Server) -> None:
    env = server.environ()
    name = f"eve{os.getpid()}"
    assert run(f"user create {name} --password-stdin", env, f"{PASSWORD}\n").code == 0
    assert run(f"user create {name} --password-stdin", env, f"{PASSWORD}\n").code == 5
    assert name in run("user list", env).out
    hers = server.environ(name)
    assert run("user password --password-stdin", hers, f"{PASSWORD}\nanother long one\n").code == 0
    assert run("whoami", hers).code == 4
    assert run(f"user password {name}", {**env, "HIL_NEW_PASSWORD": PASSWORD}).code == 0
    assert run(f"user promote {name}", env).lines[1] == "operator  yes"
    assert run(f"user demote {name} -o csv", env).lines[1].startswith(f"{name},false")
    assert run(f"user show {name}", env).code == 0
    made = run("key create nightly --expires 12h --role reader", hers)
    token = made.out.strip()
    assert token.startswith("hil_")
    assert "not shown again" in made.err
    listed = run("key list -o json", hers).json
    assert [key["description"] for key in listed] == ["nightly"]
    assert run("whoami", {"HIL_ENDPOINT": server.endpoint, "HIL_TOKEN": token}).code == 0
    assert run(f"key delete {listed[0]['id']}", hers).code == 0
    assert run("whoami", {"HIL_ENDPOINT": server.endpoint, "HIL_TOKEN": token}).code == 4
    assert run(f"user delete {name}", env).code == 0
    assert run(f"user show {name}", env).code == 3
