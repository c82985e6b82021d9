"""SNMP over UDP to one agent: get, walk and set, for versions 2c and 3 (RFC 3416, RFC 3414).

It knows messages and time and nothing of switches. A read is sent again when no answer comes. A *set is never sent
twice*: its late twin could undo what was written since. It therefore also names the agent's advisory lock
(`snmpSetSerialNo`, RFC 3418) where the agent has one: an agent that has seen another writer, or a twin from the
network, refuses. SNMP has no session: after a set that was not answered this object refuses to go on.

An agent of version 2c does not answer a wrong community: that cannot be told from an agent that is not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413 import cmdgen
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio import auth
from pysnmp.hlapi.v3arch.asyncio.lcd import CommandGeneratorLcdConfigurator
from pysnmp.hlapi.v3arch.asyncio.transport import Udp6TransportTarget, UdpTransportTarget
from pysnmp.proto import errind, rfc1902, rfc1905

from hil.core import guard
from hil.core.devices import Writer
from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, LostReply, Refused, Unreachable
from hil.drivers.transport.errors import device_error, mapped

Oid = tuple[int, ...]
Value = int | bytes | None
"""A number, octets, or None: the agent has no such object. An OBJECT IDENTIFIER is its text."""

SERIAL: Final[Oid] = (1, 3, 6, 1, 6, 3, 1, 1, 6, 1, 0)
"""snmpSetSerialNo.0, a TestAndIncr (RFC 3418)."""
_WRAP: Final = 2**31
_VALUES: Final = 24
"""Values asked for in one message: bitmaps of a thousand ports still fit a datagram."""
_ROWS: Final = 100_000
_LOGIN: Final = (
    *(errind.UnknownUserName, errind.WrongDigest, errind.UnsupportedSecurityLevel, errind.AuthenticationFailure),
    *(errind.AuthenticationError, errind.DecryptionError, errind.UnknownSecurityName, errind.UnsupportedAuthProtocol),
    *(errind.UnsupportedPrivProtocol, errind.UnknownCommunityName),
)
AUTH: Final[Mapping[str, Any]] = {
    "sha1": auth.USM_AUTH_HMAC96_SHA,
    "sha256": auth.USM_AUTH_HMAC192_SHA256,
    "sha512": auth.USM_AUTH_HMAC384_SHA512,
}
PRIV: Final[Mapping[str, Any]] = {"aes128": auth.USM_PRIV_CFB128_AES, "aes256": auth.USM_PRIV_CFB256_AES}


class Kind(Enum):
    """How a value is written on the wire."""

    INTEGER = auto()
    UNSIGNED = auto()
    OCTETS = auto()


@dataclass(frozen=True, slots=True)
class Bind:
    """One object and the value that it shall get."""

    oid: Oid
    kind: Kind
    value: int | bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """A set that was refused as a whole: which of its binds was to blame (-1: none by name), and the error's name."""

    place: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A community for version 2c; or a user of version 3 with both pass phrases."""

    community: str = ""
    username: str = ""
    auth_protocol: str = "sha256"
    auth_password: str = ""
    priv_protocol: str = "aes128"
    priv_password: str = ""

    def data(self) -> Any:
        if self.community:
            return auth.CommunityData("hil", self.community, mpModel=1)  # noqa: S508 for switches that know no other
        return auth.UsmUserData(
            self.username,
            authKey=self.auth_password,
            privKey=self.priv_password,
            authProtocol=AUTH[self.auth_protocol],
            privProtocol=PRIV[self.priv_protocol],
        )


class Snmp:
    """A conversation with one agent. Made by `connect`; belongs to one task."""

    def __init__(self, device: str, credentials: Credentials, targets: Sequence[Any], patience: float) -> None:
        self.device, self._patience = device, patience
        self._engine = SnmpEngine()
        self._auth = credentials.data()
        self._read, self._write = targets
        self._serial: int | None = None
        self._sent = self._dead = False

    async def start(self) -> None:
        """Log in, as far as SNMP knows of it, and see whether the agent has the advisory lock."""
        value = (await self.get([SERIAL]))[0]
        self._serial = value if isinstance(value, int) else None

    async def get(self, oids: Sequence[Oid]) -> list[Value]:
        """Read objects; None for one that the agent does not have. Raises Unreachable, LoginRefused, Refused."""
        found: list[Value] = []
        for at in range(0, len(oids), _VALUES):
            part = oids[at : at + _VALUES]
            generator = cmdgen.GetCommandGenerator()
            answers = await self._fetch(generator, [(oid, rfc1905.UnSpecified("")) for oid in part], ())
            if [oid for oid, _ in answers] != list(part):
                raise self._nonsense("other objects than were asked for")
            found += [value for _, value in answers]
        return found

    async def walk(self, *roots: Oid) -> list[dict[Oid, Value]]:
        """Read whole columns side by side: per root the values by index. Raises as `get`."""
        columns: list[dict[Oid, Value]] = [{} for _ in roots]
        cursors = dict(enumerate(roots))
        while cursors:
            places = list(cursors)
            asked = [(cursors[place], rfc1905.UnSpecified("")) for place in places]
            repeat = max(1, _VALUES // len(places))
            answers = await self._fetch(cmdgen.BulkCommandGeneratorSingleRun(), asked, (0, repeat))
            if len(answers) < len(places):
                raise self._nonsense("fewer objects than were asked for")
            for at, (oid, value) in enumerate(answers):
                self._step(places[at % len(places)], oid, value, cursors, roots, columns)
        return columns

    async def set(self, binds: Sequence[Bind], writer: Writer) -> Failure | None:
        """Set all these objects or none; answer None or why not.

        Raises DeviceBusy if another writer came first, LostReply if no answer came.
        """
        sent: list[tuple[Oid, Any]] = [(bind.oid, _wire(bind)) for bind in binds]
        if self._serial is not None:
            sent.insert(0, (SERIAL, rfc1902.Integer32(self._serial)))
        status, place, _ = await self._ask(cmdgen.SetCommandGenerator(), sent, (), writer)
        if self._serial is None:
            return Failure(place - 1, status) if status else None
        if not status:
            self._serial = (self._serial + 1) % _WRAP
            return None
        if place == 1 and status != "inconsistentValue":
            # Shown, but not to be set: forbidden to this user, or broken (net-snmp 5.9.3 says wrongLength). Nothing
            # of the message was done.
            self._serial = None
            return await self.set(binds, writer)
        if place == 1:
            self._dead = True
            raise DeviceBusy(f"Another manager writes to {self.device} at the same time: {status}.")
        return Failure(place - 2, status)

    def close(self) -> None:
        """Drop the socket; never raises."""
        self._dead = True
        self._engine.close_dispatcher()

    def _step(
        self, place: int, oid: Oid, value: Value, cursors: dict[int, Oid], roots: Sequence[Oid], columns: list[Any]
    ) -> None:
        """Take one answer of a walk: another row, or the end of its column."""
        if place not in cursors:
            return
        root = roots[place]
        if oid[: len(root)] != root or value is None:
            del cursors[place]
            return
        if oid <= cursors[place] or len(columns[place]) >= _ROWS:
            raise self._nonsense("a table without end")
        cursors[place] = oid
        columns[place][oid[len(root) :]] = value

    async def _fetch(
        self, generator: Any, asked: Sequence[tuple[Oid, Any]], extra: tuple[int, ...]
    ) -> list[tuple[Oid, Value]]:
        status, _, answers = await self._ask(generator, asked, extra, None)
        if status:
            raise Refused(f"{self.device} refused to be read: {status}.")
        with mapped(self.device, sent=self._sent):
            return [(tuple(oid), _value(value)) for oid, value in answers]

    async def _ask(
        self, generator: Any, binds: Sequence[tuple[Oid, Any]], extra: tuple[int, ...], writer: Writer | None
    ) -> tuple[str, int, Sequence[tuple[Any, Any]]]:
        """Send one message and answer the error's name or an empty one, its place from 1 on, and the binds."""
        guard.device()
        if self._dead:
            raise Unreachable(f"The conversation with {self.device} is over: nothing was sent.")
        answer: asyncio.Future[tuple[Any, Any, Any, Any]] = asyncio.get_running_loop().create_future()
        target = self._read if writer is None else self._write
        try:
            address, _ = CommandGeneratorLcdConfigurator().configure(self._engine, self._auth, target)
            wired = [(rfc1902.ObjectName(oid), value) for oid, value in binds]
            if writer is not None:
                writer.check()
                self._sent = True
            generator.send_varbinds(self._engine, address, None, b"", *extra, wired, _taker(answer), None)
            async with asyncio.timeout(self._patience):
                indication, status, place, found = await answer
        except (PySnmpError, TimeoutError) as error:
            self._dead = True
            raise device_error(self.device, _foreign(error), sent=self._sent) from error
        except BaseException:
            self._dead = True
            raise
        if indication:
            self._dead = True
            raise self._indicated(indication)
        return (status.prettyPrint() if int(status) else ""), int(place), found

    def _indicated(self, indication: Any) -> DeviceError:
        words = str(indication)
        if isinstance(indication, _LOGIN):
            return LoginRefused(f"{self.device} refuses the user or its keys: {words}.")
        if isinstance(indication, errind.RequestTimedOut):
            return device_error(self.device, TimeoutError(words), sent=self._sent)
        kind = LostReply if self._sent else Unreachable
        return kind(f"{self.device} cannot be spoken to: {words}.")

    def _nonsense(self, what: str) -> DeviceError:
        self._dead = True
        return device_error(self.device, ValueError(f"the agent answers {what}"), sent=self._sent)


