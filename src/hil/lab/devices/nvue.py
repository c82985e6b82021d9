"""An emulated Cumulus switch: the NVUE REST API, with revisions that take effect as a whole when they are applied.

Revision names hold slashes, as those of earlier releases do. Applying may take several polls; what NVUE does not take
ends as `invalid`, with the place in the tree. An applied revision is lost in a reboot unless it was saved.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from hil.core.wiring import canonical_mac
from hil.drivers.switch.mock.faults import FaultKind, Op
from hil.lab.devices import Served
from hil.lab.devices.model import Busy, Config, Device, Dropped, Session
from hil.lab.devices.nvue_tree import BRIDGE, FACTORY, NvueRule, meant, merged, tree
from hil.lab.devices.web import Answer, Request, as_json, serve


@dataclass(slots=True)
class Revision:
    """A tree of interfaces in the making; `polls` is how often it is still seen at work."""

    trees: dict[str, Any]
    state: str = "pending"
    polls: int = 0
    issue: dict[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        state = "ready" if self.polls else self.state
        return {"state": state, "transition": {"issue": self.issue, "progress": ""}}


class NvuePlatform:
    """The switch behind the API; it lives as long as it is served."""

    def __init__(self, device: Device, polls: int = 0) -> None:
        self.device, self.polls = device, polls
        self.revisions: dict[str, Revision] = {}

    async def __call__(self, session: Session, request: Request) -> Answer:
        if not request.path or request.path[0] != "nvue_v1":
            return _error(404, "The requested URL was not found on the server.")
        saving = request.path[1:] == ("revision", "applied") and request.method == "PATCH"
        op = Op.SAVE if saving else Op.READ if request.method == "GET" else Op.WRITE
        try:
            await session.enter(op)
        except Busy:
            return _error(503, "Another apply operation is in progress")
        answer = self._answer(session, request)
        session.leave(op)
        return answer

    def _answer(self, session: Session, request: Request) -> Answer:
        match request.method, *request.path[1:]:
            case "GET", "system":
                return as_json({"hostname": "cumulus", "build": "Cumulus Linux 5.9.1"})
            case "GET", "platform":
                return as_json({"product-name": "VX", "serial-number": "52:54:00:00:00:ff"})
            case "GET", "interface":
                return as_json(self._interfaces(request.query.get("rev", "applied")))
            case "GET", "bridge", "domain", "br_default", "mac-table":
                return as_json(self._macs())
            case "GET", "revision":
                return as_json({name: revision.shown() for name, revision in self.revisions.items()})
            case "POST", "revision":
                return self._made()
            case "PATCH", "revision", "applied":
                words = session.save()
                return as_json({"state": "save", "transition": {}}) if words is None else _error(500, words)
            case _, "revision", name if name in self.revisions:
                return self._revision(session, request, self.revisions[name])
            case "PATCH", "interface" if request.query.get("rev") in self.revisions:
                return self._patched(session, request)
            case _:
                return _error(404, "The requested item does not exist.")

    def _interfaces(self, revision: str) -> dict[str, Any]:
        ports = self.device.config.ports
        if revision != "operational":
            bonds = {port.lag for port in ports.values() if port.lag}
            members: dict[str, Any] = {bond: {n: {} for n, port in ports.items() if port.lag == bond} for bond in bonds}
            return {
                **{bond: {"type": "bond", "bond": {"member": found}} for bond, found in members.items()},
                **{name: tree(port) for name, port in ports.items()},
                "eth0": {"type": "eth", "ip": {"address": {"dhcp": {}}}},
            }
        return {name: {"type": "swp", "lldp": {"neighbor": self._heard(name)}} for name in ports} | {"eth0": {}}

    def _heard(self, port: str) -> dict[str, Any]:
        return {
            n.name or n.chassis: {
                "age": "0:01:00",
                "chassis": {"chassis-id": n.chassis, "system-name": n.name},
                "port": {"name": n.port, "type": "mac" if canonical_mac(n.port) else "ifname"},
            }
            for n in self.device.neighbours.get(port, [])
        }

    def _macs(self) -> dict[str, Any]:
        rows = [
            {"interface": p, "mac": m.address, "vlan": m.vlan} for p, found in self.device.macs.items() for m in found
        ]
        own = {"interface": BRIDGE, "mac": "52:54:00:00:00:ff", "vlan": 1, "entry-type": "permanent"}
        return {str(number): row for number, row in enumerate([own, *rows], start=1)}

    def _made(self) -> Answer:
        name = f"changeset/hil/{len(self.revisions) + 1}"
        self.revisions[name] = Revision({port: tree(config) for port, config in self.device.config.ports.items()})
        return as_json({name: self.revisions[name].shown()})

    def _patched(self, session: Session, request: Request) -> Answer:
        """Merge a patch into a revision; an interface that is not there is refused at once."""
        revision, patch = self.revisions[request.query["rev"]], request.json()
        if not isinstance(patch, dict) or revision.state != "pending":
            return _error(400, "The revision is not pending, or the body is no object.")
        for port, change in patch.items():
            if port not in self.device.config.ports:
                return _error(400, f"Unknown interface {port}")
            if change.get("link") and session.device.faults.strike(FaultKind.HALF, Op.WRITE, port):
                session.close()
                raise Dropped
            revision.trees[port] = merged(revision.trees[port], change)
        return as_json(patch)

    def _revision(self, session: Session, request: Request, revision: Revision) -> Answer:
        if request.method == "GET":
            shown = revision.shown()
            revision.polls = max(revision.polls - 1, 0)
            return as_json(shown)
        asked = request.json()
        if request.method != "PATCH" or not isinstance(asked, dict) or asked.get("state") != "apply":
            return _error(400, "A revision can only be applied.")
        if asked.get("auto-prompt") != {"ays": "ays_yes"}:
            revision.state = "ays_fail"
            revision.issue = {"0": {"code": "client_timeout", "message": "Timeout while waiting for client response"}}
        else:
            self._apply(session, revision)
        return as_json(revision.shown() | {"state": "apply"})

    def _apply(self, session: Session, revision: Revision) -> None:
        old = self.device.config
        candidate = Config({}, set(old.vlans))
        for port, before in old.ports.items():
            if revision.trees[port] == tree(before):
                candidate.ports[port] = before
                continue
            words = session.refusal(port)
            try:
                candidate.ports[port] = meant(revision.trees[port], before)
            except ValueError as error:
                words = str(error)
            if words is not None:
                place = f"interface.{port}.bridge.domain.{BRIDGE}"
                message = f"Config invalid at {place}: {words}"
                revision.issue = {"0": {"code": "config_invalid", "message": message, "severity": "error"}}
                revision.state = "invalid"
                return
        session.commit(candidate)
        revision.state, revision.polls = "applied", self.polls


def _error(status: int, detail: str) -> Answer:
    titles = {400: "Bad Request", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}
    return as_json({"title": titles[status], "status": status, "detail": detail}, status)


@dataclass(frozen=True, slots=True)
class NvueEmulator:
    ports: tuple[str, ...] = ("swp1", "swp2", "swp3", "swp4", "swp5s0", "swp5s1")

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        return Device(name, NvueRule(), ports or self.ports, **({"factory": FACTORY} | settings))

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        async with serve(device, NvuePlatform(device)) as served:
            yield served


EMULATOR: Final = NvueEmulator()
