"""SSH to a device: one log-in, with the device's identity checked before it is told anything.

Nothing of the user's or the machine's SSH is read: no known_hosts, no agent, no configuration file, no keys of its own.
The password is offered once (as a password, or to a keyboard-interactive question), so that no account is locked out.
A device that lets everybody in and asks afterwards, in the shell, is logged in by whoever reads the shell. It never
reconnects and never retries: whether something may be sent again only the caller can know.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import asyncssh

from hil.core import guard
from hil.core.errors import DeviceError, IdentityChanged, LoginRefused
from hil.drivers.ssh_settings import FIRST_USE
from hil.drivers.transport.errors import FOREIGN, mapped

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells every channel, and names users

KEX: Final = ("diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1")
CIPHERS: Final = ("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc")
MACS: Final = ("hmac-sha1", "hmac-md5", "hmac-sha1-96")
HOST_KEYS: Final = ("ssh-rsa", "ssh-dss")
"""What `legacy_algorithms` adds, after everything that is better."""

LONGEST: Final = 32 * 2**20
"""Bytes of output that a command may have; a configuration database of a large chassis is a tenth of it."""

_seen: dict[tuple[str, int], str] = {}
"""Fingerprints trusted on first use by this process, by address. A restart forgets them, as the settings say."""


class Done(NamedTuple):
    """A command that ended."""

    output: bytes
    errors: bytes
    status: int | None
    """None if a signal ended it, or the device does not say."""


class Stream:
    """Bytes to and from a shell or a subsystem. Raises what SSH raises: whoever reads knows whether it was sent."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._process = process

    def write(self, data: bytes) -> None:
        """Hand over at once. Raises OSError if the connection is known to be gone (then nothing was sent)."""
        self._process.stdin.write(data)

    async def drain(self) -> None:
        await self._process.stdin.drain()

    async def read(self, limit: int = 65536) -> bytes:
        """Answer what has come, at least one byte; nothing at the end of the stream."""
        return await self._process.stdout.read(limit)

    @property
    def ended(self) -> bool:
        return self._process.is_closing() or self._process.stdout.at_eof()

    def close(self) -> None:
        self._process.close()


class Ssh:
    """An authenticated connection. Made by `connect`."""

    def __init__(self, device: str, connection: asyncssh.SSHClientConnection, patience: float) -> None:
        self.device, self.patience = device, patience
        self._connection = connection

    async def shell(self, *, width: int = 511, terminal: str = "vt100") -> Stream:
        """Open an interactive shell on a terminal so many columns wide. Raises Unreachable."""
        size = (width, 0)
        return await self._open(sent=False, command=None, request_pty="force", term_type=terminal, term_size=size)

    async def subsystem(self, name: str) -> Stream:
        """Open a subsystem, as in `netconf`. Raises Unreachable."""
        return await self._open(sent=False, command=None, subsystem=name, request_pty=False)

    async def exec(self, command: str, *, stdin: bytes = b"", sent: bool, patience: float | None = None) -> Done:
        """Run one command to its end, in `patience` seconds at most (None: the connection's).

        Raises LostReply if it dies and `sent` (the command, or one before it, may change something), else Unreachable.
        """
        guard.device()
        with mapped(self.device, sent=sent):
            async with asyncio.timeout(self.patience if patience is None else patience):
                process = await self._connection.create_process(command, encoding=None, request_pty=False)
                try:
                    with suppress(BrokenPipeError):  # a command that has ended already takes no input
                        process.stdin.write(stdin)
                        process.stdin.write_eof()
                    output, errors = await asyncio.gather(_all(process.stdout), _all(process.stderr))
                    await process.wait_closed()
                finally:
                    process.close()
        return Done(output, errors, process.exit_status)

    def close(self) -> None:
        """Drop the connection at once; never raises."""
        self._connection.abort()

    async def closed(self) -> None:
        """Drop the connection and wait until it is gone; never raises."""
        self.close()
        with suppress(*FOREIGN):
            await self._connection.wait_closed()

    async def _open(self, *, sent: bool, **kind: Any) -> Stream:
        guard.device()
        with mapped(self.device, sent=sent):
            async with asyncio.timeout(self.patience):
                return Stream(await self._connection.create_process(encoding=None, **kind))


