"""A batch as steps, each one kind of object: what is narrowed comes before what is widened. Pure.

A port that must become less than it was in a way that its PVID shows (closed, or left without a native VLAN), and one
of which nothing is known, is shut first: some agents put a port into the VLAN that its PVID names, and that is then
the resting VLAN, with the port down. All others stay up, and every step leaves them within old ∪ new: frames whose
VLAN the port is not in are dropped, because ingress filtering is on wherever a state was representable at all.

    VLANs → shut → PVID, frame types, ingress filtering → leave VLANs → join VLANs → open
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hil.core.model import PortChange, PortState
from hil.drivers.switch.order import differing

REST = 1
"""The PVID of ports without a native VLAN, where no `parked` VLAN was given: they are not in it."""


@dataclass(frozen=True, slots=True)
class Shut:
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Create:
    vlan: int


@dataclass(frozen=True, slots=True)
class Take:
    """Which frames a port takes without a tag, and into which VLAN; ingress filtering on."""

    port: str
    native: int | None
    pvid: int


@dataclass(frozen=True, slots=True)
class Leave:
    """Ports leave a VLAN, or stay in it tagged only. `vlan` None: whatever VLAN is not in `but`, for one port."""

    vlan: int | None
    ports: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    but: PortState | None = None


@dataclass(frozen=True, slots=True)
class Join:
    vlan: int
    tagged: tuple[str, ...]
    untagged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Open:
    ports: tuple[str, ...]


Step = Shut | Create | Take | Leave | Join | Open


def plan(batch: Iterable[PortChange], rest: int) -> list[Step]:
    """Answer the steps of a batch in their order; what is as it must be yields none."""
    todo = differing(batch)
    steps: list[Step] = []
    steps += [Create(vlan) for vlan in sorted({vlan for change in todo for vlan in _new(change)})]
    if down := tuple(change.port for change in todo if shuts(change)):
        steps.append(Shut(down))
    steps += [
        Take(change.port, change.want.native, rest if change.want.native is None else change.want.native)
        for change in todo
        if change.have is None or not change.have.enabled or change.have.native != change.want.native
    ]
    steps += [Leave(None, (change.port,), but=change.want) for change in todo if change.have is None]
    steps += _leaving(todo)
    steps += _joining(todo)
    if up := tuple(change.port for change in todo if _opens(change)):
        steps.append(Open(up))
    return steps


def shuts(change: PortChange) -> bool:
    """Whether the port must be down while it is changed."""
    have, want = change.have, change.want
    return have is None or not want.enabled or (have.native is not None and want.native is None)


def _opens(change: PortChange) -> bool:
    return change.want.enabled and (shuts(change) or (change.have is not None and not change.have.enabled))


def _new(change: PortChange) -> frozenset[int]:
    return change.want.vlans - (change.have.vlans if change.have else frozenset())


def _leaving(todo: Sequence[PortChange]) -> list[Step]:
    gone: dict[int, list[str]] = {}
    tag: dict[int, list[str]] = {}
    for change in todo:
        if change.have is None:
            continue
        for vlan in change.have.vlans - change.want.vlans:
            gone.setdefault(vlan, []).append(change.port)
        if (native := change.have.native) is not None and native in change.want.tagged:
            tag.setdefault(native, []).append(change.port)
    return [Leave(vlan, tuple(gone.get(vlan, ())), tuple(tag.get(vlan, ()))) for vlan in sorted(gone.keys() | tag)]


def _joining(todo: Sequence[PortChange]) -> list[Step]:
    tagged: dict[int, list[str]] = {}
    untagged: dict[int, list[str]] = {}
    for change in todo:
        have = change.have or PortState()
        for vlan in change.want.tagged - have.vlans:
            tagged.setdefault(vlan, []).append(change.port)
        if (native := change.want.native) is not None and native != have.native:
            untagged.setdefault(native, []).append(change.port)
    return [
        Join(vlan, tuple(tagged.get(vlan, ())), tuple(untagged.get(vlan, ())))
        for vlan in sorted(tagged.keys() | untagged)
    ]


def lines(batch: Iterable[PortChange], rest: int) -> list[str]:
    """Write the steps of a batch for people, one a line."""
    return [line(step) for step in plan(batch, rest)]


def line(step: Step) -> str:
    match step:
        case Shut(ports):
            return f"ifAdminStatus down(2): {', '.join(ports)}"
        case Create(vlan):
            return f"dot1qVlanStaticRowStatus.{vlan} createAndGo(4), unless VLAN {vlan} exists"
        case Take(port, native, pvid):
            frames = "admitOnlyVlanTagged(2)" if native is None else "admitAll(1)"
            return f"dot1qPvid {pvid}, dot1qPortAcceptableFrameTypes {frames}, ingress filtering true(1): {port}"
        case Leave(None, ports, _, but):
            kept = "no VLAN" if but is None or not but.enabled else f"no VLAN but ({but})"
            return f"dot1qVlanStaticEgressPorts, dot1qVlanStaticUntaggedPorts, {kept} keeps: {', '.join(ports)}"
        case Leave(vlan, ports, tag):
            parts = [f"leave: {', '.join(ports)}"] if ports else []
            parts += [f"tagged from now on: {', '.join(tag)}"] if tag else []
            return f"dot1qVlanStaticEgressPorts.{vlan}, dot1qVlanStaticUntaggedPorts.{vlan} {'; '.join(parts)}"
        case Join(vlan, tagged, untagged):
            parts = [f"join tagged: {', '.join(tagged)}"] if tagged else []
            parts += [f"join untagged: {', '.join(untagged)}"] if untagged else []
            return f"dot1qVlanStaticEgressPorts.{vlan}, dot1qVlanStaticUntaggedPorts.{vlan} {'; '.join(parts)}"
        case Open(ports):
            return f"ifAdminStatus up(1): {', '.join(ports)}"
