"""Consoles over SSH: `ssh -p PORT NODE@OBMD`; the user name is the node's, the password an API key or a capability.

obmd knows no user. It shows the API key to HIL and is given a capability, or is told no; it does so again before that
capability expires, so a key that was withdrawn ends its consoles. It offers nothing but the console of that one node:
no command, no files, no forwarding, no log-in by public key (HIL keeps none). The key stays in memory for as long as
the connection does, and is never logged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncssh

from hil.core.errors import Denied, DeviceBusy, HilError, Unauthenticated, Unavailable
from hil.core.secret import Secret
from hil.drivers.obmd_link import ObmdLink, refusal
from hil.obmd.gate import Gate
from hil.obmd.ssh_seat import Process, Seat, clean, say
from hil.services.capability import PREFIX, SKEW, Capability, Right

log = logging.getLogger(__name__)
CONNECTIONS: Final = 500
OF_ONE_NODE: Final = 64
"""Connections, so that one project does not take all of them."""
LOGIN: Final = 60.0
"""Seconds that somebody may take to log in."""
TRIES: Final = 3
"""Passwords that one connection may try."""
WATCHED: Final = 30
"""Seconds without a sign of life after which the other side is asked for one; after three it is gone."""


class Hil:
    """HIL as obmd asks it: what may the holder of this key do? An empty URL: nobody is asked, and no key is good."""

    def __init__(self, url: str, ca_file: str = "", patience: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._link = ObmdLink(patience, ca_file)

    async def capability(self, node: str, key: Secret) -> str:
        """A capability for a node's console. Raises Unauthenticated, Denied, Blocked, Unavailable, DeviceError."""
        if not self._url:
            raise Unauthenticated("This obmd takes capabilities only: its [obmd] hil_url is not set.")
        said = await self._link.exchange(
            "POST",
            f"{self._url}/v1/nodes/{quote(node, safe='')}/console",
            "HIL",
            headers={"Authorization": f"Bearer {key.reveal()}"},
            body={"watch": False},
        )
        if said.status == 401:
            raise Unauthenticated("HIL does not know this API key.")
        if said.status >= 300:
            raise refusal(said, "HIL")
        if not said.text("capability"):
            raise Unavailable("HIL answered something that is no capability: ask an operator.")
        return said.text("capability")


class SshPart:
    """The SSH server as a part of the process. `bound` is a listening socket."""

    name = "ssh"

    def __init__(self, gate: Gate, hil: Hil, bound: socket.socket, host_key: asyncssh.SSHKey) -> None:
        self._gate, self._hil, self._bound = gate, hil, bound
        self._key = host_key
        self.fingerprint: str = host_key.get_fingerprint()
        self.doors: set[Door] = set()
        self.ready = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop`."""
        listener = await asyncssh.listen(
            sock=self._bound,
            server_factory=lambda: Door(self),
            server_host_keys=[self._key],
            process_factory=self._enter,
            encoding=None,
            line_editor=False,
            allow_scp=False,
            gss_host=None,
            config=None,
            login_timeout=LOGIN,
            keepalive_interval=WATCHED,
            agent_forwarding=False,
            x11_forwarding=False,
        )
        host, port = self._bound.getsockname()[:2]
        log.info("ssh: listening on %s port %s, host key %s", host, port, self.fingerprint)
        self.ready.set()
        try:
            await self._stopping.wait()
        finally:
            listener.close()
            for door in [*self.doors]:
                door.cut()
            await listener.wait_closed()

    def stop(self) -> None:
        """Let nobody in any more; consoles end with their terms, or now."""
        self._stopping.set()

    async def admit(self, node: str, password: Secret) -> tuple[Capability, Secret | None]:
        """What a password is good for, and the key with which HIL is asked again. Raises HilError."""
        nodes = self._gate.nodes
        given, key = password.reveal(), None
        if not given.startswith(f"{PREFIX}."):
            key, given = password, await self._hil.capability(node, password)
        capability = self._gate.verified(given)
        nodes.admit(node, capability, Right.WATCH, Right.CONSOLE)
        return capability, key

    async def _enter(self, process: Process) -> None:
        """Serve one session, and end it with the reason."""
        status = 1
        try:
            door = process.channel.get_connection().get_owner()
            assert isinstance(door, Door)
            await self._served(process, door)
            status = 0
        except HilError as error:
            with suppress(asyncssh.Error, OSError):
                say(process, error.message)
        except (asyncssh.Error, OSError):
            pass  # the other side is gone
        finally:
            with suppress(asyncssh.Error, OSError):
                process.exit(status)

    async def _served(self, process: Process, door: Door) -> None:
        if process.command is not None or process.subsystem is not None:
            raise Denied("Here is a console and nothing else: give ssh no command.")
        if door.capability is None or door.capability.expires + SKEW < self._gate.nodes.clock.now():
            raise Unauthenticated("The capability has expired: log in again.")
        _, tenure = self._gate.nodes.admit(door.node, door.capability, Right.WATCH, Right.CONSOLE)
        await tenure.term.run(Seat(self._gate.nodes, process, tenure, door.capability, door.renewed).sit())


class Door(asyncssh.SSHServer):
    """One connection: who it is, and for which node."""

    def __init__(self, part: SshPart) -> None:
        self._part = part
        self._connection: asyncssh.SSHServerConnection | None = None
        self._tries = 0
        self.node = ""
        self.capability: Capability | None = None
        self._key: Secret | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._part.doors.add(self)
        if len(self._part.doors) > CONNECTIONS:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._part.doors.discard(self)
        self._key = None

    def cut(self) -> None:
        """End the connection without waiting for the other side."""
        if self._connection is not None:
            self._connection.abort()

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return False

    async def validate_password(self, username: str, password: str) -> bool:
        """Let the holder in, or say why not; a wrong password is told nothing."""
        self._tries += 1
        if self._tries > TRIES:
            self.cut()
            return False
        try:
            admitted = await self._part.admit(username, Secret(password))
            if sum(door.node == username for door in self._part.doors) >= OF_ONE_NODE:
                raise DeviceBusy(f"{OF_ONE_NODE} connections are open to this node already.")
        except HilError as error:
            log.info("ssh: nobody is let in: %s (%s)", type(error).__name__, error.detail)
            if not isinstance(error, Unauthenticated) and self._connection is not None:
                with suppress(OSError, asyncssh.Error):
                    self._connection.send_auth_banner(f"hil: {clean(error.message)}\n")
            return False
        self.node, (self.capability, self._key) = username, admitted
        return True

    async def renewed(self) -> Capability | None:
        """A newer capability from HIL; None for who came with a capability. Raises HilError."""
        if self._key is None or self.capability is None:
            return None
        newer, _ = await self._part.admit(self.node, self._key)
        if (newer.user, newer.project_id) != (self.capability.user, self.capability.project_id):
            raise Unauthenticated("The API key has become another user's.")
        self.capability = newer
        return newer


def host_key(directory: Path) -> asyncssh.SSHKey:
    """The server's private key, made at the first start; whole or not at all. Raises OSError, ValueError."""
    path = directory / "ssh_host_key"
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_made())
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    return asyncssh.import_private_key(path.read_bytes())


def _made() -> bytes:
    found: Any = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
    return bytes(found)
