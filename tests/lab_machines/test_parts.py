"""What needs no machine: the boot sector, QEMU's command line, whose connection it is."""

import os
import socket
from pathlib import Path

import pytest

from hil.core.obms import BootDevice
from hil.lab.machines import disk, qemu
from hil.lab.machines.serial import is_ours


def test_a_boot_sector_is_one_and_says_whose_disk_it_is() -> None:
    sector = disk.sector("node07")
    assert len(sector) == 512
    assert sector.endswith(b"\x55\xaa")
    assert disk.greeting("node07").encode() + b"\r\n> \0" in sector
    message = int.from_bytes(sector[disk._MESSAGE_AT : disk._MESSAGE_AT + 2], "little") - 0x7C00
    assert sector[message:].startswith(b"\r\nnode07")
    image = disk.image("node07")
    assert (len(image), image[:512]) == (disk.SIZE, sector)


@pytest.mark.parametrize("name", ["n" * 450, "knöt"])
def test_a_name_that_no_boot_sector_can_say_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"too long|ordinal"):
        disk.sector(name)


@pytest.mark.parametrize("boot", list(BootDevice))
def test_a_machine_boots_from_what_is_named_and_from_nothing_else(boot: BootDevice) -> None:
    argv = qemu.arguments("node07", "02:48:49:4c:00:07", Path("/rack,1"), boot)
    devices = {"disk": "virtio-blk", "cd": "ide-cd", "net": "virtio-net"}
    placed = {name: next(word for word in argv if word.startswith(kind)) for name, kind in devices.items()}
    order = sorted((word.partition("bootindex=")[2], name) for name, word in placed.items() if "bootindex=" in word)
    assert [name for _, name in order] == list(qemu.ORDER[boot])
    assert any(word.startswith("strict=on") for word in argv)
    assert ("menu=on" in " ".join(argv)) is (boot is BootDevice.BIOS)


def test_a_machine_has_one_cable_and_no_window() -> None:
    argv = qemu.arguments("node07", "02:48:49:4c:00:07", Path("/rack,1"), BootDevice.NONE)
    text = " ".join(argv)
    assert text.count("netdev=") == 1
    assert "-netdev" not in argv  # who starts it adds the cable
    assert argv[argv.index("-display") + 1] == "none"
    assert "-nodefaults" in argv  # else QEMU adds a way out of its own
    assert text.count("/rack,,1/") == 3
    assert "mac=02:48:49:4c:00:07" in text


class Line(socket.socket):
    """A connection from port 4000 to port 22."""

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 4000

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 22


OURS = os.geteuid()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(4000, 22, "01", OURS)], True),
        ([(4000, 22, "01", OURS + 1)], False),
        ([(4001, 22, "01", OURS)], False),
        ([(4000, 23, "01", OURS), (4000, 22, "01", OURS + 1)], False),
        ([(4000, 22, "06", OURS)], False),
        ([(22, 4000, "01", OURS)], False),
        ([], False),
    ],
    ids=["ours", "another user", "another port", "another connection", "closed", "our own end", "unknown"],
)
def test_a_connection_is_ours_only_if_its_other_end_is(
    tmp_path: Path, rows: list[tuple[int, int, str, int]], expected: bool
) -> None:
    """Sockets that are closed are told as root's, and ports are used again: the whole row decides."""
    table = tmp_path / "tcp"
    text = "  sl  local_address rem_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode\n"
    for one, other, state, uid in rows:
        text += f"0: 0100007F:{one:04X} 0100007F:{other:04X} {state} 00000000:00000000 00:00000000 00000000 {uid} 0 1\n"
    table.write_text(text)
    with Line() as line:
        assert is_ours(line, str(table)) is expected
