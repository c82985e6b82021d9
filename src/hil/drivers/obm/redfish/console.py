"""The serial console that a Redfish service names: over SSH, with a host key that was registered, or over a WebSocket.

ComputerSystem.SerialConsole says where it is and what to type first (DSP8010, from 1.13). SSH comes first where its
host key is known. It refuses Telnet and IPMI, which show the password to the network or need another driver.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from hil.core.errors import Refused
from hil.core.obms import ConsoleLine
from hil.drivers.obm.redfish import read
from hil.drivers.transport import websocket
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.ssh import Ssh, Stream, connect


class SshConsole:
    """A shell at the console's port."""

    def __init__(self, ssh: Ssh, stream: Stream) -> None:
        self._ssh, self._stream = ssh, stream

    async def read(self) -> bytes:
        with mapped(self._ssh.device, sent=True):
            return await self._stream.read()

    async def write(self, data: bytes) -> None:
        with mapped(self._ssh.device, sent=True):
            self._stream.write(data)
            await self._stream.drain()

    async def close(self) -> None:
        with suppress(OSError):
            self._stream.close()
        await self._ssh.closed()


def _offer(system: read.Resource, kind: str) -> Mapping[str, Any] | None:
    """What the service says of one kind of console, if that is enabled."""
    consoles = system.get("SerialConsole")
    found = consoles.get(kind) if isinstance(consoles, Mapping) else None
    return found if isinstance(found, Mapping) and found.get("ServiceEnabled") is True else None


async def open_console(
    device: str, config: Mapping[str, Any], system: read.Resource, identity: Mapping[str, str]
) -> ConsoleLine:
    """Log in with the same account. `identity` are the headers of who we are. Raises DeviceError."""
    ssh, web = _offer(system, "SSH"), _offer(system, "WebSocket")
    if ssh is not None and config.get("console_host_key"):
        return await _over_ssh(config, ssh)
    if web is not None:
        with mapped(device, sent=False):
            path = read.path(web.get("ConsoleURI"))
        return await websocket.connect(config, path, identity)
    if ssh is not None:
        raise Refused(f"{device} has a serial console over SSH: set `console_host_key` to use it.")
    raise Refused(f"{device} names no serial console over SSH or WebSocket for this system.")


async def _over_ssh(config: Mapping[str, Any], offer: Mapping[str, Any]) -> SshConsole:
    port, first = offer.get("Port"), offer.get("ConsoleEntryCommand")
    ssh = await connect(
        {
            "hostname": urlsplit(config["url"]).hostname,
            "port": port if isinstance(port, int) and 1 <= port <= 65535 else 22,
            "username": config["username"],
            "password": config["password"],
            "host_key": config["console_host_key"],
            "legacy_algorithms": config.get("console_legacy_algorithms", False),
            "timeout": config["timeout"],
        }
    )
    try:
        console = SshConsole(ssh, await ssh.shell(width=80))
        if isinstance(first, str) and first and first.isprintable():
            await console.write(first.encode() + b"\r")
    except BaseException:
        await ssh.closed()
        raise
    return console
