"""`hil serve obmd` and `hil-admin obm`: a process of its own, a place of its own, keys of its own."""

from __future__ import annotations

import asyncio
import configparser
import re
import resource
import ssl
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet
from websockets.asyncio.client import connect

from hil.admin.command import admin
from hil.config import Config, load
from hil.config.model import Obmd
from hil.core.errors import BadArgument
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer
from hil.process.obmd import check_obmd_listen, obmd_limits, obmd_parts, obmd_place, open_obmd_store
from hil.services.capability import Right
from tests.obmd.serving import ADMIN, SIGNER, bearer, token, until
from tests.ovs.certificates import Authority
from tests.process.serving import Hil, run
from tests.structure.source import TOP

PASSWORD = "the-password-of-a-bmc"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Hil]]:
    """Start `hil serve obmd`; what still runs at the end is killed."""
    running: list[Hil] = []

    def starter(*arguments: str, **variables: str) -> Hil:
        given = {
            "HIL_CONFIG": "",
            "HIL_OBMD__ADMIN_TOKEN": ADMIN,
            "HIL_OBMD__HIL_PUBLIC_KEYS": f'["{SIGNER.public}"]',
        }
        options = ("--state", str(tmp_path / "state"), "--listen", "127.0.0.1:0")
        process = Hil(tmp_path, "obmd", *options, *arguments, variables=given | variables)
        running.append(process)
        return process

    yield starter
    for process in running:
        process.kill()


def address(process: Hil) -> str:
    return process.wait_for(r"obmd: listening on ([\w.:\[\]]+)")[1]


@pytest.mark.net
def test_obmd_serves_and_stops_with_an_open_console(start: Callable[..., Hil], tmp_path: Path) -> None:
    process = start().ready()
    url = f"http://{address(process)}"

    async def work() -> None:
        machine = Machine("n1", password=PASSWORD)
        async with EmulatedBmcServer(machine) as server, httpx.AsyncClient(base_url=url, trust_env=False) as http:
            body = {"driver": "emulated", "config": {"address": server.address, "password": PASSWORD}}
            assert (await http.put("/v1/nodes/n1", json=body, headers=bearer(ADMIN))).status_code == 201
            begun = await http.post(
                "/v1/nodes/n1/epoch",
                json={"epoch": 1, "enabled": True},
                headers=bearer(token("n1", 1, Right.EPOCH)),
            )
            assert begun.status_code == 200
            text = token("n1", 1)
            socket = f"{url.replace('http', 'ws')}/v1/nodes/n1/console"
            async with connect(socket, additional_headers=bearer(text), proxy=None) as ann:
                await until(ann, "hello")
                machine.print("on the wire")
                await until(ann, b"on the wire")
                await http.aclose()
                assert await asyncio.to_thread(process.stop) == 0
            assert not server.consoles
        said = "\n".join(process.said) + argv
        for secret in (PASSWORD, ADMIN, text):
            assert secret not in said

    argv = Path(f"/proc/{process._process.pid}/cmdline").read_bytes().decode()
    asyncio.run(work())
    kept = [path for path in (tmp_path / "state" / "obmd").rglob("*") if path.is_file()]
    held = b"".join(path.read_bytes() for path in kept)
    assert PASSWORD.encode() not in held
    modes = {stat.S_IMODE(path.stat().st_mode) for path in kept}
    assert modes == {0o600}


@pytest.mark.net
def test_a_second_obmd_on_the_same_place_is_refused(start: Callable[..., Hil]) -> None:
    start().ready()
    second = start()
    second.wait_for(r"Another `hil serve` runs on")
    assert second.end() == 1


