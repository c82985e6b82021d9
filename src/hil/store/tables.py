"""The tables.

Uniqueness here is not tidiness but locking: two requests that would give one VLAN, one NIC channel or one node away
twice meet in a unique index. Relations are never loaded by accident (`lazy="raise"`): a query says what it fetches.
Times are UTC seconds since 1970, as floats: they compare the same on both databases.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
CASCADE = "CASCADE"
_PENDING = text("wanted > applied")
_STAYS = text("state <> 'detaching'")
_ONLY_STAYING: dict[str, Any] = {"sqlite_where": _STAYS, "postgresql_where": _STAYS}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON, str: String(255), float: Float(53)}


class Versioned:
    """A row with an entity tag: every change of what a caller can read raises `version`. No id is used twice."""

    __table_args__: Any = ({"sqlite_autoincrement": True},)  # journal lines and kept answers outlive whom they name
    version: Mapped[int] = mapped_column(default=1)


class Project(Versioned, Base):
    __tablename__ = "project"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    quota_nodes: Mapped[int | None]
    quota_networks: Mapped[int | None]


class User(Versioned, Base):
    __tablename__ = "user_account"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str | None]
    operator: Mapped[bool] = mapped_column(default=False)


class Membership(Base):
    __tablename__ = "membership"
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete=CASCADE), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete=CASCADE), primary_key=True, index=True)
    role: Mapped[int]


class ApiKey(Base):
    """A key acts as its user, at most with `role` in `project_id`; None: whatever the user has at the time.

    `operator`: it also carries its user's operator power. `parent_id`: the key that made it, and takes it along.
    """

    __tablename__ = "api_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[str]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete=CASCADE), index=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id", ondelete=CASCADE))
    role: Mapped[int | None]
    operator: Mapped[bool] = mapped_column(default=False)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id", ondelete=CASCADE), index=True)
    description: Mapped[str] = mapped_column(default="")
    created_at: Mapped[float]
    expires_at: Mapped[float | None]


class SshKey(Base):
    """A public key of a user: whoever holds its private half may do what the credential could that registered it.

    `project_id` and `role` are that credential's limits, as in `ApiKey`, and `parent_id` the API key, if it was one. It
    never carries operator power. `line` is the key without its comment.
    """

    __tablename__ = "ssh_key"
    __table_args__ = (UniqueConstraint("user_id", "fingerprint"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete=CASCADE))
    fingerprint: Mapped[str] = mapped_column(index=True)
    line: Mapped[str] = mapped_column(Text)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id", ondelete=CASCADE))
    role: Mapped[int | None]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id", ondelete=CASCADE), index=True)
    description: Mapped[str] = mapped_column(default="")
    created_at: Mapped[float]
    expires_at: Mapped[float | None]


class Node(Versioned, Base):
    """`state` and `project_id` move together; `reason` says why a waiting state waits."""

    __tablename__ = "node"
    __table_args__ = (
        CheckConstraint(
            "(state IN ('allocated', 'releasing')) = (project_id IS NOT NULL) OR state = 'quarantined'",
            name="owned",
        ),
        Index("ix_node_free", "state", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(String(16), default="free")
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"), index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    deadline: Mapped[float | None]
    release_id: Mapped[str | None] = mapped_column(String(36))
    cleaned: Mapped[bool] = mapped_column(default=True)
    """The cleaning hook has succeeded for the release in progress."""
    notice: Mapped[bool] = mapped_column(default=False)
    """The maintenance service has still to be told that it got this node."""
    obmd_uri: Mapped[str | None] = mapped_column(Text)
    """Of our own obmd its base, of a foreign OBMd the node there."""
    obmd_own: Mapped[bool] = mapped_column(default=False)
    """An obmd of ours, which takes capabilities; else a foreign one, with an admin token."""
    obmd_admin_token: Mapped[bytes | None] = mapped_column(LargeBinary)
    obm_token: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the original protocol; there while the node's OBM is enabled, at either kind of OBMd."""
    obm_epoch: Mapped[int] = mapped_column(default=0)
    obm_revoke: Mapped[bool] = mapped_column(default=False)
    """Something may still be alive at the OBMd, and must be ended there before the node changes hands."""
    project: Mapped[Project | None] = relationship(lazy="raise")
    nics: Mapped[list[Nic]] = relationship(
        lazy="raise", back_populates="node", order_by="Nic.name", passive_deletes=True
    )
    labels: Mapped[list[NodeLabel]] = relationship(lazy="raise", order_by="NodeLabel.key", passive_deletes=True)
    entries: Mapped[list[NodeMetadata]] = relationship(lazy="raise", order_by="NodeMetadata.key", passive_deletes=True)


