"""A session with a switch through its SNMP agent.

An agent changes the objects of one message together or not at all, and nothing beyond it; a list of ports belongs to
all ports of a VLAN. So a message is about one kind of object for several ports; if it is refused, it is tried again
for each port alone, to learn whose fault it was, and a port that is refused gets nothing more of its batch: because
the steps go from narrow to wide, it is left with less than it had. Lists are read anew right before each of the two
rounds that change them, and the agent's advisory lock, where there is one, refuses what another manager overtook.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceBusy, DeviceError, IdentityChanged, LostReply, Refused
from hil.core.model import Observed, PortChange
from hil.core.vlans import fold
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.order import differing, foreign_vlans
from hil.drivers.switch.snmp import mib, parse
from hil.drivers.switch.snmp.parse import Ports, Tables
from hil.drivers.switch.snmp.render import REST, Create, Join, Leave, Open, Shut, Step, Take, plan
from hil.drivers.switch.snmp.spec import CAPABILITIES
from hil.drivers.transport.snmp import Bind, Credentials, Failure, Kind, Snmp, connect

_TOGETHER: Final = 8
"""Ports in one message about the ports themselves: three objects each."""

Answers = dict[str, DeviceError | None]


@dataclass(slots=True)
class Lists:
    """The lists of ports as the agent holds them, by VLAN; `status` tells which VLANs exist."""

    egress: dict[int, bytes]
    untagged: dict[int, bytes]
    status: dict[int, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One set: whom it is about, and its binds for any part of them. `after` is told of success."""

    ports: tuple[str, ...]
    binds: Callable[[Sequence[str]], list[Bind]]
    after: Callable[[Sequence[Bind]], None] | None = None


