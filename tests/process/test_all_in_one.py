"""`hil serve`: one process with an SQLite file, from the first start to the last request."""

import base64
import http.client
import json
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.process.serving import ANN, PATIENCE, Hil, run

pytestmark = pytest.mark.net
Start = Callable[..., Hil]
FIRST = {"HIL_ADMIN_PASSWORD": ANN[1], "HIL_VLAN__POOL": "100-109"}


def first(start: Start, *arguments: str, **variables: str) -> Hil:
    return start("--state", "state", "--first-operator", ANN[0], *arguments, variables=FIRST | variables).ready()


def test_a_first_start_needs_nothing_but_an_operator_and_a_second_one_nothing(start: Start, tmp_path: Path) -> None:
    hil = first(start)
    assert hil.get("/v1/whoami").json()["operator"]
    assert hil.get("/v1/pools/vlan").json()["free"] == "100-109"
    assert hil.get("/readyz", auth=None).status_code == 200
    assert hil.stop() == 0
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"hil.db", "keys", "lock", "obmd"}
    private = {
        stat.S_IMODE(path.stat().st_mode) & 0o077 for path in [tmp_path / "state", *(tmp_path / "state").iterdir()]
    }
    assert private == {0}

    again = start("--state", "state").ready()
    assert again.get("/v1/whoami").status_code == 200
    assert not any("operator" in line or "VLAN" in line for line in again.said)
    again.signal(signal.SIGKILL)
    again.end()

    survived = start("--state", "state").ready()
    assert survived.get("/v1/whoami").status_code == 200
    status, said = run(tmp_path, "--state", "state", "audit", "verify", program="hil.admin")
    assert (status, said.split(";")[0]) == (0, "2 lines, none changed or missing")


def test_without_an_operator_it_says_how_to_make_one_and_has_no_default_password(start: Start, tmp_path: Path) -> None:
    hil = start("--state", "state").ready()
    hil.wait_for(r"No operator exists yet\. Make one:  hil-admin --state \S+/state user create NAME --operator")
    hil.wait_for(r"No VLAN id can be handed out yet")
    assert hil.get("/v1/whoami", auth=("admin", "admin")).status_code == 401
    made = run(
        tmp_path, "--state", "state", "user", "create", "ann", "--operator", program="hil.admin", text=ANN[1] + "\n"
    )
    assert made == (0, "made operator ann\n")
    assert hil.get("/v1/whoami").status_code == 200


def test_the_first_operators_password_is_read_from_standard_input(start: Start) -> None:
    hil = start("--state", "state", "--first-operator", ANN[0], text=ANN[1] + "\n").ready()
    assert hil.get("/v1/whoami").status_code == 200


def test_a_second_process_on_the_same_state_is_refused(start: Start, tmp_path: Path) -> None:
    start("--state", "state").ready()
    status, said = run(tmp_path, "serve", "--state", "state", HIL_LISTEN="127.0.0.1:0")
    assert status == 1
    assert (
        said == f"hil: Another `hil serve` runs on {tmp_path}/state: stop it, or give this one another --state DIR.\n"
    )


def pending_operation(hil: Hil) -> str:
    """Ask for something that a switch at a dead address will never confirm; answers where the operation is."""
    config = {"address": "127.0.0.1:1", "username": "u", "password": "p"}
    steps = [
        ("POST", "/v1/switches", {"name": "dead", "driver": "emulated", "config": config}),
        ("POST", "/v1/switches/dead/ports", {"name": "1"}),
        ("POST", "/v1/nodes", {"name": "n"}),
        ("POST", "/v1/nodes/n/nics", {"name": "eth0", "macaddr": ""}),
        ("PATCH", "/v1/switches/dead/ports/1", {"nic": {"node": "n", "nic": "eth0"}}),
    ]
    for method, path, body in steps:
        answer = hil.call(method, path, json=body)
        assert answer.is_success, answer.text
    answer = hil.call("POST", "/v1/switches/dead/revert", json={"port": "1"})
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def ask(hil: Hil, path: str) -> http.client.HTTPConnection:
    """Send a request and see that it has arrived, but do not wait for the answer."""
    asking = http.client.HTTPConnection(hil.address, timeout=PATIENCE)
    token = base64.b64encode(":".join(ANN).encode()).decode()
    asking.request("GET", path, headers={"Authorization": f"Basic {token}"})
    hil.get("/healthz")  # connections are accepted in their order: once this is answered, the first one was read
    return asking


