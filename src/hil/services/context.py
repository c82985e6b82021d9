"""The only door from a name to a row: it finds, judges and locks in one look-up.

A verb says what it is about to do (`Act`), and holds the row, locked if it will be changed, or an error is on its way
to the caller. What the caller may not know of is answered exactly as what does not exist. Locks are taken in the
order project, node, port, network; whoever needs several of one kind takes them in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload, selectinload

from hil.core.errors import Blocked, Denied, NotFound, PreconditionFailed, Unauthenticated
from hil.core.model import Actor
from hil.core.policy import Act, Kind, Standing, Verdict, judge
from hil.store.journal import Entry, Source
from hil.store.tables import Base, Grant, Network, Nic, Node, Operation, Port, Project, Switch, User, Versioned
from hil.store.unit import Unit

Row = TypeVar("Row", bound=Base)
_QUIET = frozenset({Act.LIST, Act.READ})


class Owned(Protocol):
    """Whatever a look-up of a node answers: at least whose it is."""

    @property
    def project_id(self) -> int | None: ...


class Context:
    """One caller in one transaction. Without a unit it only reads."""

    def __init__(self, session: Session, actor: Actor, source: Source, unit: Unit | None = None) -> None:
        self.session = session
        self.actor = actor
        self.source = source
        self._unit = unit

    @classmethod
    def changing(cls, unit: Unit, actor: Actor, source: Source) -> Context:
        return cls(unit.session, actor, source, unit)

    def acting(self, actor: Actor) -> Context:
        """The same transaction for somebody else, who was found out in it."""
        source = replace(self.source, actor=actor.name, via=actor.via)
        return Context(self.session, actor, source, self._unit)

    @property
    def unit(self) -> Unit:
        """The transaction to change things in; using it while reading is a programming error."""
        if self._unit is None:
            raise RuntimeError("this context only reads")
        return self._unit

    @property
    def now(self) -> float:
        return self.unit.store.clock()

    def record(
        self, action: str, kind: Kind, name: str, *, project_id: int | None = None, public: bool = False,
        before: dict[str, Any] | None = None, after: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Write a line of the journal with this change."""
        entry = Entry(
            action=action,
            kind=kind,
            name=name,
            project_id=project_id,
            public=public,
            before=before,
            after=after,
        )
        self.unit.record(self.source, entry)

    def require(self, act: Act, kind: Kind, standing: Standing | None = None, absent: str = "") -> None:
        """Judge. Raises Unauthenticated, Denied, or NotFound with the very words for an absent object."""
        verdict = judge(self.actor, act, kind, standing or Standing())
        if verdict is Verdict.ALLOW:
            return
        if self.actor.anonymous:
            raise Unauthenticated("Say who you are: this needs credentials.")
        if verdict is Verdict.HIDE:
            raise NotFound(absent)
        raise Denied(f"You may not do this to this {kind}.")

    def project(self, name: str, act: Act, version: int | None = None) -> Project:
        row = self._find(select(Project).where(Project.name == name), act, Project)
        absent = _absent(Kind.PROJECT, name)
        self.require(act, Kind.PROJECT, Standing() if row is None else Standing.of(self.actor, row.id), absent)
        return _matching(_present(row, absent), version)

    def node(self, name: str, act: Act, version: int | None = None) -> Node:
        """Find a node; for a change its row is the lock of its NICs and their ports."""
        row = self._find(select(Node).where(Node.name == name), act, Node)
        self.node_judged(name, act, row)
        return _matching(_present(row, ""), version)

    def node_judged(self, name: str, act: Act, found: Owned | None) -> None:
        """Judge what a look-up by this name found; None: nothing. For `node`, and for who reads other columns of it."""
        absent = _absent(Kind.NODE, name)
        if found is None:
            # A node's name is no secret, so an absent one is told to whoever may list nodes.
            self.require(Act.LIST if act is not Act.ADMIN else act, Kind.NODE, None, absent)
            raise NotFound(absent)
        self.require(act, Kind.NODE, Standing.of(self.actor, found.project_id), absent)

    def nodes(self, names: Collection[str], act: Act) -> dict[str, Node]:
        """Find, judge and lock several nodes; locks are taken by id, so that two such requests cannot deadlock."""
        query = select(Node).where(Node.name.in_(names)).order_by(Node.id)
        if act not in _QUIET:
            query = query.with_for_update(key_share=True, of=Node).execution_options(populate_existing=True)
        found = {node.name: node for node in self.session.scalars(query)}
        for node in found.values():
            self.require(act, Kind.NODE, Standing.of(self.actor, node.project_id), _absent(Kind.NODE, node.name))
        for name in sorted(set(names) - found.keys()):
            self.node(name, act)  # raises: it is absent
        return found

    def nic(self, node: Node, name: str) -> Nic:
        """Find a NIC of a node that was judged already, with its port and that port's switch."""
        query = (
            select(Nic)
            .where(Nic.node_id == node.id, Nic.name == name)
            .options(joinedload(Nic.port).joinedload(Port.switch))
        )
        return _present(self.session.scalar(query), f"Node {node.name!r} has no NIC {name!r}.")

    def nics(self, nodes: Sequence[Node]) -> list[Nic]:
        """All NICs of these nodes with ports, switches and attachments, by id."""
        query = (
            select(Nic)
            .where(Nic.node_id.in_([node.id for node in nodes]))
            .order_by(Nic.id)
            .options(joinedload(Nic.port).joinedload(Port.switch), selectinload(Nic.attachments))
            .execution_options(populate_existing=True)
        )
        return list(self.session.scalars(query))

    def network(self, name: str, act: Act, version: int | None = None) -> Network:
        """Find a network with its owner, access list and VLAN id. `ATTACH` takes a shared lock, changes a full one."""
        query = select(Network).where(Network.name == name)
        row = self._find(query, act, Network, shared=act is Act.ATTACH)
        absent = _absent(Kind.NETWORK, name)
        if row is None:
            self.require(act, Kind.NETWORK, Standing(), absent)
            raise NotFound(absent)
        grants = selectinload(Network.grants).joinedload(Grant.project)
        loaded = (joinedload(Network.owner), joinedload(Network.vlan), grants)
        self.session.scalars(query.options(*loaded).execution_options(populate_existing=True)).unique().one()
        guests = tuple(grant.project_id for grant in row.grants)
        self.require(act, Kind.NETWORK, Standing.of(self.actor, row.owner_id, guests, row.public), absent)
        return _matching(row, version)

    def switch(self, name: str, act: Act, version: int | None = None) -> Switch:
        self.require(act, Kind.SWITCH)
        row = self._find(select(Switch).where(Switch.name == name), act, Switch)
        return _matching(_present(row, _absent(Kind.SWITCH, name)), version)

    def port(self, switch: str, name: str, act: Act) -> Port:
        """Find a port by names; lock the node behind it first, as everyone does."""
        owner = self.switch(switch, Act.READ)
        absent = f"Switch {switch!r} has no port {name!r}."
        query = select(Port).where(Port.switch_id == owner.id, Port.name == name)
        behind = _present(self.session.scalar(query), absent).nic_id
        if act not in _QUIET and behind is not None:
            node = select(Node).join(Nic, Nic.node_id == Node.id).where(Nic.id == behind)
            self.session.scalar(node.with_for_update(of=Node))
        _present(self._find(query, act, Port), absent)
        loaded = query.options(joinedload(Port.switch), joinedload(Port.nic).joinedload(Nic.node))
        row = self.session.scalars(loaded.execution_options(populate_existing=True)).one()
        if act not in _QUIET and row.nic_id not in (None, behind):  # the node behind it is another one, and not locked
            raise Blocked(f"Port {name!r} of switch {switch!r} was wired at this moment: read it again.")
        return row

    def user(self, name: str, act: Act, version: int | None = None) -> User:
        row = self._find(select(User).where(User.name == name), act, User)
        absent = _absent(Kind.USER, name)
        itself = row is not None and row.id == self.actor.user_id
        self.require(act, Kind.USER, Standing(itself=itself), absent)
        return _matching(_present(row, absent), version)

    def operation(self, identity: str, act: Act) -> Operation:
        """Find an operation with its actions; it belongs to the project that asked."""
        query = select(Operation).where(Operation.id == identity).options(selectinload(Operation.actions))
        row = self.session.scalar(query)
        absent = _absent(Kind.OPERATION, identity)
        self.require(act, Kind.OPERATION, Standing.of(self.actor, row.project_id if row else None), absent)
        return _present(row, absent)

    def _find(self, query: Select[Row], act: Act, entity: type[Row], *, shared: bool = False) -> Row | None:
        if act not in _QUIET:
            query = query.with_for_update(read=shared, key_share=not shared, of=entity).execution_options(
                populate_existing=True
            )
        return self.session.scalars(query).one_or_none()


def _absent(kind: Kind, name: str) -> str:
    return f"There is no {kind} {name!r}."


def _present(row: Row | None, absent: str) -> Row:
    if row is None:
        raise NotFound(absent)
    return row


V = TypeVar("V", bound=Versioned)


def _matching(row: V, version: int | None) -> V:
    if version is not None and row.version != version:
        raise PreconditionFailed("It was changed since you read it: read it again, then decide again.")
    return row
