"""What obmd's metrics tell of consoles, SSH and recordings; and where a node's SSH is, which no stranger is told."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import asyncssh
import pytest

from hil.obmd.recording import Recordings, RecordLimits
from hil.obmd.ssh import Hil, SshPart, host_key
from hil.obmd.store import ObmdStore
from hil.process.http import listen
from hil.services.capability import Right
from tests.obmd.serving import Site, bearer, site, token, true, until
from tests.obmd.test_recordings import holds

pytestmark = pytest.mark.net


async def measured(obmd: Site) -> dict[str, float]:
    text = (await obmd.http.get("/metrics")).text
    assert "n1" not in re.sub(r"# HELP.*", "", text)
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_viewers_writers_bytes_and_refusals_are_counted(obmd_store: ObmdStore) -> None:
    async def work() -> None:
        async with asyncio.timeout(60), site(obmd_store) as obmd:
            machine = await obmd.add("n1")
            machine.on = True
            before = await measured(obmd)
            assert (before["obmd_console_writers"], before["obmd_console_handovers_total"]) == (0, 0)
            async with (
                obmd.console("n1") as ann,
                obmd.console("n1", 1, Right.WATCH) as wat,
                obmd.console("n1", user="bob") as bob,
            ):
                for each in (ann, wat, bob):
                    await until(each, "hello")
                machine.print(b"12345")
                await until(bob, b"12345")
                await ann.send(b"abc")
                await until(ann, b"abc")
                await bob.send(b"x")
                await until(bob, "refused")
                await wat.send(b"x")
                await until(wat, "refused")
                await bob.send(json.dumps({"do": "take"}))
                while (await until(bob, "writer"))[-1]["writer"]["user"] != "bob":
                    pass
                seen = await measured(obmd)
            async with obmd.console("n1", 7) as late:
                await until(late, "end")
            assert seen['obmd_console_viewers{way="websocket"}'] == 3
            assert seen["obmd_console_writers"] == 1
            assert seen['obmd_console_attached_total{way="websocket"}'] == 3
            assert seen['obmd_console_bytes_total{direction="typed"}'] == 3
            assert seen['obmd_console_bytes_total{direction="said"}'] >= 8
            assert seen['obmd_console_input_refused_total{reason="not-writing"}'] == 1
            assert seen['obmd_console_input_refused_total{reason="watching"}'] == 1
            after = await measured(obmd)
            assert after['obmd_console_viewers{way="websocket"}'] == 0
            assert after["obmd_console_handovers_total"] == 2
            assert after['obmd_console_refused_total{reason="unauthenticated",way="websocket"}'] == 1

    asyncio.run(work())


def test_recordings_are_measured(obmd_store: ObmdStore, tmp_path: Path) -> None:
    async def work() -> None:
        kept = Recordings(tmp_path / "recordings", RecordLimits(size=2**20, age=3600.0), obmd_store.clock)
        async with asyncio.timeout(60), site(obmd_store, recordings=kept) as obmd:
            machine = await obmd.add("n1")
            async with obmd.console("n1", headers=bearer(holds(1, 7))) as ann:
                await until(ann, "hello")
                machine.print(b"x" * 100)
                await until(ann, b"x" * 100)
                seen = await measured(obmd)
                assert seen["obmd_recordings_open"] == 1
                assert seen["obmd_recording_bytes_total"] > 100
                assert seen["obmd_recording_failures_total"] == 0
            assert (await obmd.epoch("n1", 2)).status_code == 200
            assert (await measured(obmd))["obmd_recordings_open"] == 0
            kept.clean()
            assert (await measured(obmd))["obmd_recording_held_bytes"] > 100

    asyncio.run(work())


def test_output_that_cannot_be_recorded_is_counted(obmd_store: ObmdStore, tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "recordings").write_text("no directory")
        kept = Recordings(tmp_path / "recordings", RecordLimits(size=2**20, age=3600.0), obmd_store.clock)
        async with asyncio.timeout(60), site(obmd_store, recordings=kept) as obmd:
            machine = await obmd.add("n1")
            async with obmd.console("n1", headers=bearer(holds(1, 7))) as ann:
                await until(ann, "hello")
                machine.print(b"lost")
                await until(ann, b"lost")
            seen = await measured(obmd)
            assert (seen["obmd_recording_failures_total"], seen["obmd_recordings_open"]) == (1, 0)

    asyncio.run(work())


def test_ssh_is_told_to_holders_of_a_capability_and_its_log_ins_are_counted(
    obmd_store: ObmdStore, tmp_path: Path
) -> None:
    async def work() -> None:
        async with asyncio.timeout(60), site(obmd_store) as obmd:
            await obmd.add("n1")
            assert (await obmd.call("GET", "n1", "ssh", 1, Right.WATCH)).status_code == 404
            bound = listen("0.0.0.0:0")
            part = SshPart(obmd.gate, Hil(""), bound, host_key(tmp_path))
            running = asyncio.create_task(part.run())
            await part.ready.wait()
            try:
                await _log_in(obmd, bound.getsockname()[1], host_key(tmp_path))
            finally:
                part.stop()
                await running

    asyncio.run(work())


async def _log_in(obmd: Site, port: int, key: asyncssh.SSHKey) -> None:
    told = (await obmd.call("GET", "n1", "ssh", 1, Right.WATCH)).json()
    assert (told["host"], told["port"]) == (None, port)
    assert [asyncssh.import_public_key(line).get_fingerprint() for line in told["host_keys"]] == [key.get_fingerprint()]
    assert (await obmd.call("GET", "n1", "ssh", 2, Right.WATCH)).status_code == 401
    assert (await obmd.call("GET", "n1", "ssh", 1, Right.POWER)).status_code == 403
    assert (await obmd.http.get("/v1/nodes/n1/ssh")).status_code == 401
    known = asyncssh.import_known_hosts(f"[127.0.0.1]:{port} {told['host_keys'][0]}\n")
    how = {"username": "n1", "known_hosts": known, "config": None, "client_keys": None, "agent_path": None}
    good = token("n1", 1, Right.CONSOLE)
    async with (
        asyncssh.connect("127.0.0.1", port, password=good, gss_host=None, **how) as ann,
        ann.create_process(encoding=None) as process,
    ):
        await process.stderr.read(1)
        seen = await measured(obmd)
        assert seen["obmd_ssh_connections"] == 1
        assert seen['obmd_console_viewers{way="ssh"}'] == 1
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect("127.0.0.1", port, password="hilcap1.x.y", gss_host=None, **how)
    await true(lambda: obmd.nodes.tally.ssh_connections == 0)
    seen = await measured(obmd)
    assert seen['obmd_ssh_logins_total{outcome="ok"}'] == 1
    assert seen['obmd_ssh_logins_total{outcome="unauthenticated"}'] == 1