async def connect(config: Mapping[str, Any]) -> Ssh:
    """Log in as `SshSettings` say. Raises Unreachable, LoginRefused, IdentityChanged."""
    guard.device()
    host, port, patience = config["hostname"], config.get("port", 22), config.get("timeout", 30.0)
    device = f"{host}:{port}"
    identity = _Identity((host, port), config["host_key"])
    options = {**_algorithms(config), **_credentials(device, config)}
    try:
        with mapped(device, sent=False):
            async with asyncio.timeout(patience):
                connection = await asyncssh.connect(
                    host, port, client_factory=lambda: _Checked(identity), **_ISOLATED, **options
                )
    except DeviceError as error:
        if identity.wrong or (identity.pinned and _no_such_host_key(error)):
            raise _changed(device, error) from error
        raise
    return Ssh(device, connection, patience)


_ISOLATED: Final[Mapping[str, Any]] = {
    "config": None,
    "known_hosts": ([], [], []),  # none is known: `_Identity` is asked about every one
    "agent_path": None,
    "agent_forwarding": False,
    "gss_host": None,
    "gss_kex": False,
    "gss_auth": False,
    "host_based_auth": False,
    "x509_trusted_certs": None,
    "compression_algs": None,
    "login_timeout": 0,  # `timeout` limits the whole
    "keepalive_interval": 0,
    "encoding": None,
}


class _Identity:
    """What the device must prove, and whether it failed to."""

    def __init__(self, address: tuple[str, int], wanted: str) -> None:
        self.address, self.wanted, self.wrong = address, wanted, False

    @property
    def pinned(self) -> bool:
        return self.wanted != FIRST_USE

    def judge(self, key: asyncssh.SSHKey) -> bool:
        fingerprint = key.get_fingerprint("sha256")
        if self.wanted == FIRST_USE:
            self.wrong = _seen.setdefault(self.address, fingerprint) != fingerprint
        elif self.wanted.startswith("SHA256:"):
            self.wrong = self.wanted != fingerprint
        else:
            self.wrong = " ".join(self.wanted.split()[:2]) != " ".join(key.export_public_key().decode().split()[:2])
        return not self.wrong


class _Checked(asyncssh.SSHClient):
    """The client of one connection: it trusts what `_Identity` trusts, and answers no other question."""

    def __init__(self, identity: _Identity) -> None:
        self._identity = identity

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return self._identity.judge(key)


def _algorithms(config: Mapping[str, Any]) -> dict[str, Any]:
    """The library's own choice, the old ones added where the settings say so; host keys of the pinned kind alone."""
    old = bool(config.get("legacy_algorithms"))
    options: dict[str, Any] = {}
    if old:
        options |= {"kex_algs": "+" + ",".join(KEX), "encryption_algs": "+" + ",".join(CIPHERS)}
        options |= {"mac_algs": "+" + ",".join(MACS)}
    kind, key, _ = f"{config['host_key']}  ".split(" ", 2)
    if not key:
        return options | ({"server_host_key_algs": "+" + ",".join(HOST_KEYS)} if old else {})
    kinds = ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]
    return options | {"server_host_key_algs": [*kinds, *(["ssh-rsa"] if old and kind == "ssh-rsa" else [])]}


def _credentials(device: str, config: Mapping[str, Any]) -> dict[str, Any]:
    keys = None
    if text := config.get("private_key"):
        try:
            keys = [asyncssh.import_private_key(text)]
        except ValueError as error:
            raise LoginRefused(
                f"The private key for {device} cannot be read: register an unencrypted OpenSSH or PEM key.",
                detail=type(error).__name__,
            ) from None
    return {"username": config["username"], "password": config.get("password") or None, "client_keys": keys}


def _no_such_host_key(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, asyncssh.KeyExchangeFailed) and "host key" in cause.reason


def _changed(device: str, error: BaseException) -> IdentityChanged:
    return IdentityChanged(
        f"{device} shows a host key other than the registered one: check it, then register its new identity.",
        detail=f"{type(error).__name__}: {error}",
    )


async def _all(end: asyncssh.SSHReader[bytes]) -> bytes:
    """Read to the end. Raises ValueError beyond `LONGEST`."""
    parts, size = [], 0
    while part := await end.read(65536):
        parts.append(part)
        size += len(part)
        if size > LONGEST:
            raise ValueError("the output does not end")
    return b"".join(parts)
