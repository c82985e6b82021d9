"""The console over the real ssh: nothing is typed to get in, the host key is pinned, and no argument is a secret."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from hil.cli.session import Fault
from hil.cli.ssh import VARIABLE, environment, ssh_command, ssh_run
from hil.client import Denied, SshAddress, UnexpectedAnswer
from hil.client.recordings import ssh_address
from hil.lab.bmc.machine import Machine
from tests.cli.terminal import Terminal, run
from tests.client.server import MEMBER, World

ADDRESS = SshAddress(host="obmd.example.org", port=5022, host_keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",))
IN = "~? tells what else there is"


@pytest.fixture
def machine(world: World) -> Machine:
    found = world.machine(world.nodes[0])
    found.on = True
    world.allocate(world.nodes[0])
    world.tenant.obm.enable(world.nodes[0])
    return found


@pytest.fixture
def at() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def opener(command: str, environ: dict[str, str]) -> Terminal:
        opened.append(Terminal.hil(command, {"XDG_CONFIG_HOME": "/nonexistent", **environ}))
        return opened[-1]

    yield opener
    for terminal in opened:
        terminal.close()


@pytest.mark.net
def test_ssh_opens_the_console_without_a_question(world: World, machine: Machine, at: Callable[..., Terminal]) -> None:
    seat = at(f"node console {machine.name} --ssh", world.server.environ(MEMBER))
    assert "without an API key, it ends at" in seat.read(IN)
    seat.type("one\x03~two\r", "login:")
    assert bytes(machine.typed) == b"one\x03~two\r"
    seat.type("~s", "stty rows 40 cols 120")
    seat.type("\r~.", "")
    assert seat.end() == 0
    cut = at(f"node console {machine.name} --ssh", world.server.environ(MEMBER))
    cut.read(IN)
    world.tenant.obm.disable(machine.name)
    assert cut.end() == 1
    assert "changed hands or was disabled" in cut.seen


@pytest.mark.net
def test_the_line_that_is_printed_pins_the_host_key(
    world: World, machine: Machine, at: Callable[..., Terminal], tmp_path: Path
) -> None:
    shown = run(f"node console {machine.name} --ssh-command", world.server.environ(MEMBER))
    assert shown.code == 0
    assert "an API key" in shown.err
    address, ticket = world.tenant.recordings.ssh(machine.name)
    assert ticket.capability not in shown.out + shown.err
    assert shlex.split(shown.out) == ssh_command(machine.name, address)
    other = SshAddress(host=address.host, port=address.port, host_keys=("ssh-ed25519 " + "A" * 68,))
    with pytest.raises(Fault, match="could not be had"):
        ssh_run(machine.name, other, ticket.capability, environment())
    assert bytes(machine.typed) == b""
    with pytest.raises(Denied):
        world.tenant.recordings.ssh(world.nodes[1])


@pytest.mark.parametrize("status", [0, 1, 255])
def test_the_password_is_in_no_argument_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A program in the place of ssh tells what it was given."""
    program = tmp_path / "ssh"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/args\n"$SSH_ASKPASS" "the password?" >{tmp_path}/asked\n'
        f'env >{tmp_path}/env\nls "$(dirname "$SSH_ASKPASS")" >{tmp_path}/dir\nexit {status}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("HIL_TOKEN", "kept-back")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    if status:
        with pytest.raises(Fault) as caught:
            ssh_run("n1", ADDRESS, "s3cr3t", environment())
        assert caught.value.code == {1: 1, 255: 6}[status]
    else:
        ssh_run("n1", ADDRESS, "s3cr3t", environment())
    assert (tmp_path / "asked").read_text() == "s3cr3t\n"
    assert "s3cr3t" not in (tmp_path / "args").read_text()
    assert f"{VARIABLE}=s3cr3t" in (tmp_path / "env").read_text()
    assert "kept-back" not in (tmp_path / "env").read_text()
    assert (tmp_path / "dir").read_text() == "askpass\n"
    assert list(place.iterdir()) == []


def test_without_ssh_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Fault, match="no ssh"):
        ssh_run("n1", ADDRESS, "x", environment())


@pytest.mark.parametrize("options", ["--ssh --follow", "--ssh --log x", "--ssh-command --follow"])
def test_ssh_stands_alone(options: str) -> None:
    refused = run(f"node console n1 {options}")
    assert (refused.code, "stand alone" in refused.err) == (2, True)


@pytest.mark.parametrize(
    "changed",
    [{"host": "-oProxyCommand=x"}, {"host": "a b"}, {"host": "%h"}, {"host_keys": []}, {"host_keys": ["ssh-rsa AAA;x"]},
     {"host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\nevil"]}],
)  # fmt: skip
def test_an_address_that_ssh_could_misread_is_refused(changed: dict[str, object]) -> None:
    given = {"host": "obmd", "port": 22, "host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"]}
    assert ssh_address(given).port == 22
    with pytest.raises(UnexpectedAnswer):
        ssh_address({**given, **changed})


@pytest.fixture
def public_key(tmp_path: Path) -> Path:
    """The file of a fresh public key, with its private half beside it."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment="ann at her desk")
    key.write_private_key(tmp_path / "id")
    key.write_public_key(tmp_path / "id.pub")
    return tmp_path / "id.pub"


@pytest.mark.net
def test_an_ssh_key_is_registered_listed_and_forgotten(world: World, public_key: Path) -> None:
    environ = world.server.environ(MEMBER)
    made = run(f"key ssh add {public_key} -o json", environ).json
    assert made["description"] == "ann at her desk"
    assert made["fingerprint"].startswith("SHA256:")
    assert made["id"] in run("key ssh list", environ).out
    assert made["id"] in run(f"key ssh list --user {MEMBER}", world.server.environ()).out
    again = run("key ssh add -", environ, public_key.read_text())
    assert (again.code, "registered already" in again.err) == (5, True)
    assert run(f"key ssh delete {made['id']}", environ).code == 0
    assert made["id"] not in run("key ssh list", environ).out
    other = run("key ssh add - --description laptop", environ, public_key.read_text())
    assert "laptop" in other.out
    for key in world.tenant.ssh_keys.list():
        world.tenant.ssh_keys.delete(key.id)


@pytest.mark.parametrize("text", ["", "a b\nc d\n"])
def test_what_is_no_public_key_is_not_sent(text: str) -> None:
    refused = run("key ssh add -", stdin=text)
    assert (refused.code, "a public key is one" in refused.err) == (2, True)


def test_a_private_key_is_never_sent(public_key: Path) -> None:
    refused = run(f"key ssh add {public_key.with_suffix('')}")
    assert (refused.code, "is a private key" in refused.err) == (2, True)