@pytest.mark.net
def test_obmd_speaks_tls(start: Callable[..., Hil], tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue("obmd", "127.0.0.1")
    process = start(HIL_OBMD__TLS_CERT=str(certificate), HIL_OBMD__TLS_KEY=str(key)).ready()
    context = ssl.create_default_context(cafile=str(authority.certificate))
    answer = httpx.get(f"https://{address(process)}/healthz", verify=context, trust_env=False)
    assert answer.json()["status"] == "ok"
    assert process.stop() == 0


@pytest.mark.net
def test_two_obmds_never_share_a_postgresql_database(
    start: Callable[..., Hil], empty_postgres: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(Fernet.generate_key().decode())
    keys.chmod(0o600)
    variables = {"HIL_OBMD__URL": empty_postgres, "HIL_OBMD__KEY_FILE": str(keys)}
    first = start(**variables).ready()
    status, said = run(
        tmp_path, "serve", "obmd", "--state", str(tmp_path / "other"), "--listen", "127.0.0.1:0", **variables
    )
    assert (status, "Another obmd runs on this database" in said) == (1, True)
    assert first.stop() == 0


def test_plain_http_is_for_this_machine_alone(tmp_path: Path) -> None:
    for listen in ("127.0.0.1:1", "[::1]:1", "localhost:1"):
        check_obmd_listen(Obmd(listen=listen))
    for listen in ("0.0.0.0:1", "10.1.2.3:1", "[::]:1"):
        with pytest.raises(BadArgument, match="obmd would speak plain HTTP"):
            check_obmd_listen(Obmd(listen=listen))
        check_obmd_listen(Obmd(listen=listen, insecure=True))
    missing = tmp_path / "cert.pem"
    with pytest.raises(BadArgument, match=r"cert.pem is no file"):
        check_obmd_listen(Obmd(listen="0.0.0.0:1", tls_cert=missing, tls_key=missing))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('tls_cert = "/c.pem"', "give both or neither"),
        ("login_pause_first = 10.0\nlogin_pause_most = 5.0", "must not be longer"),
        ('listen = "everywhere"', "write host:port"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "obmd.toml"
    path.write_text(f"[obmd]\n{text}\n")
    with pytest.raises(BadArgument, match=words):
        load(path, {})


def test_every_limit_comes_from_the_configuration() -> None:
    changed = Obmd(
        deadline=1.0, per_second=2.0, logins_per_minute=3, sessions=4, warm=5.0, power_age=6.0,
        login_pause_first=7.0, login_pause_most=8.0, console_linger=9.0,
    )  # fmt: skip
    limits = obmd_limits(changed)
    assert (limits.deadline, limits.per_second, limits.logins_per_minute, limits.sessions) == (1, 2, 3, 4)
    assert (limits.warm, limits.power_age, limits.pause_first, limits.pause_most, limits.linger) == (5, 6, 7, 8, 9)


def test_with_postgresql_the_key_file_is_named(tmp_path: Path) -> None:
    config = Config(obmd=Obmd.model_validate({"url": "postgresql://hil@/obmd"}))
    with pytest.raises(BadArgument, match=r"\[obmd\] key_file: with PostgreSQL"), obmd_parts(config, tmp_path):
        raise AssertionError("it began")


def test_obmd_may_open_a_file_for_each_controller_of_a_large_room(tmp_path: Path) -> None:
    given, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, most - 1), most))
    try:
        config = Config(obmd=Obmd.model_validate({"url": "postgresql://hil@/obmd"}))
        with pytest.raises(BadArgument, match="key_file"), obmd_parts(config, tmp_path):
            raise AssertionError("it began")
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (given, most))


def hil_admin(*arguments: str) -> Result:
    return CliRunner().invoke(admin, list(arguments), prog_name="hil-admin", env={"HIL_CONFIG": None})


def test_the_keys_of_the_database_are_rotated(tmp_path: Path) -> None:
    nothing = hil_admin("--state", str(tmp_path), "obm", "rotate")
    assert (nothing.exit_code, "is this obmd's host?" in nothing.stderr) == (1, True)
    where = obmd_place(Config(), tmp_path)
    where.prepare()
    store = open_obmd_store(where)
    store.put("n1", "emulated", {"password": PASSWORD})
    store.close()
    path = tmp_path / "obmd" / "keys"
    path.write_text(f"{Fernet.generate_key().decode()}\n{path.read_text()}")
    done = hil_admin("--state", str(tmp_path), "obm", "rotate")
    assert (done.exit_code, re.match(r"re-encrypted 1 configurations", done.stdout) is not None) == (0, True)
    again = open_obmd_store(where)
    record = again.record("n1")
    again.close()
    assert record is not None
    assert record.config == {"password": PASSWORD}


def test_the_unit_starts_obmd_as_a_user_of_its_own() -> None:
    parsed = configparser.RawConfigParser(strict=False, delimiters=("=",))
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # names of units have case
    parsed.read(TOP / "packaging" / "systemd" / "hil-obmd.service")
    service = parsed["Service"]
    assert service["ExecStart"] == "/opt/hil/bin/hil serve obmd --config /etc/hil/obmd.toml"
    assert (service["Type"], service["User"], service["StateDirectory"]) == ("notify", "hil-obmd", "hil-obmd")


def test_the_configuration_of_the_page_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```", (TOP / "docs/operators/obmd.md").read_text(), re.MULTILINE | re.DOTALL)
    token_file = tmp_path / "token"
    token_file.write_text(ADMIN)
    token_file.chmod(0o640)
    (tmp_path / "obmd.toml").write_text(text.replace("/etc/hil/obmd-admin-token", str(token_file)))
    config = load(tmp_path / "obmd.toml", {}).obmd
    assert config.admin_token.reveal() == ADMIN
    assert len(config.hil_public_keys) == 1
