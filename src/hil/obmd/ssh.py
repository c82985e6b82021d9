"""Consoles over SSH: `ssh -p PORT NODE@OBMD`; the user name is the node's, and one's own SSH key opens it.

Instead of the key, an API key or a capability is taken as password. obmd knows no user. It shows HIL the public key,
or the API key, and is given a capability, or is told no; it does so again before that capability expires, so a key that
was withdrawn ends its consoles. A public key counts once its holder has signed (asyncssh sees to that); what HIL said
of a key that was merely offered is forgotten. Nothing is served but the console of that one node: no command, no files,
no forwarding. Keys stay in memory for as long as the connection does, and are never logged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import asyncssh

from hil.core.errors import Denied, DeviceBusy, HilError, Unauthenticated, Unavailable
from hil.core.secret import Secret
from hil.drivers.obmd_link import ObmdLink, refusal
from hil.obmd.gate import Gate
from hil.obmd.ssh_seat import Process, Seat, clean, say
from hil.obmd.ssh_way import SshAddress
from hil.services.capability import PREFIX, SKEW, Capability, Right

T = TypeVar("T")
log = logging.getLogger(__name__)
CONNECTIONS: Final = 500
OF_ONE_NODE: Final = 64
"""Connections, so that one project does not take all of them."""
LOGIN: Final = 60.0
"""Seconds that somebody may take to log in."""
TRIES: Final = 3
"""Passwords that one connection may try."""
OFFERS: Final = 10
"""Public keys that one connection may offer: an agent offers all it has."""
WATCHED: Final = 30
"""Seconds without a sign of life after which the other side is asked for one; after three it is gone."""


class Hil:
    """HIL as obmd asks it: what may the holder of this key do? An empty URL: nobody is asked, and no key is good."""

    def __init__(self, url: str, ca_file: str = "", patience: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._link = ObmdLink(patience, ca_file)

    async def capability(self, node: str, key: Secret) -> str:
        """A capability for a node's console, for an API key.

        Raises Unauthenticated, Denied, Blocked, Unavailable, DeviceError.
        """
        headers = {"Authorization": f"Bearer {key.reveal()}"}
        return await self._asked(node, "console", {"watch": False}, "API key", headers)

    async def capability_of(self, node: str, public_key: str, returned: Secret, *, opens: bool) -> str:
        """The same for whoever holds a public key; `returned` is what HIL gave with the node's epoch."""
        body = {"returned": returned.reveal(), "public_key": public_key, "opens": opens}
        return await self._asked(node, "console/ssh", body, "SSH key")

    async def _asked(
        self, node: str, what: str, body: dict[str, Any], shown: str, headers: dict[str, str] | None = None
    ) -> str:
        if not self._url:
            raise Unauthenticated("This obmd takes capabilities only: its [obmd] hil_url is not set.")
        url = f"{self._url}/v1/nodes/{quote(node, safe='')}/{what}"
        said = await self._link.exchange("POST", url, "HIL", headers=headers, body=body)
        if said.status == 401:
            raise Unauthenticated(f"HIL does not know this {shown}.")
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
        self.tally = gate.nodes.tally
        gate.ssh = _address(bound, host_key)

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
        given, key = password.reveal(), None
        if not given.startswith(f"{PREFIX}."):
            key, given = password, await self._hil.capability(node, password)
        return self._admitted(node, given), key

    async def admit_holder(self, node: str, public_key: str, *, opens: bool) -> Capability:
        """What a public key is good for; `opens`: its holder has proved it, and HIL notes it. Raises HilError."""
        returned = await self._gate.nodes.returned(node)
        if not returned.reveal():
            raise Unauthenticated("HIL has given no word to ask it about this node.")
        return self._admitted(node, await self._hil.capability_of(node, public_key, returned, opens=opens))

    def _admitted(self, node: str, given: str) -> Capability:
        capability = self._gate.verified(given)
        self._gate.nodes.admit(node, capability, Right.WATCH, Right.CONSOLE)
        return capability

    async def _enter(self, process: Process) -> None:
        """Serve one session, and end it with the reason."""
        status = 1
        try:
            door = process.channel.get_connection().get_owner()
            assert isinstance(door, Door)
            await self._served(process, door)
            status = 0
        except HilError as error:
            self.tally.refused["ssh", error.type] += 1
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
        await door.opened()
        if door.capability is None or door.capability.expires + SKEW < self._gate.nodes.clock.now():
            raise Unauthenticated("The capability has expired: log in again.")
        _, tenure = self._gate.nodes.admit(door.node, door.capability, Right.WATCH, Right.CONSOLE)
        await tenure.term.run(Seat(self._gate.nodes, process, tenure, door.capability, door.renewed).sit())