class SnmpSession:
    """Speak the contract of `SwitchSession` to one agent."""

    def __init__(self, snmp: Snmp, config: Mapping[str, Any]) -> None:
        self._snmp, self._config = snmp, config
        self._parked: int | None = config.get("parked")
        self._ports: Ports | None = None
        self._wrote = False

    async def start(self) -> None:
        """See whether this is the agent that was registered. Raises IdentityChanged."""
        if pinned := self._config.get("engine_id"):
            found = (await self._snmp.get([mib.ENGINE_ID]))[0]
            if not isinstance(found, bytes) or found.hex() != pinned:
                raise IdentityChanged(
                    f"{self._snmp.device} is another SNMP engine than the registered one: check it, then register its "
                    "new engine_id.",
                    detail=f"its snmpEngineID is {found.hex() if isinstance(found, bytes) else found!r}",
                )

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with self._closing():
            there = self._ports = await self._interfaces()
            if missing := sorted(name for name in ports or () if name not in there.index):
                raise Refused(f"{self._snmp.device} has no port {', '.join(missing)}.")
            tables = await self._tables()
            names = there.index if ports is None else ports
            return {name: parse.observed(there, tables, name, self._parked) for name in names}

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers: Answers = {change.port: None for change in batch}
        with self._closing():
            if self._ports is None:
                self._ports = await self._interfaces()
            todo = [change for change in differing(batch) if self._accepts(self._ports, change, answers)]
            if todo:
                await self._work(_Work(self._ports, todo, answers, await self._lists(todo)), writer)
        return answers

    async def save(self, writer: Writer) -> None:
        """Set the object that saves, if one is registered; else only ask the lease."""
        with self._closing():
            if not self._config.get("save_oid"):
                writer.check()
                return
            oid = tuple(int(part) for part in self._config["save_oid"].split("."))
            failed = await self._set([Bind(oid, Kind.INTEGER, self._config["save_value"])], writer)
            if failed is not None:
                raise Refused(f"{self._snmp.device} refused to save: {await self._words(failed)}.")

    async def about(self) -> About:
        """The chassis' row of ENTITY-MIB; the system's own description where there is none."""
        with self._closing():
            classes, models, firmware, serials = await self._snmp.walk(
                mib.ENTITY_CLASS, mib.ENTITY_MODEL, mib.ENTITY_FIRMWARE, mib.ENTITY_SERIAL
            )
            described = parse.text((await self._snmp.get([mib.SYS_DESCR]))[0])
        chassis = next((index for index in sorted(classes) if classes[index] == mib.CHASSIS), ())
        model, version, serial = (parse.text(column.get(chassis)) for column in (models, firmware, serials))
        return About(model or described, version, serial)

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        with self._closing():
            ports = await self._interfaces()
            local = await self._snmp.walk(mib.LLDP_LOCAL_SUBTYPE, mib.LLDP_LOCAL_PORT)
            remote = await self._snmp.walk(
                mib.LLDP_CHASSIS_SUBTYPE, mib.LLDP_CHASSIS, mib.LLDP_PORT_SUBTYPE, mib.LLDP_PORT, mib.LLDP_NAME
            )
            return parse.neighbours(ports, (local[0], local[1]), tuple(remote))

    async def macs(self) -> dict[str, list[Mac]]:
        with self._closing():
            ports = await self._interfaces()
            fdb, status = await self._snmp.walk(mib.FDB_PORT, mib.FDB_STATUS)
            return parse.macs(ports, fdb, status, (await self._snmp.walk(mib.VLAN_FDB))[0])

    async def close(self) -> None:
        self._snmp.close()

    # Reading.

    async def _interfaces(self) -> Ports:
        named = mib.IF_NAME if self._config["names"] == "ifName" else mib.IF_DESCR
        names, types, lags = await self._snmp.walk(named, mib.IF_TYPE, mib.AGGREGATOR)
        (base,) = await self._snmp.walk(mib.BASE_PORT_IF_INDEX)
        return parse.interfaces(names, types, base, lags)

    async def _tables(self) -> Tables:
        admin, pvid, frames, ingress = await self._snmp.walk(mib.IF_ADMIN, mib.PVID, mib.FRAME_TYPES, mib.INGRESS)
        lists = await self._all_lists()
        return Tables(admin, pvid, frames, ingress, lists.egress, lists.untagged, lists.status)

    async def _all_lists(self) -> Lists:
        egress, untagged, status = await self._snmp.walk(mib.EGRESS, mib.UNTAGGED, mib.ROW_STATUS)
        return Lists(parse.bitmaps(egress), parse.bitmaps(untagged), parse.numbered(status))

    async def _lists(self, todo: Iterable[PortChange]) -> Lists:
        """Read the lists of every VLAN that these changes touch: all of them if a port may be in any."""
        changes = list(todo)
        if any(change.have is None for change in changes):
            return await self._all_lists()
        lists = Lists({}, {}, {})
        await self._refresh(lists, {vlan for change in changes if change.have for vlan in change.have.vlans})
        await self._refresh(lists, {vlan for change in changes for vlan in change.want.vlans})
        return lists

    async def _refresh(self, lists: Lists, vlans: Iterable[int]) -> None:
        wanted = sorted(vlans)
        oids = [(*column, vlan) for vlan in wanted for column in (mib.EGRESS, mib.UNTAGGED, mib.ROW_STATUS)]
        found = await self._snmp.get(oids)
        for at, vlan in enumerate(wanted):
            egress, untagged, status = found[3 * at : 3 * at + 3]
            lists.egress[vlan] = egress if isinstance(egress, bytes) else b""
            lists.untagged[vlan] = untagged if isinstance(untagged, bytes) else b""
            lists.status[vlan] = status

    # Writing.

    def _accepts(self, ports: Ports, change: PortChange, answers: Answers) -> bool:
        port = change.port
        if port not in ports.index:
            answers[port] = Refused(f"{self._snmp.device} has no port {port}.")
        elif wrong := foreign_vlans(CAPABILITIES, () if self._parked is None else (self._parked,), change):
            answers[port] = Refused(f"Port {port}: this switch cannot carry VLAN {fold(wrong)}.")
        elif reason := parse.unmanaged(ports, port):
            answers[port] = Refused(f"Port {port}: {reason}; HIL does not configure such a port.")
        return answers[port] is None

    async def _work(self, work: _Work, writer: Writer) -> None:
        """Send the steps in their order; each round of lists begins with fresh ones."""
        steps = plan(work.changes, REST if self._parked is None else self._parked)
        for kinds in ((Create,), (Shut,), (Take,), (Leave,), (Join,), (Open,)):
            todo = [step for step in steps if isinstance(step, kinds)]
            if kinds[0] in (Leave, Join) and todo and self._wrote:
                await self._refresh(work.lists, work.vlans(todo))
            for message in work.messages(todo):
                await self._send(message, work.answers, writer)

    async def _send(self, message: Message, answers: Answers, writer: Writer) -> None:
        """Send a message for the ports that still go on; find out by trying whom a refusal concerns."""
        ports = [port for port in message.ports if answers[port] is None]
        binds = message.binds(ports) if ports else []
        if not binds:
            return
        failed = await self._set(binds, writer)
        if failed is None:
            if message.after is not None:
                message.after(binds)
        elif len(ports) == 1:
            answers[ports[0]] = Refused(f"Port {ports[0]}: the agent refused: {await self._words(failed)}.")
        else:
            for port in ports:
                await self._send(Message((port,), message.binds, message.after), answers, writer)

    async def _set(self, binds: Sequence[Bind], writer: Writer) -> Failure | None:
        try:
            failed = await self._snmp.set(binds, writer)
        except DeviceBusy as error:
            if self._wrote:
                raise LostReply(f"In the middle of a batch: {error.message}", detail=error.detail) from error
            raise
        self._wrote = self._wrote or failed is None
        return failed

    async def _words(self, failed: Failure) -> str:
        """The error's name, and what the agent says of it where it says anything."""
        oid = self._config.get("error_oid")
        if not oid:
            return failed.status
        said = parse.text((await self._snmp.get([tuple(int(part) for part in oid.split("."))]))[0])
        return f"{failed.status}: {said.rstrip('.')}" if said else failed.status

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close after anything but a refusal, a crash and a cancellation included."""
        guard.device()
        try:
            yield
        except Refused:
            raise
        except BaseException:
            self._snmp.close()
            raise


class _Work:
    """One batch on its way: steps become messages, and lists follow what was accepted."""

    def __init__(self, ports: Ports, changes: Sequence[PortChange], answers: Answers, lists: Lists) -> None:
        self.ports, self.changes, self.answers, self.lists = ports, changes, answers, lists

    def vlans(self, steps: Iterable[Step]) -> frozenset[int]:
        """The VLANs whose lists these steps change."""
        found: set[int] = set()
        for step in steps:
            match step:
                case Leave(None, (port,), _, but):
                    found |= self._others(port, but.vlans if but else frozenset())
                case Leave(int() as vlan) | Join(vlan):
                    found.add(vlan)
        return frozenset(found)

    def messages(self, steps: Sequence[Step]) -> Iterator[Message]:
        takes = [step for step in steps if isinstance(step, Take)]
        yield from self._about_ports({step.port: self._taking(step) for step in takes})
        for step in steps:
            match step:
                case Shut(ports):
                    yield from self._about_ports({port: [self._admin(port, mib.DOWN)] for port in ports})
                case Open(ports):
                    yield from self._about_ports({port: [self._admin(port, mib.UP)] for port in ports})
                case Create(vlan):
                    yield from self._creating(vlan)
                case Leave(None, (port,)):
                    yield from self._narrowing(port, step)
                case Leave(int() as vlan, ports, tag):
                    yield self._listing(vlan, clear=ports, tag=tag)
                case Join(vlan, tagged, untagged):
                    yield self._listing(vlan, tag=tagged, untag=untagged)

    def _about_ports(self, binds: Mapping[str, list[Bind]]) -> Iterator[Message]:
        names = list(binds)
        for at in range(0, len(names), _TOGETHER):
            part = tuple(names[at : at + _TOGETHER])
            yield Message(part, lambda ports: [bind for port in ports for bind in binds[port]])

    def _admin(self, port: str, value: int) -> Bind:
        return Bind((*mib.IF_ADMIN, self.ports.index[port]), Kind.INTEGER, value)

    def _taking(self, step: Take) -> list[Bind]:
        base = self.ports.base[step.port]
        frames = mib.ADMIT_TAGGED if step.native is None else mib.ADMIT_ALL
        return [
            Bind((*mib.INGRESS, base), Kind.INTEGER, mib.TRUE),
            Bind((*mib.FRAME_TYPES, base), Kind.INTEGER, frames),
            Bind((*mib.PVID, base), Kind.UNSIGNED, step.pvid),
        ]

    def _creating(self, vlan: int) -> Iterator[Message]:
        """A VLAN that cannot be made refuses every port that wants it."""
        status = self.lists.status.get(vlan)
        if status != mib.ACTIVE:
            value = mib.CREATE_AND_GO if status is None else mib.ACTIVE
            wanting = tuple(change.port for change in self.changes if vlan in change.want.vlans)
            bind = Bind((*mib.ROW_STATUS, vlan), Kind.INTEGER, value)

            def binds(ports: Sequence[str]) -> list[Bind]:
                return [] if self.lists.status.get(vlan) == mib.ACTIVE else [bind]

            def after(_: Sequence[Bind]) -> None:
                self.lists.status[vlan] = mib.ACTIVE

            yield Message(wanting, binds, after)

    def _others(self, port: str, but: frozenset[int]) -> frozenset[int]:
        return parse.memberships(self.lists.egress, self.ports.base[port]) - but

    def _narrowing(self, port: str, step: Leave) -> Iterator[Message]:
        """A port of which nothing was known leaves every VLAN but those that it must be in, one by one."""
        but = step.but.vlans if step.but else frozenset()
        for vlan in sorted(self._others(port, but)):
            yield self._listing(vlan, clear=(port,))
        if step.but is not None:
            untagged = parse.memberships(self.lists.untagged, self.ports.base[port])
            for vlan in sorted(untagged & step.but.tagged):
                yield self._listing(vlan, tag=(port,))

    def _listing(
        self, vlan: int, clear: Sequence[str] = (), tag: Sequence[str] = (), untag: Sequence[str] = ()
    ) -> Message:
        """Change the two lists of a VLAN: `clear` ports leave it, `tag` and `untag` ports are in it."""

        def binds(ports: Sequence[str]) -> list[Bind]:
            out, tagged, plain = (
                [self.ports.base[port] for port in part if port in ports] for part in (clear, tag, untag)
            )
            egress = self.lists.egress.get(vlan, b"")
            untagged = self.lists.untagged.get(vlan, b"")
            return [
                Bind((*mib.EGRESS, vlan), Kind.OCTETS, mib.changed(egress, clear=out, add=[*tagged, *plain])),
                Bind((*mib.UNTAGGED, vlan), Kind.OCTETS, mib.changed(untagged, clear=[*out, *tagged], add=plain)),
            ]

        def after(sent: Sequence[Bind]) -> None:
            egress, untagged = (bind.value if isinstance(bind.value, bytes) else b"" for bind in sent)
            self.lists.egress[vlan], self.lists.untagged[vlan] = egress, untagged

        return Message((*clear, *tag, *untag), binds, after)


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Begin a session with an agent. Raises DeviceError."""
    fields = ("community", "username", "auth_protocol", "auth_password", "priv_protocol", "priv_password")
    credentials = Credentials(**{key: config[key] for key in fields if key in config})
    snmp = await connect(
        config["hostname"], config["port"], credentials, timeout=config["timeout"], retries=config["retries"]
    )
    session = SnmpSession(snmp, config)
    try:
        await session.start()
    except BaseException:
        snmp.close()
        raise
    return session