def test_a_request_under_way_is_answered_before_the_end(start: Start) -> None:
    hil = first(start, HIL_SERVER__DRAIN="30")
    where = pending_operation(hil)
    idle = http.client.HTTPConnection(hil.address, timeout=PATIENCE)
    idle.connect()
    asking = ask(hil, f"{where}?wait=2")
    hil.signal()
    hil.wait_for("stopping")
    assert idle.sock.recv(1) == b"", "an idle connection is closed at once"
    answer = asking.getresponse()
    assert (answer.status, json.load(answer)["status"]) == (200, "PENDING")
    assert hil.end() == 0
    asking.close()
    idle.close()


def test_an_event_stream_ends_at_once_and_properly(start: Start) -> None:
    hil = first(start, HIL_SERVER__DRAIN="600")
    with httpx.stream("GET", f"{hil.url}/v1/events?after=0", auth=ANN, timeout=PATIENCE) as stream:
        lines = stream.iter_lines()
        next(lines)
        hil.signal()
        assert any(line.startswith("event: user_create") for line in lines)
    assert hil.end() == 0
    assert not any("ERROR" in line for line in hil.said)


def test_who_waits_for_an_operation_is_told_how_it_stands_when_the_process_stops(start: Start) -> None:
    hil = first(start, HIL_SERVER__DRAIN="600")
    asking = ask(hil, f"{pending_operation(hil)}?wait=50")
    hil.signal()
    hil.wait_for("stopping")
    answer = asking.getresponse()
    assert (answer.status, json.load(answer)["status"]) == (200, "PENDING")
    asking.close()
    assert hil.end() == 0
    assert "Traceback" not in "\n".join(hil.said)


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE)
        hil = start("--state", "state", variables={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert listening.recv(100) == b"READY=1"
        assert hil.get("/healthz", auth=None).status_code == 200
        hil.signal(signal.SIGINT)
        assert listening.recv(100) == b"STOPPING=1"
        assert hil.end() == 0


@pytest.mark.parametrize(("trusted", "remote"), [("[]", "127.0.0.1"), ('["127.0.0.0/8"]', "203.0.113.9")])
def test_a_proxys_word_counts_only_if_it_is_trusted(start: Start, tmp_path: Path, trusted: str, remote: str) -> None:
    hil = first(start, HIL_SERVER__TRUSTED_PROXIES=trusted)
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    assert hil.call("POST", "/v1/projects", json={"name": "blue"}, headers=forwarded).status_code == 201
    _, said = run(tmp_path, "--state", "state", "audit", "show", "--action", "project_create", program="hil.admin")
    assert f"ann (basic) from {remote}: project_create project blue" in said


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"HIL_LISTEN": "0.0.0.0:0", "HIL_AUTH__BACKEND": "null"},
            "hil: This authentication backend lets everybody do",
        ),
        (
            {"HIL_AUTH__BACKEND": "kerberos"},
            "hil: There is no authentication backend 'kerberos'. Installed are: database",
        ),
        ({"HIL_LISTEN": "nowhere"}, "hil: HIL_LISTEN: [server] listen: write host:port"),
        ({"HIL_LISTEN": "192.0.2.1:80"}, "hil: HIL cannot listen on 192.0.2.1:80: "),
        ({"HIL_DATABASE_URL": "mysql://x"}, "hil: [database] url: HIL runs on SQLite and PostgreSQL"),
        ({"HIL_DATABASE_URL": "x"}, "hil: [database] url cannot be read: write sqlite:///PATH"),
        ({"HIL_KEYS": "short"}, "hil: An encryption key is 32 bytes in URL-safe base64"),
        (
            {"HIL_KEY_FILE": "/nonexistent"},
            "hil: The key file /nonexistent is missing: for a new database make one with",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    status, said = run(tmp_path, "serve", "--state", "state", **{"HIL_LISTEN": "127.0.0.1:0"} | variables)
    assert status == 1
    assert said.splitlines()[-1].startswith(words), said
    assert "Traceback" not in said


def test_a_lost_key_is_not_replaced_and_a_foreign_one_is_refused(start: Start, tmp_path: Path) -> None:
    assert first(start).stop() == 0
    keys = tmp_path / "state" / "keys"
    keys.rename(tmp_path / "kept")
    status, said = run(tmp_path, "serve", "--state", "state", HIL_LISTEN="127.0.0.1:0")
    assert (status, "restore it from the backup of this database" in said) == (1, True)
    assert not keys.exists()
    assert run(tmp_path, "key", "new", str(keys), program="hil.admin")[0] == 0
    status, said = run(tmp_path, "serve", "--state", "state", HIL_LISTEN="127.0.0.1:0")
    assert (status, "give HIL the key file that belongs to it" in said) == (1, True)
