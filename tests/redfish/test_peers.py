"""Programs that tenants have: sushy as a client, Ironic with its stock redfish hardware type, over TLS."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.obm_side.world import ObmWorld
from tests.ovs.certificates import Authority
from tests.redfish.world import Tenant, script, served

pytestmark = pytest.mark.net


async def _told(world: ObmWorld, name: str, cwd: Path, seconds: float, **facts: Any) -> Any:
    authority = Authority(cwd / "authority")
    async with served(world, authority.issue("hil", "127.0.0.1")) as url:
        return await script(name, {"url": url, "ca": str(authority.certificate), **facts}, cwd, seconds)


def test_sushy_drives_a_node_with_a_session_and_with_basic(world: ObmWorld, redfish: Tenant, tmp_path: Path) -> None:
    key = redfish.key("alice", project="p", role="member")
    seen = world.run(_told(world, "sushy_story.py", tmp_path, 120, user="alice", password=key, other="theirs"))
    for told in seen.values():
        assert told["systems"] == ["/redfish/v1/Systems/n1"]
        assert told["macs"] == ["52:54:00:00:00:01"]
        assert (told["memory"], told["processors"]) == (256, 2)
        assert told["power"] == ["On", "On", "Off"]
        assert told["boot"] == ["Pxe", "Continuous"]
        assert (told["media"], told["ejected"]) == (["http://images.example.org/a.iso", True], None)
        assert told["other"] == "absent"
    assert set(seen) == {"SessionAuth", "BasicAuth"}
    assert redfish.members("/SessionService/Sessions") == []
    assert world.machines["theirs"].changes() == []


def test_ironic_takes_a_node_through_its_life_with_its_stock_redfish_driver(
    world: ObmWorld, redfish: Tenant, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path / "ironic"
    home.mkdir()
    key = redfish.key("alice", project="p", role="member")
    facts = {"user": "alice", "password": key, "other": "theirs", "home": str(home), "port": port}
    seen = world.run(_told(world, "ironic_story.py", tmp_path, 240, **facts))
    assert (seen["manageable"], seen["available"]) == ("manageable", "available")
    assert seen["ports"] == ["52:54:00:00:00:01"]
    assert seen["properties"]["memory_mb"] in (256 * 1024, str(256 * 1024))
    assert (seen["on"], seen["off"]) == ("power on", "power off")
    assert (seen["boot"]["boot_device"], seen["boot"]["persistent"]) == ("pxe", False)
    assert "not found" in seen["other"].lower() or "404" in seen["other"], seen["other"]
    asked = [(entry.action, entry.asked) for entry in world.machines["n1"].changes()]
    assert asked[0] == ("power-set", "on")
    assert [what for what, _ in asked].count("boot-set") >= 1
    assert asked[-1] == ("power-set", "off")
    assert world.machines["theirs"].changes() == []
