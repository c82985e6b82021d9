"""A session with one bridge of an Open vSwitch.

It refuses to write over what it did not expect: the rows, the fence and the session's own lock are compared
inside the transaction that changes them. It answers nothing that `ovs-vswitchd` has not applied: a read waits
until the daemon has caught up with the database, a write until it has obeyed. It never retries a transaction
that may have been run.

What no column of the database tells: when the daemon has looked again at flows that are already under way. It does
so right after it has reported a change, within 0.1 ms with a handful of flows and 0.2 s with 60,000 (3.1.0). So that
nobody is told *closed* while old flows still pass, a batch that takes something from a port ends with a `rest`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceBusy, DeviceError, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, Observed, PortChange
from hil.core.vlans import fold
from hil.core.wiring import About
from hil.drivers.switch.order import differing, foreign_vlans
from hil.drivers.switch.ovs import parse, render
from hil.drivers.switch.ovs.render import COLUMNS, DEAD, Row
from hil.drivers.switch.ovs.spec import CAPABILITIES, remote
from hil.drivers.switch.ovs.transaction import (
    DATABASE,
    Batch,
    Failed,
    Part,
    build,
    by_id,
    check_fence,
    lock_of,
    outcome,
    selected,
    waiting,
)
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.ovsdb import Op, Ovsdb, connect_tcp, connect_unix, failure, words

_log = logging.getLogger(__name__)

_ROUNDS: Final = 8
"""How often a batch is put together anew because somebody else wrote marks on the bridge in between."""
_BRIDGE: Final = ("_uuid", "name", "ports", "external_ids", "mirrors", "controller", "fail_mode")
_PORT: Final = ("_uuid", "name", "interfaces", *COLUMNS)
_ALL: Final[list[Any]] = []


@dataclass(frozen=True, slots=True)
class View:
    """What one read transaction saw of the bridge: its row, its own port, its ports by name, its mirrors."""

    bridge: Row
    own: Row | None
    ports: Mapping[str, Row]
    mirrored: frozenset[str]
    """Ids of the ports that get copies of other ports' frames."""
    copied: frozenset[int]
    """VLANs into which frames of other VLANs are copied."""

    def observed(self, name: str) -> Observed:
        """Judge a port by its row and by what on the bridge overrules it."""
        row = self.ports[name]
        found = parse.port(row)
        reason = ""
        if parse.atoms(self.bridge.get("controller")) or "secure" in parse.atoms(self.bridge.get("fail_mode")):
            reason = "the bridge obeys an OpenFlow controller, not its VLAN columns"
        elif parse.references(row.get("_uuid")) & self.mirrored:
            reason = "it gets a mirror's copies of other ports' frames"
        elif found.state is not None and (shared := found.state.vlans & self.copied):
            reason = f"a mirror copies frames of other VLANs into VLAN {fold(shared)}"
        elif found.state == CLOSED and self.own_hears:
            reason = f"the bridge's own port carries VLAN {DEAD}, as closed ports do"
        return Observed(None, reason, found.raw) if reason else found

    @property
    def own_hears(self) -> bool:
        """Whether closed ports could reach the bridge's own port; if that has no row, it carries every VLAN."""
        return self.own is None or parse.hears_dead(self.own)


