"""SSH to a device: whom it must be, what it may be told, and what every way to fail is called."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncssh
import pytest

from hil.core import guard
from hil.core.errors import BadArgument, DeviceError, IdentityChanged, LoginRefused, LostReply, Unreachable
from hil.drivers.settings import checked
from hil.drivers.ssh_settings import SshSettings, host_key, v0_address
from hil.drivers.transport import ssh as transport
from hil.drivers.transport.ssh import Ssh, connect
from hil.lab.devices.ios import IosRule
from hil.lab.devices.model import Device, Session
from hil.lab.devices.shell import Login, Process, serve_ssh
from tests.switches.harness import dead_port, run

Config = Mapping[str, Any]
pytestmark = pytest.mark.net


async def talk(process: Process, session: Session) -> None:
    """A device that echoes what a command reads, and dies of `die`."""
    if process.command == "die":
        session.close()
        return
    if process.command == "endless":
        while True:
            process.stdout.write(b"x" * 65536)
            await process.stdout.drain()
    if process.command == "silent":
        await process.stdin.read()
        await asyncio.Event().wait()
    read = await process.stdin.read() if process.command else b""
    process.stdout.write(b"<" + (process.subsystem or process.command or "shell").encode() + b">" + read)
    process.stderr.write(b"warned")
    process.exit(3)


def device(**settings: Any) -> Device:
    return Device("ssh", IosRule(), ["GigabitEthernet1/0/1"], **settings)


def against(use: Callable[[Config, Device], Awaitable[None]], served: Device | None = None, **options: Any) -> None:
    served = served or device()

    async def all_of_it() -> None:
        async with serve_ssh(served, talk, **options) as config:
            await use(checked(SshSettings, {**config, "timeout": 20.0}), served)
        assert not served.sessions

    run(all_of_it())


async def logged_in(config: Config) -> None:
    await (await connect(config)).closed()


@pytest.mark.parametrize("login", Login)
def test_a_device_may_ask_in_each_way(login: Login) -> None:
    async def use(config: Config, served: Device) -> None:
        ssh = await connect(config)
        done = await ssh.exec("show", stdin=b"text", sent=False)
        assert done == (b"<show>text", b"warned", 3)
        await ssh.closed()

    against(use, login=login)


@pytest.mark.parametrize("login", [Login.PASSWORD, Login.KEYBOARD])
def test_a_wrong_password_is_offered_once(login: Login) -> None:
    offered: list[str] = []

    class Counted(Device):
        def admits(self, username: str, password: str) -> bool:
            offered.append(password)
            return super().admits(username, password)

    async def use(config: Config, served: Device) -> None:
        with pytest.raises(LoginRefused) as found:
            await connect({**config, "password": "wrong-secret"})
        assert "wrong-secret" not in found.value.message + found.value.detail

    against(use, Counted("ssh", IosRule(), ["GigabitEthernet1/0/1"]), login=login)
    assert offered == ["wrong-secret"]


def test_another_host_key_is_told_from_everything_else_before_the_password_leaves() -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    line = " ".join(other.export_public_key().decode().split()[:2])

    async def use(config: Config, served: Device) -> None:
        for wrong in (line, other.get_fingerprint("sha256")):
            with pytest.raises(IdentityChanged, match="host key"):
                await connect({**config, "host_key": wrong, "password": "wrong"})
        mine = asyncssh.import_public_key(config["host_key"])
        await logged_in({**config, "host_key": mine.get_fingerprint("sha256")})

    against(use)


def test_a_device_that_shows_no_key_of_the_registered_kind_is_another_device() -> None:
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    line = " ".join(rsa.export_public_key().decode().split()[:2])

    async def use(config: Config, served: Device) -> None:
        with pytest.raises(IdentityChanged):
            await connect({**config, "host_key": line})

    against(use)


def test_first_use_holds_an_address_to_the_first_key() -> None:
    async def use(config: Config, served: Device) -> None:
        first = {**config, "host_key": "first-use"}
        await logged_in(first)
        await logged_in(first)
        address = (config["hostname"], config["port"])
        transport._seen[address] = "SHA256:" + "A" * 43  # as if another key had been there before
        with pytest.raises(IdentityChanged):
            await connect(first)
        del transport._seen[address]

    against(use)


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields", "ignore:.*(3DES|CBC|TripleDES).*")
def test_an_old_device_is_reached_only_if_old_algorithms_are_allowed() -> None:
    async def use(config: Config, served: Device) -> None:
        with pytest.raises(Unreachable, match="legacy_algorithms"):
            await connect(config)
        await logged_in({**config, "legacy_algorithms": True})
        await logged_in({**config, "legacy_algorithms": True, "host_key": "first-use"})

    against(use, kex_algs=["diffie-hellman-group14-sha1"], encryption_algs=["aes128-cbc"], mac_algs=["hmac-sha1"])


def test_a_private_key_is_used_and_one_that_is_none_is_refused() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_private_key().decode()

    async def use(config: Config, served: Device) -> None:
        admitted = {**config, "password": "wrong", "private_key": text}
        with pytest.raises(LoginRefused):
            await connect(admitted)  # the emulated device knows passwords alone
        broken = text.replace(text[40:60], "A" * 20)
        with pytest.raises(LoginRefused, match="private key") as found:
            await connect({**config, "private_key": broken})
        assert text[40:60] not in str(found.value) + found.value.detail

    against(use)

    async def with_key() -> None:
        class Knows(asyncssh.SSHServer):
            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, shown: asyncssh.SSHKey) -> bool:
                return shown.export_public_key() == key.export_public_key()

        mine = asyncssh.generate_private_key("ssh-ed25519")
        async with asyncssh.listen("127.0.0.1", 0, server_factory=Knows, server_host_keys=[mine]) as server:
            config = {"hostname": "127.0.0.1", "port": server.get_port(), "username": "hil"}
            line = " ".join(mine.export_public_key().decode().split()[:2])
            await logged_in(checked(SshSettings, {**config, "host_key": line, "private_key": text}))

    run(with_key())


def test_what_fails_before_and_after_something_was_sent() -> None:
    async def use(config: Config, served: Device) -> None:
        for sent, error in ((False, Unreachable), (True, LostReply)):
            ssh = await connect(config)
            with pytest.raises(error):
                await ssh.exec("die", sent=sent)
            await ssh.closed()
        ssh = await connect(config)
        with pytest.raises(LostReply, match="no answer in time"):
            await ssh.exec("silent", sent=True, patience=0.05)
        await ssh.closed()
        with pytest.raises(Unreachable):
            await ssh.exec("show", sent=False)
        with dead_port() as port, pytest.raises(Unreachable, match="refused"):
            await connect({**config, "port": port})

    against(use)


def test_output_that_does_not_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST", 2**20)

    async def use(config: Config, served: Device) -> None:
        ssh = await connect(config)
        with pytest.raises(Unreachable):
            await ssh.exec("endless", sent=False)
        await ssh.closed()

    against(use)


def test_a_subsystem_and_a_shell_are_streams_of_bytes() -> None:
    async def all_from(ssh: Ssh, kind: str) -> bytes:
        stream = await (ssh.subsystem("netconf") if kind == "netconf" else ssh.shell())
        read = b""
        while part := await stream.read():
            read += part
        assert stream.ended
        stream.close()
        return read

    async def use(config: Config, served: Device) -> None:
        ssh = await connect(config)
        assert await all_from(ssh, "netconf") == b"<netconf>"
        assert await all_from(ssh, "shell") == b"<shell>"
        await ssh.closed()
        await ssh.closed()

    against(use)


def test_nothing_is_opened_inside_a_transaction() -> None:
    async def use(config: Config, served: Device) -> None:
        with guard.transaction(), pytest.raises(guard.DeviceInTransaction):
            await connect(config)

    against(use)


def test_no_log_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def use(config: Config, served: Device) -> None:
        await logged_in(config)
        with pytest.raises(DeviceError):
            await connect({**config, "password": "hunter2"})

    against(use, device(password="s3cret-of-the-device"))
    assert "s3cret" not in caplog.text
    assert "hunter2" not in caplog.text


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB" + "A" * 42


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (f"{KEY} switch in rack 3", KEY),
        ("first-use", "first-use"),
        ("SHA256:" + "a" * 43 + "=", "SHA256:" + "a" * 43),
    ],
)
def test_a_host_key_has_one_normal_form(given: str, normal: str) -> None:
    assert host_key(given) == normal
    assert host_key(normal) == normal


@pytest.mark.parametrize(
    "given", ["", "yes", "SHA256:short", "MD5:aa:bb", "ssh-rsa " + KEY.split()[1], "ssh-ed25519 !!!"]
)
def test_what_is_no_host_key_is_refused(given: str) -> None:
    config = {"hostname": "switch", "username": "hil", "host_key": given}
    with pytest.raises(BadArgument, match="host_key"):
        checked(SshSettings, config)


@pytest.mark.parametrize("given", ["secret", "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"])
def test_what_is_no_private_key_is_refused_without_being_shown(given: str) -> None:
    with pytest.raises(BadArgument, match="private_key") as found:
        checked(SshSettings, {"hostname": "switch", "username": "hil", "host_key": KEY, "private_key": given})
    assert given not in found.value.message


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("switch", {"hostname": "switch"}),
        ("192.0.2.1:2222", {"hostname": "192.0.2.1", "port": 2222}),
        ("ssh://switch.example", {"hostname": "switch.example"}),
        ("http://switch:8008", {"hostname": "switch", "port": 8008}),
    ],
)
def test_the_original_hostname_may_be_a_name_or_an_address(given: str, address: dict[str, Any]) -> None:
    assert v0_address(given) == address


@pytest.mark.parametrize("given", ["", None, 7, "http://", "a:b:c"])
def test_what_names_no_host_is_refused(given: object) -> None:
    with pytest.raises(BadArgument, match="hostname"):
        v0_address(given)
