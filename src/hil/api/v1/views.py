"""From rows and plain values to what v1 shows: pure functions, without a query and without a decision.

Who may see what was decided by the policy when the rows were found; here it is only obeyed: `inside` and `operator` say
whether the caller is of the object's project, or an operator. The shapes are those of `replies`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hil.core.devices import Capabilities, SwitchSpec
from hil.core.model import NATIVE, Observed, PortState
from hil.core.vlans import fold
from hil.drivers.registry import capabilities_of, settings_schema
from hil.services.event import Line
from hil.services.facts import Books
from hil.services.inside import Card, Inside
from hil.services.key import KeyView
from hil.services.operation import ActionView, OperationView
from hil.services.plan import PlannedSwitch, observed
from hil.services.ssh_key import SshKeyView
from hil.services.user import UserView
from hil.store.tables import Attachment, Lane, Network, Nic, Node, Port, Project, Switch

View = dict[str, Any]


def moment(at: float | None) -> str | None:
    """RFC 3339 in UTC; null for never."""
    if not at:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def project(row: Project, holdings: tuple[int, int] = (0, 0)) -> View:
    return {
        "name": row.name,
        "enabled": row.enabled,
        "quota_nodes": row.quota_nodes,
        "quota_networks": row.quota_networks,
        "nodes": holdings[0],
        "networks": holdings[1],
    }


def node(row: Node, *, inside: bool) -> View:
    """A node in a list; its labels and project were loaded."""
    return {
        "name": row.name,
        "state": row.state,
        "project": row.project.name if inside and row.project is not None else None,
        "labels": {label.key: label.value for label in row.labels},
    }


def node_detail(found: Inside, *, inside: bool, operator: bool) -> View:
    return {
        "name": found.name,
        "state": found.state,
        "project": found.project if inside else None,
        "labels": found.labels,
        "reason": found.reason if inside else None,
        "deadline": moment(found.deadline) if inside else None,
        "metadata": {key: _json(value) for key, value in found.metadata.items()},
        "nics": [nic(card, operator=operator) for card in found.nics.values()],
    }


def _json(text: str) -> Any:
    """Read stored JSON; what is none of its numbers (an old `NaN`) becomes null."""
    return json.loads(text, parse_constant=lambda word: None)


def nic(card: Card, *, operator: bool) -> View:
    return {
        "name": card.name,
        "macaddr": card.macaddr,
        "switch": card.switch if operator else None,
        "port": card.port if operator else None,
        "networks": [
            {"channel": channel, "network": network, "state": state} for channel, network, state in card.networks
        ],
    }


def operation(seen: OperationView, projects: Mapping[int, str], *, operator: bool) -> View:
    return {
        "id": seen.id,
        "kind": seen.kind,
        "status": seen.status,
        "reason": seen.reason,
        "node": seen.node,
        "actor": seen.actor,
        "created_at": moment(seen.created_at),
        "deadline": moment(seen.deadline),
        "project": None if seen.project_id is None else projects.get(seen.project_id),
        "actions": [_action(action, operator=operator) for action in seen.actions],
    }


def _action(seen: ActionView, *, operator: bool) -> View:
    return {
        "node": seen.node,
        "nic": seen.nic,
        "verb": seen.verb,
        "channel": seen.channel,
        "network": seen.network,
        "status": seen.status,
        "reason": seen.reason,
        "switch": seen.switch if operator else None,
        "port": seen.port if operator else None,
    }


def network(row: Network, mine: Collection[int] | None) -> View:
    """A network with its access list; `mine` are the projects of a caller who may see only those and the owner."""
    seen = [grant.project.name for grant in row.grants if mine is None or grant.project_id in (*mine, row.owner_id)]
    return {
        "name": row.name,
        "owner": row.owner.name if row.owner is not None else None,
        "public": row.public,
        "access": seen,
        "net_id": str(row.vlan.id),
        "channels": [NATIVE, f"vlan/{row.vlan.id}"],
    }


def attachment(machine: Node, card: Nic, row: Attachment) -> View:
    return {
        "node": machine.name,
        "nic": card.name,
        "channel": row.channel,
        "state": row.state,
        "project": machine.project.name if machine.project is not None else None,
    }


def switch(row: Switch, row_lane: Lane, books: Books, spec: SwitchSpec | None) -> View:
    return {
        "name": row.name,
        "driver": row.driver,
        "config": row.config,
        "audit": row.audit,
        "lane": lane(row_lane, books),
        "capabilities": None if spec is None else capabilities(capabilities_of(spec, row.config)),
    }


def lane(row: Lane, books: Books) -> View:
    return {
        "owner": row.owner,
        "error": row.error,
        "retry_at": moment(row.retry_at),
        "contact_at": moment(row.contact_at),
        "audited_at": moment(row.audited_at),
        "pending": books.pending,
        "oldest_taint": moment(books.oldest_taint),
    }


def capabilities(can: Capabilities) -> View:
    return {
        "nativeless": can.nativeless,
        "update": can.update,
        "atomicity": can.atomicity,
        "save": can.save,
        "batch_read": can.batch_read,
        "fenced": can.fenced,
        "confirm_timer": None if can.confirm_timer is None else list(can.confirm_timer),
        "vlans": f"{can.vlans[0]}-{can.vlans[1]}",
        "reserved": fold(can.reserved),
        "max_line_chars": can.max_line_chars,
        "max_request_bytes": can.max_request_bytes,
        "max_sessions": can.max_sessions,
        "connects_per_minute": can.connects_per_minute,
    }


def driver(spec: SwitchSpec) -> View:
    return {
        "name": spec.name,
        "title": spec.title,
        "capabilities": capabilities(spec.capabilities),
        "config_schema": settings_schema(spec),
        "secrets": sorted(spec.secrets),
    }


def port(row: Port, switch_name: str, wish: PortState, networks: Mapping[str, str]) -> View:
    """A port whose NIC and node were loaded."""
    return {
        "switch": switch_name,
        "name": row.name,
        "node": row.nic.node.name if row.nic is not None else None,
        "nic": row.nic.name if row.nic is not None else None,
        "locked": row.locked,
        "quarantined": row.quarantined,
        "drifted": row.drifted,
        "tainted": row.tainted,
        "wanted": row.wanted,
        "applied": row.applied,
        "wish": carries(wish),
        "observed": observation(observed(row)),
        "read_at": moment(row.read_at),
        "error": row.error,
        "networks": dict(networks),
    }


def carries(state: PortState) -> View:
    return {"native": state.native, "tagged": sorted(state.tagged)}


def observation(seen: Observed | None) -> View | None:
    if seen is None:
        return None
    return carries(seen.state) if seen.state is not None else {"reason": seen.reason, "raw": seen.raw}


def user(seen: UserView) -> View:
    roles = [{"project": name, "role": str(role)} for name, role in seen.projects.items()]
    return {"name": seen.name, "operator": seen.operator, "projects": roles}


def key(seen: KeyView) -> View:
    return {
        "id": seen.id,
        "user": seen.user,
        "project": seen.project,
        "role": None if seen.role is None else str(seen.role),
        "operator": seen.operator,
        "description": seen.description,
        "created_at": moment(seen.created_at),
        "expires_at": moment(seen.expires_at),
    }


def ssh_key(seen: SshKeyView) -> View:
    return {
        "id": seen.id,
        "user": seen.user,
        "fingerprint": seen.fingerprint,
        "public_key": seen.line,
        "project": seen.project,
        "role": None if seen.role is None else str(seen.role),
        "description": seen.description,
        "created_at": moment(seen.created_at),
        "expires_at": moment(seen.expires_at),
    }


def planned(seen: PlannedSwitch) -> View:
    since = "never read" if seen.read_at is None else f"as read at {moment(seen.read_at)}"
    unread = f", {seen.never_read} of them never" if seen.never_read and seen.read_at is not None else ""
    return {
        "switch": seen.switch,
        "driver": seen.driver,
        "basis": since + unread,
        "ports": [
            {"port": entry.port, "have": observation(entry.have), "want": carries(entry.want)} for entry in seen.ports
        ],
        "lines": list(seen.lines),
        "error": seen.error,
    }


def troubled(name: str, row: Lane) -> View:
    return {"switch": name, "error": row.error, "attempts": row.attempts, "retry_at": moment(row.retry_at)}


def waiting(row: Node) -> View:
    return {
        "name": row.name,
        "state": row.state,
        "reason": row.reason,
        "deadline": moment(row.deadline),
        "project": row.project.name if row.project is not None else None,
    }


def entry(line: Line) -> View:
    """A line of the audit log, for operators."""
    return {
        "seq": line.seq,
        "at": moment(line.at),
        "actor": line.actor,
        "via": line.via,
        "remote": line.remote,
        "request_id": line.request_id,
        "action": line.action,
        "kind": line.kind,
        "name": line.name,
        "project": line.project,
        "public": line.public,
        "before": line.before,
        "after": line.after,
        "outcome": line.outcome,
    }


def event(line: Line, facts: View | None, *, inside: bool) -> View:
    """The data of a server-sent event."""
    return {
        "at": moment(line.at),
        "kind": line.kind,
        "name": line.name,
        "action": line.action,
        "project": line.project if inside else None,
        "after": facts,
    }


def roles(names: Mapping[int, str], held: Mapping[int, Any]) -> Sequence[View]:
    """The caller's roles by project name."""
    return [
        {"project": names[identity], "role": str(role)}
        for identity, role in sorted(held.items(), key=lambda pair: names.get(pair[0], ""))
        if identity in names
    ]