class OvsSession:
    """Speak the contract of `SwitchSession` to one bridge."""

    def __init__(self, db: Ovsdb, bridge: str, rest: float) -> None:
        self._db, self._bridge, self._rest = db, bridge, rest
        self._lock = lock_of(bridge)

    async def start(self) -> None:
        """Take the bridge's lock from any session before this one, and look whether the bridge is there."""
        with self._closing():
            await self._db.steal(self._lock)
            view = await self._view(None)
        wide = [name for name, row in view.ports.items() if parse.hears_dead(row)]
        if wide:
            _log.warning(
                "Bridge %s: VLAN %d, on which closed ports rest, passes through %s. Let links list their VLANs.",
                self._bridge,
                DEAD,
                ", ".join(wide[:5]) + (f" and {len(wide) - 5} more" if len(wide) > 5 else ""),
            )

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with self._closing():
            view = await self._view(ports)
            if missing := [name for name in ports or () if name not in view.ports]:
                raise self._unknown(*missing)
            return {name: view.observed(name) for name in (view.ports if ports is None else ports)}

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        answers: dict[str, DeviceError | None] = {change.port: None for change in batch}
        with self._closing():
            for _ in range(_ROUNDS + len(batch)):
                todo = [change for change in differing(batch) if answers[change.port] is None]
                if not todo or await self._attempt(todo, answers, writer):
                    return answers
            raise DeviceBusy(f"Somebody keeps writing to bridge {self._bridge}: nothing was changed; try again.")

    async def save(self, writer: Writer) -> None:
        """Only ask the lease: a transaction is on disk before it is answered."""
        with self._closing():
            writer.check()

    async def about(self) -> About:
        """Version and system as the daemon has written them; a bridge has no serial number."""
        with self._closing():
            columns = ("ovs_version", "system_type", "system_version")
            results = self._checked(await self._db.transact(DATABASE, [_select("Open_vSwitch", _ALL, columns)]))
        rows = selected(results, 0)
        told = (
            [[text for text in parse.atoms(rows[0].get(key)) if isinstance(text, str)] for key in columns]
            if rows
            else []
        )
        version, *system = [" ".join(texts) for texts in told] or [""]
        return About(f"Open vSwitch on {' '.join(filter(None, system)) or 'an unnamed system'}", version)

    async def close(self) -> None:
        await self._db.close()

    async def _attempt(
        self, todo: Sequence[PortChange], answers: dict[str, DeviceError | None], writer: Writer
    ) -> bool:
        """Write what differs in one transaction; answer whether that was the end of it."""
        view = await self._view([change.port for change in todo])
        if self._db.stolen:
            await self._db.unlock(self._lock)  # the protocol's way to ask a second time
            await self._db.steal(self._lock)
            return False
        check_fence(view.bridge, writer.fence)
        changes = [change for change in todo if self._accepts(view, change, answers)]
        writes = [(view.ports[change.port], render.row(change.want)) for change in changes]
        if view.own is not None and view.own_hears:
            writes.append((view.own, render.rest()))
        if not writes:
            return True
        match await self._transact(build(self._lock, view.bridge, writer.fence, writes), writer):
            case Failed() as failed:
                self._settle_failure(failed, answers, todo)
                return False
            case count:
                await self._applied(count, view, changes, answers)
                if any(_narrows(change) for change in changes):
                    await asyncio.sleep(self._rest)
                return True

    async def _transact(self, batch: Batch, writer: Writer) -> Failed | int:
        return outcome(batch, await self._db.transact(DATABASE, batch.ops, writer))

    def _accepts(self, view: View, change: PortChange, answers: dict[str, DeviceError | None]) -> bool:
        """Whether the port is to be written: it exists, is as expected and not yet as wanted."""
        if change.port not in view.ports:
            answers[change.port] = self._unknown(change.port)
            return False
        if wrong := foreign_vlans(CAPABILITIES, (), change):
            answers[change.port] = Refused(f"Port {change.port}: Open vSwitch cannot carry VLAN {fold(wrong)}.")
            return False
        state = parse.port(view.ports[change.port]).state
        if state == change.want:
            return False
        if change.have is not None and state != change.have:
            raise DeviceBusy(f"Port {change.port} was changed by somebody else since it was read: nothing was changed.")
        return True

    def _settle_failure(
        self, failed: Failed, answers: dict[str, DeviceError | None], todo: Sequence[PortChange]
    ) -> None:
        """Say whom a failed transaction concerns; the rest of the batch is put together anew."""
        refusal = f"Open vSwitch refused: {failed.words}."
        match failed.part:
            case Part.LOCK:
                raise DeviceBusy(f"Another session of HIL took over bridge {self._bridge}: nothing was changed.")
            case Part.ROW:
                raise DeviceBusy(f"Port {failed.port} is being changed by somebody else: nothing was changed.")
            case Part.PORT if failed.port in answers:
                answers[failed.port] = Refused(f"Port {failed.port}: {refusal}")
            case Part.PORT | Part.REST:
                answers.update({change.port: Refused(refusal) for change in todo})
            case Part.MARKS:
                pass  # the fence, or another program's mark: the next look tells

    async def _applied(
        self, count: int, view: View, changes: Sequence[PortChange], answers: dict[str, DeviceError | None]
    ) -> None:
        """Wait for the daemon, then look whether the interfaces that must carry something are there at all."""
        opened = {change.port: view.ports[change.port] for change in changes if change.want.enabled}
        owners = [
            (port, interface) for port, row in opened.items() for interface in parse.references(row.get("interfaces"))
        ]
        try:
            results = await self._waited(count, [_interface(interface) for _, interface in owners])
        except Unreachable as error:
            raise LostReply(f"The change was stored, but not seen to be applied: {error.message}") from error
        for place, (port, _) in enumerate(owners, start=1):
            for row in selected(results, place):
                if fault := _fault(row):
                    answers[port] = Refused(f"Port {port} is configured, but its interface is not there: {fault}.")

    async def _waited(self, count: int, ops: Sequence[Op]) -> list[Any]:
        """Run reads once `ovs-vswitchd` has applied everything up to `count`. Raises Unreachable."""
        wait = waiting(count, int(self._db.timeout * 1000))
        results = await self._db.transact(DATABASE, [wait, *ops], extra=1.0)
        if (failed := failure(results)) is not None:
            raise Unreachable(
                f"ovs-vswitchd behind {self._db.device} has not applied the database's contents: is it running?",
                detail=words(failed[1]),
            )
        return results

    async def _view(self, names: Collection[str] | None) -> View:
        """Read the bridge and these ports (None: all) as the daemon has applied them."""
        ops = self._reading(names)
        results = self._checked(await self._db.transact(DATABASE, ops))
        counts = selected(results, 0)
        if counts and counts[0].get("cur_cfg", 0) < counts[0].get("next_cfg", 0):
            results = self._checked((await self._waited(counts[0]["next_cfg"], ops))[1:])
        bridges = selected(results, 1)
        if not bridges:
            raise Refused(f"{self._db.device} has no bridge {self._bridge}.")
        return self._seen(dict(bridges[0]), results)

    def _seen(self, bridge: Row, results: Sequence[Any]) -> View:
        members, mirrors = parse.references(bridge.get("ports")), parse.references(bridge.get("mirrors"))
        found: dict[str, Row] = {}
        for place in range(3, len(results)):
            for row in selected(results, place):
                if parse.references(row.get("_uuid")) & members and isinstance(row.get("name"), str):
                    found[row["name"]] = dict(row)
        active = [row for row in selected(results, 2) if parse.references(row.get("_uuid")) & mirrors]
        targets = frozenset[str]().union(*(parse.references(row.get("output_port")) for row in active))
        vlans = {vlan for row in active for vlan in parse.atoms(row.get("output_vlan")) if isinstance(vlan, int)}
        return View(bridge, found.pop(self._bridge, None), found, targets, frozenset(vlans))

    def _reading(self, names: Collection[str] | None) -> list[Op]:
        ports = [_ALL] if names is None else [[["name", "==", name]] for name in sorted({*names, self._bridge})]
        return [
            _select("Open_vSwitch", _ALL, ("cur_cfg", "next_cfg")),
            _select("Bridge", [["name", "==", self._bridge]], _BRIDGE),
            _select("Mirror", _ALL, ("_uuid", "output_port", "output_vlan")),
            *(_select("Port", where, _PORT) for where in ports),
        ]

    def _checked(self, results: list[Any]) -> list[Any]:
        if (failed := failure(results)) is not None:
            raise Refused(f"{self._db.device} refused to be read: {words(failed[1])}.")
        return results

    def _unknown(self, *ports: str) -> Refused:
        return Refused(f"Bridge {self._bridge} has no port {', '.join(sorted(ports))}.")

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """End the session after anything but a refusal, a crash and a cancellation included."""
        guard.device()
        try:
            yield
        except Refused:
            raise
        except BaseException:
            self._db.abort()
            raise


