"""`hil serve api` and `hil serve worker` on PostgreSQL: any number of each, on any number of hosts."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from hil.store.engine import open_engine
from tests.process.serving import ANN, PATIENCE, Hil, run

pytestmark = pytest.mark.net
Start = Callable[..., Hil]


@pytest.fixture
def installation(postgres_url: str, tmp_path: Path) -> Path:
    """A configuration file for PostgreSQL, with one operator."""
    (tmp_path / "url").write_text(postgres_url)
    (tmp_path / "keys").write_text(Fernet.generate_key().decode() + "\n")
    for name in ("url", "keys"):
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "hil.toml"
    path.write_text(
        f'[database]\nurl_file = "{tmp_path}/url"\n[secrets]\nkey_file = "{tmp_path}/keys"\n'
        '[worker]\nlisten = "127.0.0.1:0"\naudit_interval = 1\n[vlan]\npool = "100-109"\n[log]\nformat = "json"\n'
    )
    made = run(
        tmp_path,
        *("--config", str(path), "user", "create", ANN[0], "--operator"),
        program="hil.admin",
        text=ANN[1] + "\n",
    )
    assert made == (0, "made operator ann\n")
    return path


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_request_to_one_process_is_worked_off_by_another(start: Start, installation: Path) -> None:
    config = ("--config", str(installation))
    apis = [start("api", *config) for _ in range(2)]
    worker = start("worker", *config)
    apis[0].wait_for('"message": "ready"')
    for method, path, body in [
        (
            "POST",
            "/v1/switches",
            {"name": "s", "driver": "mock", "config": {"hostname": "s", "username": "u", "password": "p"}},
        ),
        ("POST", "/v1/switches/s/ports", {"name": "gi1/0/1"}),
        ("POST", "/v1/nodes", {"name": "n"}),
        ("POST", "/v1/nodes/n/nics", {"name": "eth0", "macaddr": ""}),
        ("PATCH", "/v1/switches/s/ports/gi1/0/1", {"nic": {"node": "n", "nic": "eth0"}}),
    ]:
        answer = apis[0].call(method, path, json=body)
        assert answer.is_success, answer.text
    until(lambda: apis[1].get("/v1/switches/s/ports/gi1/0/1").json()["applied"] == 1)
    assert apis[1].call("POST", "/v1/projects", json={"name": "blue"}).status_code == 201
    answer = apis[1].call("POST", "/v1/projects/blue/allocations", json={"nodes": ["n"]})
    assert answer.status_code == 200, answer.text

    own = f"http://{worker.wait_for(r'metrics: listening on ([0-9.:]+)')[1]}"
    assert httpx.get(f"{own}/healthz").text == "ok\n"
    assert 'hil_lane_batch_ports_bucket{le="1.0"}' in httpx.get(f"{own}/metrics").text
    assert httpx.get(f"{own}/v1/nodes").status_code == 404
    assert [process.stop() for process in (*apis, worker)] == [0, 0, 0]
    assert not any("ERROR" in line or '"error"' in line for process in (*apis, worker) for line in process.said)


def test_the_pool_is_given_once_to_a_new_database_and_never_again(start: Start, installation: Path) -> None:
    config = ("--config", str(installation))
    first, second = start("api", *config), start("api", *config)
    assert [process.get("/v1/pools/vlan").json()["free"] for process in (first, second)] == ["100-109", "100-109"]
    seeds = [line for process in (first, second) for line in process.said if "VLAN pool of the new database" in line]
    assert len(seeds) == 1
    assert first.call("PUT", "/v1/pools/vlan", json={"ids": ""}).is_success
    first.stop()
    third = start("api", *config)
    assert third.get("/v1/pools/vlan").json()["free"] == ""


def test_one_process_can_have_postgresql_too(start: Start, installation: Path) -> None:
    hil = start("--config", str(installation), "--state", "state")
    assert hil.get("/v1/whoami").json()["operator"]
    assert hil.stop() == 0


@pytest.mark.parametrize("kind", ["api", "worker"])
def test_split_processes_refuse_sqlite(tmp_path: Path, kind: str) -> None:
    status, said = run(tmp_path, "serve", kind, HIL_DATABASE_URL=f"sqlite:///{tmp_path}/hil.db")
    assert status == 1
    assert said.startswith("hil: [database] url is SQLite, which serves one process alone: run `hil serve`, or name a")


@pytest.mark.parametrize("kind", ["api", "worker"])
def test_a_stale_schema_is_refused_and_told_how_to_be_upgraded(
    installation: Path, postgres_url: str, tmp_path: Path, kind: str
) -> None:
    engine = open_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    arguments = ("serve", kind, "--config", str(installation))
    status, said = run(tmp_path, *arguments, HIL_LISTEN="127.0.0.1:0", HIL_LOG__FORMAT="text")
    assert (status, said) == (1, "hil: The database is empty: run `hil-admin db upgrade`.\n")
    assert run(tmp_path, "--config", str(installation), "db", "upgrade", program="hil.admin")[0] == 0
    assert run(tmp_path, "--config", str(installation), "db", "check", program="hil.admin")[0] == 0


def test_processes_with_different_keys_do_not_share_a_database(installation: Path, tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        *("serve", "api", "--config", str(installation)),
        HIL_LISTEN="127.0.0.1:0",
        HIL_KEYS=Fernet.generate_key().decode(),
    )
    assert (status, "The oldest key is not the one with which this database began" in said) == (1, True)


def test_a_database_that_does_not_answer_ends_the_start(installation: Path, tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        *("serve", "worker", "--config", str(installation)),
        HIL_DATABASE_URL="postgresql://hil@/hil?host=/nonexistent",
        HIL_DATABASE__URL_FILE="",
    )
    assert status == 1
    assert "remove one of them" in said
    (tmp_path / "url").write_text("postgresql://hil@/hil?host=/nonexistent")
    status, said = run(tmp_path, "serve", "worker", "--config", str(installation))
    assert (status, said) == (1, "hil: The database does not answer: try again.\n")
