"""Tells systemd how the process fares (sd_notify(3)); does nothing anywhere else."""

from __future__ import annotations

import os
import socket


def notify(words: str) -> None:
    """Send `READY=1`, `STOPPING=1` or `STATUS=…` to whoever started this process, if it listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        channel.sendall(words.encode())