class NodeLabel(Base):
    __tablename__ = "node_label"
    __table_args__ = (Index("ix_node_label_key_value", "key", "value", "node_id"),)
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id", ondelete=CASCADE), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class NodeMetadata(Base):
    __tablename__ = "node_metadata"
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id", ondelete=CASCADE), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    """JSON text, as it is handed out by the original API."""


class Switch(Versioned, Base):
    """`config` holds a driver's settings without its secrets; `secrets` holds those, encrypted."""

    __tablename__ = "switch"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    driver: Mapped[str]
    config: Mapped[dict[str, Any]]
    secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    audit: Mapped[str] = mapped_column(String(16), default="heal")


class Nic(Base):
    __tablename__ = "nic"
    __table_args__ = (UniqueConstraint("node_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("node.id"))
    name: Mapped[str]
    macaddr: Mapped[str] = mapped_column(default="")
    node: Mapped[Node] = relationship(lazy="raise", back_populates="nics")
    port: Mapped[Port | None] = relationship(lazy="raise", back_populates="nic", passive_deletes=True)
    attachments: Mapped[list[Attachment]] = relationship(
        lazy="raise", back_populates="nic", order_by="Attachment.channel", passive_deletes=True
    )


class Port(Base):
    """A switch port and the books of its engine.

    `wanted` is the newest generation that was asked for, `applied` the newest that was read back. A port is *settled*
    when the two are equal and it is not tainted. `tainted` is set before a device is touched and cleared only by a
    read-back that matches. `observed` is that read-back (`{"native", "tagged"}` or `{"reason", "raw"}`). HIL never
    writes a `locked` port and leaves an unwired one alone; a quarantined one is kept closed whatever is wished.
    """

    __tablename__ = "port"
    __table_args__ = (
        UniqueConstraint("switch_id", "name"),
        CheckConstraint("applied <= wanted", name="receipts"),
        Index("ix_port_pending", "switch_id", sqlite_where=_PENDING, postgresql_where=_PENDING),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    switch_id: Mapped[int] = mapped_column(ForeignKey("switch.id"))
    name: Mapped[str]
    nic_id: Mapped[int | None] = mapped_column(ForeignKey("nic.id"), unique=True)
    locked: Mapped[bool] = mapped_column(default=False)
    wanted: Mapped[int] = mapped_column(default=0)
    applied: Mapped[int] = mapped_column(default=0)
    tainted: Mapped[bool] = mapped_column(default=False)
    tainted_at: Mapped[float | None]
    quarantined: Mapped[bool] = mapped_column(default=False)
    drifted: Mapped[bool] = mapped_column(default=False)
    observed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    read_at: Mapped[float | None]
    error: Mapped[str] = mapped_column(Text, default="")
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[float] = mapped_column(default=0.0)
    switch: Mapped[Switch] = relationship(lazy="raise")
    nic: Mapped[Nic | None] = relationship(lazy="raise", back_populates="port")


class PortVlan(Base):
    """VLANs that a port may carry: all that was ever sent to it since it was last read back, and what was read then.

    While a row names an id, the allocator hands that id to nobody.
    """

    __tablename__ = "port_vlan"
    port_id: Mapped[int] = mapped_column(ForeignKey("port.id", ondelete=CASCADE), primary_key=True)
    vlan: Mapped[int] = mapped_column(primary_key=True, index=True)


class Network(Versioned, Base):
    """`owner_id` None: an operator's network. `public` stands alone: an empty access list means nobody."""

    __tablename__ = "network"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"), index=True)
    public: Mapped[bool] = mapped_column(default=False)
    owner: Mapped[Project | None] = relationship(lazy="raise")
    vlan: Mapped[Vlan] = relationship(lazy="raise", back_populates="network", uselist=False, passive_deletes=True)
    grants: Mapped[list[Grant]] = relationship(lazy="raise", order_by="Grant.id", passive_deletes=True)


class Grant(Base):
    """One entry of a network's access list."""

    __tablename__ = "network_access"
    __table_args__ = (UniqueConstraint("network_id", "project_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id", ondelete=CASCADE))
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    project: Mapped[Project] = relationship(lazy="raise")


class Vlan(Base):
    """Every usable id, 1 to 4094; `network_id` says whose it is, `reserved` how many switches claim it."""

    __tablename__ = "vlan"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pool: Mapped[bool] = mapped_column(default=False)
    reserved: Mapped[int] = mapped_column(default=0)
    network_id: Mapped[int | None] = mapped_column(ForeignKey("network.id", ondelete="SET NULL"), unique=True)
    network: Mapped[Network | None] = relationship(lazy="raise", back_populates="vlan")


class Attachment(Base):
    """A network on a channel of a NIC; `generation` is the one that brought it into its present state.

    A channel is used once among those that stay: one request may swap what is on it.
    """

    __tablename__ = "attachment"
    __table_args__ = (
        Index("uq_attachment_nic_id_channel", "nic_id", "channel", unique=True, **_ONLY_STAYING),
        UniqueConstraint("nic_id", "network_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    nic_id: Mapped[int] = mapped_column(ForeignKey("nic.id"))
    network_id: Mapped[int] = mapped_column(ForeignKey("network.id"), index=True)
    channel: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    generation: Mapped[int]
    nic: Mapped[Nic] = relationship(lazy="raise", back_populates="attachments")
    network: Mapped[Network] = relationship(lazy="raise")


class Operation(Base):
    """One accepted request whose work a lane does; its status is worked out from its actions, never stored."""

    __tablename__ = "operation"
    __table_args__ = (Index("ix_operation_project", "project_id", "created_at"),)
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id", ondelete="SET NULL"))
    """The project that asked; it keeps access when the node changes hands."""
    node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id", ondelete="SET NULL"))
    node_name: Mapped[str] = mapped_column(default="")
    actor: Mapped[str]
    created_at: Mapped[float]
    deadline: Mapped[float | None]
    error: Mapped[str] = mapped_column(Text, default="")
    actions: Mapped[list[Action]] = relationship(
        lazy="raise", order_by="Action.id", back_populates="operation", passive_deletes=True
    )
    node: Mapped[Node | None] = relationship(lazy="raise")


class Action(Base):
    """A receipt: this port, this generation. DONE when the port's `applied` reaches it; ERROR when `withdrawn`."""

    __tablename__ = "action"
    __table_args__ = (Index("ix_action_port", "port_id", "generation"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    operation_id: Mapped[str] = mapped_column(ForeignKey("operation.id", ondelete=CASCADE), index=True)
    nic_id: Mapped[int] = mapped_column(ForeignKey("nic.id", ondelete=CASCADE), index=True)
    port_id: Mapped[int] = mapped_column(ForeignKey("port.id", ondelete=CASCADE))
    node_name: Mapped[str]
    nic_name: Mapped[str]
    verb: Mapped[str] = mapped_column(String(16))
    channel: Mapped[str] = mapped_column(String(16), default="")
    network_name: Mapped[str | None]
    generation: Mapped[int]
    withdrawn: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str] = mapped_column(Text, default="")
    operation: Mapped[Operation] = relationship(lazy="raise", back_populates="actions")
    port: Mapped[Port] = relationship(lazy="raise")


class Lane(Base):
    """Who drives a switch: one worker until `expires_at`; `fence` grows whenever the lane changes hands."""

    __tablename__ = "lane"
    switch_id: Mapped[int] = mapped_column(ForeignKey("switch.id", ondelete=CASCADE), primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(64))
    fence: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[float] = mapped_column(default=0.0)
    retry_at: Mapped[float] = mapped_column(default=0.0)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    contact_at: Mapped[float | None]
    audited_at: Mapped[float] = mapped_column(default=0.0)


class Chore(Base):
    """Work that one worker at a time does for all: its lease, like a lane's."""

    __tablename__ = "chore"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[float]


class Journal(Base):
    """One line of the journal: audit log and event stream in one, in commit order, each sealed over the one before."""

    __tablename__ = "journal"
    __table_args__ = (Index("ix_journal_kind_name", "kind", "name"), Index("ix_journal_project", "project_id", "seq"))
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[float]
    actor: Mapped[str]
    via: Mapped[str] = mapped_column(default="")
    remote: Mapped[str] = mapped_column(default="")
    request_id: Mapped[str] = mapped_column(default="")
    action: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text)
    project_id: Mapped[int | None]
    """The project that may see this line as an event; None: operators only, unless `public`."""
    public: Mapped[bool] = mapped_column(default=False)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    outcome: Mapped[str] = mapped_column(Text, default="ok")
    seal: Mapped[str] = mapped_column(String(64))


class JournalHead(Base):
    """The single row whose lock orders the journal: last sequence number and last seal."""

    __tablename__ = "journal_head"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    seal: Mapped[str] = mapped_column(String(64))


class Idempotency(Base):
    """The stored answer to a request that carried an Idempotency-Key."""

    __tablename__ = "idempotency"
    actor: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(index=True)


class Setting(Base):
    """Small facts about this installation, such as the check value of its encryption key; secret ones are sealed."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
