"""A switch that proves another identity than the registered one, as `hil-admin switch test` shows it to an operator."""

import asyncio
import hashlib
from pathlib import Path

import asyncssh
import pytest
import yaml
from click.testing import CliRunner, Result

from hil.admin.command import admin
from hil.lab.devices import emulator

pytestmark = pytest.mark.net
OTHERS = {
    "ios": ("host_key", asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()),
    "eos": ("certificate", hashlib.sha256(b"another certificate").hexdigest()),
}


@pytest.mark.parametrize("driver", OTHERS)
def test_another_identity_is_told_in_one_line_with_its_remedy(driver: str, tmp_path: Path) -> None:
    key, other = OTHERS[driver]
    platform = emulator(driver)
    device = platform.device("leaf1")

    def run(*words: str) -> Result:
        return CliRunner().invoke(admin, ["--state", str(tmp_path / "state"), *words], prog_name="hil-admin")

    async def story() -> tuple[Result, Result]:
        async with platform.serve(device) as served:
            site = {"switches": {"leaf1": {"driver": driver, "config": dict(served.config), "ports": []}}}
            config = site["switches"]["leaf1"]["config"]
            (tmp_path / "secret").write_text(config["password"])
            (tmp_path / "secret").chmod(0o600)
            config["password"] = {"file": str(tmp_path / "secret")}
            (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
            assert (await asyncio.to_thread(run, "db", "upgrade")).exit_code == 0
            done = await asyncio.to_thread(run, "inventory", "apply", "--yes", str(tmp_path / "site.yaml"))
            assert done.exit_code == 0, done.output
            known = await asyncio.to_thread(run, "switch", "test", "leaf1")
            config[key] = other
            (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
            await asyncio.to_thread(run, "inventory", "apply", "--yes", str(tmp_path / "site.yaml"))
            return known, await asyncio.to_thread(run, "switch", "test", "leaf1")

    known, changed = asyncio.run(story())
    assert known.exit_code == 0, known.stderr
    assert (changed.exit_code, changed.stdout) == (1, "")
    (line,) = [said for said in changed.stderr.splitlines() if said.startswith("hil-admin: ")]
    assert line.startswith("hil-admin: Switch leaf1 proves another identity: ")
    assert line.endswith("register its new identity; if not, somebody may be in between.")
