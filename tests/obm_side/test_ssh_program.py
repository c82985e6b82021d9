"""The ssh program itself, as `hil node console --ssh-command` calls it: a registered key opens a console at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from hil.cli.ssh import ssh_command
from hil.client import SshAddress
from hil.client.recordings import ssh_address
from tests.obm_side.test_ssh import whole
from tests.obm_side.world import ObmWorld

__all__ = ["whole"]  # a fixture
pytestmark = pytest.mark.net


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The file of a private key; the public one is beside it."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "mine")
    key.write_public_key(tmp_path / "mine.pub")
    (tmp_path / "mine").chmod(0o600)
    return tmp_path / "mine"


async def told(world: ObmWorld) -> SshAddress:
    ticket = (await world.hil.ask("POST", "/v1/nodes/n1/console", {}, by="alice")).json()
    headers = {"Authorization": f"Bearer {ticket['capability']}"}
    return ssh_address((await world.obmd.http.get("/v1/nodes/n1/ssh", headers=headers)).json())


@asynccontextmanager
async def ssh(address: SshAddress, key: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program, with this key and nobody who could be asked for a password."""
    program, *rest = ssh_command("n1", address)
    process = await asyncio.create_subprocess_exec(
        program, "-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", *rest,
        stdin=-1, stdout=-1, stderr=-1, env={"PATH": os.environ["PATH"], "HOME": str(key.parent)},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(stream: asyncio.StreamReader | None, text: bytes) -> None:
    assert stream is not None
    seen = b""
    while text not in seen:
        more = await stream.read(4096)
        assert more, seen
        seen += more


def test_a_registered_key_opens_the_console_with_the_line_that_is_printed(whole: ObmWorld, mine: Path) -> None:
    machine = whole.machine("n1", "p", enabled=True)
    machine.on = True
    line = mine.with_suffix(".pub").read_text().strip()
    whole.hil.ok("POST", "/v1/ssh-keys", {"public_key": line}, by="alice")

    async def work() -> None:
        async with asyncio.timeout(60), ssh(await told(whole), mine) as process:
            await said(process.stderr, b"console of n1")
            machine.print(b"Welcome")
            await said(process.stdout, b"Welcome")
            assert process.stdin is not None
            process.stdin.write(b"root\r~.")
            await process.stdin.drain()
            assert await process.wait() == 0

    whole.run(work())
    assert bytes(machine.typed) == b"root\r"


@pytest.mark.parametrize("wrong", ["a key that nobody registered", "a host that is another"])
def test_ssh_goes_no_further_with(whole: ObmWorld, mine: Path, wrong: str) -> None:
    machine = whole.machine("n1", "p", enabled=True)
    if wrong != "a key that nobody registered":
        line = mine.with_suffix(".pub").read_text().strip()
        whole.hil.ok("POST", "/v1/ssh-keys", {"public_key": line}, by="alice")

    async def work() -> bytes:
        address = await told(whole)
        if wrong == "a host that is another":
            stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
            address = replace(address, host_keys=(stranger,))
        async with asyncio.timeout(60), ssh(address, mine) as process:
            _, words = await process.communicate()
            assert process.returncode == 255
            return words

    words = whole.run(work())
    expected = b"Permission denied" if wrong == "a key that nobody registered" else b"Host key verification failed"
    assert expected in words
    assert not whole.servers["n1"].consoles
    assert bytes(machine.typed) == b""
