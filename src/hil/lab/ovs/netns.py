"""Network namespaces and the cables between them, for the process inside the sandbox. Needs root.

A machine is a network namespace without a name: it lives as long as its file descriptor is held, so nothing has to be
cleaned up. Cables are veth pairs. It refuses to work on the namespace of the host: see `inside`.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_NEW_NETWORK: Final = 0x40000000
_SIOCETHTOOL: Final = 0x8946
_SET_TX_CHECKSUM: Final = 0x17
_libc: Final = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


@contextmanager
def within(namespace: int) -> Iterator[None]:
    """Have this thread in another network namespace; sockets made inside stay there."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.setns(namespace, _NEW_NETWORK), "setns")
        try:
            yield
        finally:
            _checked(_libc.setns(here, _NEW_NETWORK), "setns back")
    finally:
        os.close(here)


def create() -> int:
    """Make a network namespace; answer the descriptor that holds it."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.unshare(_NEW_NETWORK), "unshare")
        made = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        silence()
        _checked(_libc.setns(here, _NEW_NETWORK), "setns back")
        return made
    finally:
        os.close(here)


def silence() -> None:
    """Let interfaces that come up here send nothing of their own: no IPv6, which a kernel may lack anyway."""
    for scope in ("all", "default"):
        with suppress(OSError):
            Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")


def path(namespace: int) -> str:
    """Where other programs of the sandbox find a namespace that this process holds."""
    return f"/proc/{os.getpid()}/fd/{namespace}"


def ip(commands: Sequence[str], namespace: int | None = None) -> None:
    """Run commands of `ip`, all in one process. Raises OSError with its words."""
    argv = ["ip", "-batch", "-"]
    if namespace is not None:
        argv = ["nsenter", f"--net={path(namespace)}", *argv]
    text = "".join(f"{command}\n" for command in commands)
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise OSError(f"ip: {done.stderr.strip()}")


def true_checksums(interface: str) -> None:
    """Make the kernel fill checksums in before a frame enters the cable: a switch in user space never would.

    Without it TCP fails while ping works (seen with Open vSwitch 3.1.0).
    """
    value = array.array("B", struct.pack("=II", _SET_TX_CHECKSUM, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP16x", interface.encode(), value.buffer_info()[0]))
