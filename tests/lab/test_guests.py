"""What is said of guests, and what takes their place where QEMU is not to be had."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from hil.lab import supervisor
from hil.lab.bmc.guests import _source
from hil.lab.bmc.room import EmulatedRoom
from hil.lab.machines import boot, disk
from hil.lab.site import Site
from hil.lab.supervisor import Powered, wiring_of

NODES = ["node01", "node02", "node03"]
FIRMWARE = "\x1bc\x1b[2JSeaBIOS (version 1)\r\n"
FROM_DISK = f"{FIRMWARE}{disk.greeting('node01')}\r\n> "
FROM_NODE = f"{FIRMWARE}iPXE\r\n{boot.booted_by('node03')} 10.0.0.3.\r\niPXE> "


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("", ""),
        (FIRMWARE, ""),
        (FROM_DISK, "disk"),
        (FROM_NODE, "node03"),
        (FROM_NODE + FROM_DISK, "disk"),
        (FROM_DISK + FROM_NODE, "node03"),
        (FROM_NODE + FIRMWARE, ""),
        (f"{FIRMWARE}No bootable device.\r\n", "nothing"),
        (f"{FIRMWARE}{disk.greeting('node02')}", ""),
    ],
)
def test_what_a_guest_runs_from_is_read_off_its_last_start(said: str, source: str) -> None:
    assert _source(said.encode(), "node01", NODES) == source


@pytest.mark.net
@pytest.mark.parametrize(("centre", "reason"), [(None, ""), (object(), "no QEMU here")])
def test_without_qemu_the_machines_are_emulated_and_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, centre: Any, reason: str
) -> None:
    monkeypatch.setattr(supervisor, "_no_guests", lambda: "no QEMU here")
    powered = Powered("any", {}, {}, cast("Any", centre))

    async def look() -> tuple[type, str, list[str]]:
        async with supervisor._machines(Site(tmp_path), wiring_of(3), powered) as (room, why):
            return type(room), why, list(await room.look())

    assert asyncio.run(look()) == (EmulatedRoom, reason, NODES)