def _taker(answer: asyncio.Future[tuple[Any, Any, Any, Any]]) -> Callable[..., None]:
    """What the library calls with the outcome; an answer that nobody waits for is dropped."""

    def take(engine: Any, handle: Any, indication: Any, status: Any, place: Any, binds: Any, context: Any) -> None:
        if not answer.done():
            answer.set_result((indication, status, place, binds))

    return take


def _wire(bind: Bind) -> Any:
    match bind.kind:
        case Kind.INTEGER:
            return rfc1902.Integer32(bind.value)
        case Kind.UNSIGNED:
            return rfc1902.Unsigned32(bind.value)
        case Kind.OCTETS:
            return rfc1902.OctetString(bind.value)


def _value(value: Any) -> Value:
    """Answer a value as Python has it. Raises ValueError for what is of no use here."""
    if isinstance(value, rfc1905.NoSuchObject | rfc1905.NoSuchInstance | rfc1905.EndOfMibView):
        return None
    if hasattr(value, "asTuple"):
        return ".".join(str(number) for number in value.asTuple()).encode()
    if hasattr(value, "asOctets"):
        return bytes(value.asOctets())
    return int(value)


def _foreign(error: BaseException) -> BaseException:
    """The library's own errors stand for what sockets and parsers would have raised."""
    return error if isinstance(error, TimeoutError) else ValueError(str(error)[:300])


async def connect(host: str, port: int, credentials: Credentials, *, timeout: float, retries: int) -> Snmp:
    """Begin a conversation: `timeout` is for one answer, `retries` for reads. Raises DeviceError."""
    guard.device()
    device = f"{host}:{port}"
    kind: Any = Udp6TransportTarget if ":" in host else UdpTransportTarget
    try:
        targets = [await kind.create((host, port), timeout=timeout, retries=again) for again in (retries, 0)]
    except PySnmpError as error:
        raise device_error(device, OSError(0, "the name cannot be resolved"), sent=False) from error
    # The library finds its own way through the discovery of version 3, each step with the same patience.
    snmp = Snmp(device, credentials, targets, patience=(timeout + 1) * (retries + 3))
    try:
        await snmp.start()
    except BaseException:
        snmp.close()
        raise
    return snmp


def chunks(binds: Iterable[Bind], size: int = _VALUES) -> list[list[Bind]]:
    """Cut binds into messages of at most `size`."""
    whole = list(binds)
    return [whole[at : at + size] for at in range(0, len(whole), size)]