class Door(asyncssh.SSHServer):
    """One connection: who it is, and for which node."""

    def __init__(self, part: SshPart) -> None:
        self._part = part
        self._connection: asyncssh.SSHServerConnection | None = None
        self._tries = self._offers = 0
        self.node = ""
        self.capability: Capability | None = None
        self._key: Secret | None = None
        self._public = ""
        """The public key that was shown last: once somebody is let in without a password, it is proved."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._part.doors.add(self)
        self._part.tally.ssh_connections = len(self._part.doors)
        if len(self._part.doors) > CONNECTIONS:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._part.doors.discard(self)
        self._part.tally.ssh_connections = len(self._part.doors)
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

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether HIL knows the key for this node; it counts only when the signature has been checked after this.

        A client offers a key, and then signs with it: HIL is asked once.
        """
        line = " ".join(key.export_public_key().decode().split()[:2])
        if (self.node, self._public) == (username, line):
            return True
        self._forget()
        self._offers += 1
        if self._offers > OFFERS:
            self.cut()
            return False
        capability = await self._judged(username, self._part.admit_holder(username, line, opens=False))
        if capability is None:
            return False
        self.node, self.capability, self._public = username, capability, line
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        """Let the holder in, or say why not; a wrong password is told nothing."""
        self._forget()
        self._tries += 1
        if self._tries > TRIES:
            self.cut()
            return False
        admitted = await self._judged(username, self._part.admit(username, Secret(password)))
        if admitted is None:
            return False
        self.node, (self.capability, self._key) = username, admitted
        return True

    def auth_completed(self) -> None:
        self._part.tally.ssh_logins["ok"] += 1

    async def _judged(self, node: str, admission: Awaitable[T]) -> T | None:
        """What HIL says; None if that is no, which is told unless it is the credential that is wrong."""
        try:
            found = await admission
            if sum(door.node == node for door in self._part.doors) >= OF_ONE_NODE:
                raise DeviceBusy(f"{OF_ONE_NODE} connections are open to this node already.")
        except HilError as error:
            self._part.tally.ssh_logins[error.type] += 1
            log.info("ssh: nobody is let in: %s (%s)", type(error).__name__, error.detail)
            if not isinstance(error, Unauthenticated) and self._connection is not None:
                with suppress(OSError, asyncssh.Error):
                    self._connection.send_auth_banner(f"hil: {clean(error.message)}\n")
            return None
        return found

    def _forget(self) -> None:
        """Nothing that was merely offered outlives the next attempt."""
        self.node, self.capability, self._key, self._public = "", None, None, ""

    async def opened(self) -> None:
        """Have HIL note that the holder of a public key, now proved, stands before the console. Raises HilError."""
        if self._public:
            self.capability = await self._part.admit_holder(self.node, self._public, opens=True)

    async def renewed(self) -> Capability | None:
        """A newer capability from HIL; None for who came with a capability. Raises HilError."""
        if self.capability is None:
            return None
        if self._public:
            newer = await self._part.admit_holder(self.node, self._public, opens=False)
        elif self._key is not None:
            newer, _ = await self._part.admit(self.node, self._key)
        else:
            return None
        if (newer.user, newer.project_id) != (self.capability.user, self.capability.project_id):
            raise Unauthenticated("The key has become another user's.")
        self.capability = newer
        return newer


def _address(bound: socket.socket, key: asyncssh.SSHKey) -> SshAddress:
    """What tenants are told: an address that means every interface is none to go to."""
    host, port = bound.getsockname()[:2]
    words = key.export_public_key().decode().split()
    return SshAddress("" if ip_address(host).is_unspecified else host, port, " ".join(words[:2]))


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