def _narrows(change: PortChange) -> bool:
    """Whether the port may have carried, or carried untagged, what it shall not any more."""
    have, want = change.have, change.want
    return have is None or not have.vlans <= want.vlans or have.native not in (None, want.native)


def _select(table: str, where: Sequence[Any], columns: Sequence[str]) -> Op:
    return {"op": "select", "table": table, "where": list(where), "columns": list(columns)}


def _interface(uuid: str) -> Op:
    return _select("Interface", by_id({"_uuid": ["uuid", uuid]}), ("name", "ofport", "error"))


def _fault(interface: Mapping[str, Any]) -> str:
    """Say why the daemon has no such interface; an empty text if it has."""
    if errors := parse.atoms(interface.get("error")):
        return words(errors[0])
    numbers = parse.atoms(interface.get("ofport"))
    return "" if numbers and isinstance(numbers[0], int) and numbers[0] > 0 else "it has no port number"


def tls_context(config: Mapping[str, Any]) -> ssl.SSLContext:
    """Trust `ca` alone, show `certificate`. Raises Unreachable if a file cannot be used on this worker."""
    with mapped(f"{config['ovsdb']} with the files ca, certificate and private_key of this worker", sent=False):
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=config["ca"])
        context.load_cert_chain(config["certificate"], config["private_key"])
        return context


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the bridge of a configuration. Raises DeviceError."""
    guard.device()
    kind, host, port = remote(config["ovsdb"])
    timeout = config["timeout"]
    if kind == "unix":
        db = await connect_unix(host, timeout)
    else:
        db = await connect_tcp(host, port, timeout, tls_context(config) if kind == "ssl" else None)
    session = OvsSession(db, config["bridge"], config["rest"])
    try:
        await session.start()
    except BaseException:
        await session.close()
        raise
    return session
