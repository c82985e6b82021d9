"""How QEMU is called: a PC without anything that the lab does not need. Pure, but for the search for files.

SeaBIOS and iPXE speak on the serial port, since the machine has no graphics; with `strict`, SeaBIOS boots from what is
named and from nothing else. The processor is emulated (TCG): that works everywhere, and with paravirtual KVM a kernel
was seen to boot slower than with it (QEMU 7.2). The emulator may start no program and gain no right (seccomp).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hil.core.obms import BootDevice
from hil.lab.ovs.daemons import SEARCH
from hil.lab.ovs.guests import NETDEV

PROGRAM: Final = "qemu-system-x86_64"
MEMORY: Final = 256
"""MiB of a machine; it takes as much of the host as it has touched."""
ROMS: Final = tuple(Path(place, "efi-virtio.rom") for place in ("/usr/lib/ipxe/qemu", "/usr/share/qemu"))
"""Where distributions keep the network card's own iPXE, for BIOS and EFI. QEMU finds it by itself, and only then makes
its device number that of the card: SeaBIOS leaves a ROM for another device alone."""
ORDER: Final[Mapping[BootDevice, tuple[str, ...]]] = {
    BootDevice.NONE: ("disk", "net"),
    BootDevice.PXE: ("net",),
    BootDevice.DISK: ("disk",),
    BootDevice.CDROM: ("cd",),
    BootDevice.BIOS: ("disk", "net"),
}
"""From what a machine boots, first to last; its tray for CDs is empty. SeaBIOS has no setup: its menu stands for it."""
_MENU: Final = ",menu=on,splash-time=60000"


def missing() -> str:
    """Why QEMU cannot be called here; empty if it can."""
    if shutil.which(PROGRAM, path=SEARCH) is None:
        return f"missing: {PROGRAM} (Debian: qemu-system-x86)"
    if not any(rom.exists() for rom in ROMS):
        return f"missing: {ROMS[0]} (Debian: ipxe-qemu)"
    return ""


def arguments(name: str, mac: str, directory: Path, boot: BootDevice) -> list[str]:
    """The command line of a machine whose files are in `directory`; its cable's netdev is added by who starts it."""
    here = str(directory).replace(",", ",,")
    place = {device: f",bootindex={number}" for number, device in enumerate(ORDER[boot])}
    return [
        *(PROGRAM, "-name", name, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "pc,graphics=off", "-accel", "tcg,thread=single,tb-size=64", "-m", str(MEMORY)),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
        *("-boot", f"strict=on{_MENU if boot is BootDevice.BIOS else ''}"),
        *("-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={here}/disk"),
        *("-device", f"virtio-blk-pci,drive=disk{place.get('disk', '')}"),
        *("-device", f"ide-cd,bus=ide.1{place.get('cd', '')}"),
        *("-device", f"virtio-net-pci,netdev={NETDEV},mac={mac}{place.get('net', '')}"),
        *("-chardev", f"socket,id=serial,path={here}/serial", "-serial", "chardev:serial"),
        *("-chardev", f"socket,id=monitor,path={here}/monitor,server=on,wait=off", "-mon", "chardev=monitor"),
    ]
