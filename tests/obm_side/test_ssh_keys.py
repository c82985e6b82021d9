"""HIL, obmd and SSH together: who registered a key stands before the consoles that are theirs, and nobody else does."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
import pytest

from hil.worker.release import Releases
from tests.obm_side.test_ssh import Served, allocate, hand_over, key, release, shown, whole
from tests.obm_side.world import ObmWorld

__all__ = ["whole"]  # a fixture
pytestmark = pytest.mark.net
ANN, BOB = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))


def line(private: asyncssh.SSHKey) -> str:
    return private.export_public_key().decode().strip()


def register(world: ObmWorld, private: asyncssh.SSHKey, by: str = "alice") -> Any:
    return world.hil.ok("POST", "/v1/ssh-keys", {"public_key": line(private)}, by=by)


def connected(world: ObmWorld, *private: Any) -> Any:
    assert isinstance(world.obmd, Served)
    return asyncssh.connect(
        "127.0.0.1", world.obmd.ssh, username="n1", client_keys=[*private], known_hosts=None, config=None,
        agent_path=None, gss_host=None, preferred_auth="publickey",
    )  # fmt: skip


async def session(world: ObmWorld, *private: Any, text: bytes = b"hello") -> None:
    """Look at the console until it has said this."""
    async with connected(world, *private) as connection, connection.create_process(encoding=None) as process:
        await process.stderr.read(1)
        world.machines["n1"].print(text)
        await shown(process, text)


def refused(world: ObmWorld, *private: Any) -> bool:
    try:
        world.run(session(world, *private))
    except asyncssh.PermissionDenied:
        return True
    return False


def noted(world: ObmWorld) -> list[tuple[str, str]]:
    """Who opened a console, and with what."""
    lines = world.hil.ok("GET", "/v1/journal?action=node_console&limit=1000")["items"]
    return [(entry["actor"], entry["via"].partition(":")[0]) for entry in lines]


def test_a_registered_key_opens_the_consoles_of_its_user(whole: ObmWorld) -> None:
    whole.machine("n1", "p", enabled=True)
    assert refused(whole, ANN)
    seen = register(whole, ANN)
    whole.run(session(whole, BOB, ANN, text=b"for alice"))
    assert seen["fingerprint"] == ANN.get_fingerprint()
    assert noted(whole) == [("alice", "ssh")]  # once: what was merely offered is no visit
    whole.hil.ok("DELETE", f"/v1/ssh-keys/{seen['id']}", by="alice")
    assert refused(whole, ANN)


def test_a_key_is_worth_what_its_user_may(whole: ObmWorld) -> None:
    whole.machine("n1", "p", enabled=True)
    register(whole, BOB, by="bob")  # a member of another project
    assert refused(whole, BOB)
    register(whole, ANN, by="rita")  # a reader
    assert refused(whole, ANN)
    register(whole, ANN, by="alice")  # the same key, of somebody who may
    whole.run(session(whole, ANN))
    assert noted(whole) == [("alice", "ssh")]
    hand_over(whole, "q")
    assert refused(whole, ANN)
    whole.run(session(whole, BOB))


def test_an_operators_key_is_no_master_key(whole: ObmWorld) -> None:
    whole.machine("n1", "p", enabled=True)
    register(whole, ANN, by="root")
    assert refused(whole, ANN)


def test_what_an_api_key_registers_keeps_within_it_and_goes_with_it(whole: ObmWorld) -> None:
    whole.machine("n1", "p", enabled=True)
    reader = key(whole, role="reader")
    whole.hil.ok("POST", "/v1/ssh-keys", {"public_key": line(BOB)}, token=reader)
    assert refused(whole, BOB)
    made = whole.hil.ok("POST", "/v1/keys", {"project": "p"}, by="alice")
    whole.hil.ok("POST", "/v1/ssh-keys", {"public_key": line(ANN)}, token=made["token"])
    whole.run(session(whole, ANN))
    whole.hil.ok("DELETE", f"/v1/keys/{made['id']}", by="alice")
    assert refused(whole, ANN)


def test_no_byte_from_after_the_release_comes_to_a_key(whole: ObmWorld) -> None:
    machine = whole.machine("n1", "p", enabled=True)
    register(whole, ANN)

    async def work() -> tuple[bytes, int | None]:
        async with connected(whole, ANN) as connection, connection.create_process(encoding=None) as process:
            await process.stderr.read(1)
            machine.print(b"before the release")
            await shown(process, b"before the release")
            assert (await whole.hil.ask("POST", "/v1/nodes/n1/release", by="alice")).status_code == 202
            await Releases(whole.hil.store, "test", asyncio.to_thread).advance()
            machine.print(b"the next one's secret")
            done = await process.wait()
            assert isinstance(done.stdout, bytes)
            return done.stdout, done.exit_status

    assert whole.run(work()) == (b"", 1)
    assert refused(whole, ANN)


def test_only_the_holder_is_let_in_though_the_key_is_known(whole: ObmWorld) -> None:
    """Somebody offers alice's public key and signs with another one."""
    whole.machine("n1", "p", enabled=True)
    register(whole, ANN)
    (impostor,) = asyncssh.load_keypairs([BOB])
    impostor.public_data = ANN.public_data
    assert refused(whole, impostor)
    assert noted(whole) == []


def test_what_hil_says_of_keys_it_says_to_the_nodes_obmd_alone(whole: ObmWorld) -> None:
    whole.machine("n1", "p", enabled=True)
    whole.machine("n2", "p", enabled=True)
    register(whole, ANN)
    mine, other = (whole.store.returned(name).reveal() for name in ("n1", "n2"))
    assert "" not in (mine, other)
    assert mine != other

    def asked(returned: str, node: str = "n1", private: asyncssh.SSHKey = ANN) -> int:
        body = {"returned": returned, "public_key": line(private), "opens": False}
        return whole.hil("POST", f"/v1/nodes/{node}/console/ssh", body, by=None).status_code

    assert asked(mine) == 200
    assert {asked(other), asked(mine, "n2"), asked("forged"), asked(mine, private=BOB), asked(mine, "n3")} == {401}
    whole.enable("n1")  # another epoch
    assert asked(mine) == 401
    assert asked(whole.store.returned("n1").reveal()) == 200
    release(whole)
    assert asked(mine) == 401
    allocate(whole, "p")
    whole.run(session(whole, ANN))
