"""What v1 shows: the shapes of answers, as the OpenAPI document promises them. `views` makes them; tests compare.

Times are RFC 3339 in UTC. Whatever only operators may know is null for others.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from hil.api.v1.shapes import AuditWord, RoleName

NodeWord = Literal["free", "allocated", "releasing", "maintenance", "quarantined"]
StatusWord = Literal["PENDING", "DONE", "ERROR"]


class Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Fault(Reply):
    loc: list[str]
    msg: str


class Problem(Reply):
    """RFC 9457. `type` is stable, `instance` is the id of the request, `retry` says whether trying again can help."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    retry: bool
    errors: list[Fault] | None = None


class Root(Reply):
    name: str
    version: str
    links: dict[str, str]


class ProjectRole(Reply):
    project: str
    role: RoleName


class WhoAmI(Reply):
    """`via` names the credential: `basic`, `key:<id>` or another backend's word."""

    user: str
    operator: bool
    via: str
    projects: list[ProjectRole]


class Project(Reply):
    name: str
    enabled: bool
    quota_nodes: int | None
    quota_networks: int | None
    nodes: int
    networks: int


class ProjectPage(Reply):
    items: list[Project]
    next: str | None


class Member(Reply):
    user: str
    role: RoleName


class MemberPage(Reply):
    items: list[Member]
    next: str | None


class Node(Reply):
    """`project` is null for a node of another project."""

    name: str
    state: NodeWord
    project: str | None
    labels: dict[str, str]


class NodePage(Reply):
    items: list[Node]
    next: str | None


class NodeList(Reply):
    nodes: list[Node]


class NicNetwork(Reply):
    channel: str
    network: str
    state: Literal["connecting", "attached", "detaching"]


class Nic(Reply):
    """`switch` and `port` are null unless an operator asks."""

    name: str
    macaddr: str
    switch: str | None
    port: str | None
    networks: list[NicNetwork]


class NodeDetail(Node):
    """`reason` says why a state waits; null where it is not the caller's."""

    reason: str | None
    deadline: str | None
    metadata: dict[str, Any]
    nics: list[Nic]


class Action(Reply):
    """`switch` and `port` are null unless an operator asks."""

    node: str
    nic: str
    verb: Literal["connect", "detach", "revert", "close"]
    channel: str
    network: str | None
    status: StatusWord
    reason: str
    switch: str | None
    port: str | None


class Operation(Reply):
    id: str
    kind: str
    status: StatusWord
    reason: str
    node: str
    actor: str
    created_at: str
    deadline: str | None
    project: str | None
    actions: list[Action]


class OperationPage(Reply):
    items: list[Operation]
    next: str | None


class Network(Reply):
    """`access` is whole for its owner and operators; others see the owner and their own projects in it."""

    name: str
    owner: str | None
    public: bool
    access: list[str]
    net_id: str
    channels: list[str]


class NetworkPage(Reply):
    items: list[Network]
    next: str | None


class NetworkAttachment(Reply):
    node: str
    nic: str
    channel: str
    state: Literal["connecting", "attached", "detaching"]
    project: str | None


class AttachmentPage(Reply):
    items: list[NetworkAttachment]
    next: str | None


class Lane(Reply):
    """How far HIL is with a switch; `pending` counts ports, `oldest_taint` is since when one of them is unknown."""

    owner: str | None
    error: str
    retry_at: str | None
    contact_at: str | None
    audited_at: str | None
    pending: int
    oldest_taint: str | None


class Capabilities(Reply):
    nativeless: Literal["true", "parked", "no"]
    update: Literal["replace-port", "delta-port", "vlan-bitmap", "whole-file"]
    atomicity: Literal["switch", "port", "none"]
    save: Literal["explicit", "on-commit", "automatic"]
    batch_read: bool
    fenced: bool
    confirm_timer: list[int] | None
    vlans: str
    reserved: str
    max_line_chars: int | None
    max_request_bytes: int | None
    max_sessions: int | None
    connects_per_minute: int | None


class Switch(Reply):
    """`capabilities` is null while its driver is not installed."""

    name: str
    driver: str
    config: dict[str, Any]
    audit: AuditWord
    lane: Lane
    capabilities: Capabilities | None


class SwitchPage(Reply):
    items: list[Switch]
    next: str | None


class PortCarries(Reply):
    native: int | None
    tagged: list[int]


class NotRepresentable(Reply):
    """What the switch says of a port that is in no state HIL could mean."""

    reason: str
    raw: str


class Port(Reply):
    switch: str
    name: str
    node: str | None
    nic: str | None
    locked: bool
    quarantined: bool
    drifted: bool
    tainted: bool
    wanted: int
    applied: int
    wish: PortCarries
    observed: PortCarries | NotRepresentable | None
    read_at: str | None
    error: str
    networks: dict[str, str]


class PortPage(Reply):
    items: list[Port]
    next: str | None


class Driver(Reply):
    """`config_schema` is the JSON Schema of a switch's `config`; null if the driver does not say."""

    name: str
    title: str
    capabilities: Capabilities
    config_schema: dict[str, Any] | None
    secrets: list[str]


class DriverPage(Reply):
    items: list[Driver]
    next: str | None


class Pool(Reply):
    """Ids as ranges: of the pool, of networks, of switches, still carried by a port, and free."""

    pool: str
    used: str
    reserved: str
    draining: str
    free: str


class User(Reply):
    name: str
    operator: bool
    projects: list[ProjectRole]


class UserPage(Reply):
    items: list[User]
    next: str | None


class Key(Reply):
    """`project` and `role` null: whatever its user has."""

    id: str
    user: str
    project: str | None
    role: RoleName | None
    operator: bool
    description: str
    created_at: str
    expires_at: str | None


class KeyCreated(Key):
    """`token` is shown here and never again."""

    token: str


class KeyPage(Reply):
    items: list[Key]
    next: str | None


class PlannedPort(Reply):
    port: str
    have: PortCarries | NotRepresentable | None
    want: PortCarries


class PlannedSwitch(Reply):
    """`basis` says how old the picture is that the lines begin from; `error` why there are no lines."""

    switch: str
    driver: str
    basis: str
    ports: list[PlannedPort]
    lines: list[str]
    error: str


class Plan(Reply):
    switches: list[PlannedSwitch]


class TroubledSwitch(Reply):
    switch: str
    error: str
    attempts: int
    retry_at: str | None


class WaitingNode(Reply):
    name: str
    state: NodeWord
    reason: str
    deadline: str | None
    project: str | None


class Trouble(Reply):
    """At most a thousand of each; `truncated` says that there is more."""

    ports: list[Port]
    switches: list[TroubledSwitch]
    nodes: list[WaitingNode]
    truncated: bool


class Entry(Reply):
    """One line of the audit log; `before` and `after` are what was changed."""

    seq: int
    at: str
    actor: str
    via: str
    remote: str
    request_id: str
    action: str
    kind: str
    name: str
    project: str | None
    public: bool
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: str


class EntryPage(Reply):
    items: list[Entry]
    next: str | None
