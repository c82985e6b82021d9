"""Networks: create, delete, share. *Public* is a column of its own, so an emptied access list means nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, exists, func, or_, select, tuple_, union
from sqlalchemy.orm import joinedload, selectinload

from hil.core import names
from hil.core.errors import Blocked, Denied, Duplicate, IllegalState, NotFound, QuotaExceeded
from hil.core.model import NodeState, Role
from hil.core.policy import Act, Kind, Standing
from hil.core.vlans import vlan_id
from hil.services import pool
from hil.services.context import Context
from hil.store.tables import Attachment, Grant, Network, Nic, Node, Port, PortVlan, Project


def network_create(
    ctx: Context,
    name: str,
    *,
    owner: str | None,
    access: Sequence[str] = (),
    public: bool = False,
    net_id: str = "",
) -> Network:
    """Make a network. `owner` None: an operator's. A project's own network is private and from the pool.

    Raises Duplicate, NotFound, Denied, BadArgument, QuotaExceeded, Exhausted, Blocked (asserted id in use).
    """
    holder = ctx.project(owner, Act.ALLOCATE) if owner is not None else None
    if holder is None:
        ctx.require(Act.ADMIN, Kind.NETWORK, Standing(public=True))  # what is not there yet has nothing to hide
    names.name("network", name)
    if ctx.session.scalar(select(exists().where(Network.name == name))):
        raise Duplicate(f"Network {name!r} exists already.")
    _judge_owner(ctx, holder, public, net_id)
    network = Network(name=name, owner_id=holder.id if holder else None, public=public)
    ctx.session.add(network)
    ctx.session.flush()
    if net_id:
        pool.vlan_assert(ctx, network, vlan_id(net_id))
    else:
        pool.vlan_claim(ctx, network)
    listed = dict.fromkeys([owner, *access] if owner is not None else access)
    for guest in listed:
        named = _present(_guest(ctx, str(guest)), str(guest))  # as for a grant: a tenant shares with whom it can name
        ctx.session.add(Grant(network_id=network.id, project_id=named.id))
    ctx.record(
        "network_create",
        Kind.NETWORK,
        name,
        project_id=network.owner_id,
        public=public,
        after={"owner": owner, "public": public, "access": list(listed), "net_id": net_id or None},
    )
    return network


def _judge_owner(ctx: Context, holder: Project | None, public: bool, net_id: str) -> None:
    if (public or net_id) and not ctx.actor.operator:
        raise Denied("Only an operator makes a network public or chooses its id.")
    if holder is None:
        return
    if not holder.enabled:
        raise IllegalState(f"Project {holder.name!r} is disabled.")
    held = ctx.session.scalar(select(func.count()).where(Network.owner_id == holder.id)) or 0
    if holder.quota_networks is not None and held >= holder.quota_networks:
        raise QuotaExceeded(f"Project {holder.name!r} owns {held} of at most {holder.quota_networks} networks.")


def network_delete(ctx: Context, name: str, version: int | None = None) -> None:
    """Forget a network that no NIC has, wishes or is still leaving; its id returns when no port carries it."""
    network = ctx.network(name, Act.MODIFY, version)
    user = _users(ctx, network)
    if user is not None:
        raise Blocked(f"Network {name!r} is attached to node {user!r}, or an action on it is pending: detach it first.")
    facts = {"net_id": str(network.vlan.id)}
    ctx.session.execute(delete(Network).where(Network.id == network.id))
    ctx.record("network_delete", Kind.NETWORK, name, project_id=network.owner_id, public=network.public, before=facts)


def _users(ctx: Context, network: Network, project_id: int | None = None, *, others: bool = False) -> str | None:
    """Name of one node that has, wishes or is leaving the network: of any project, of one, or of all but the listed.

    Where access is to be taken away, a node also counts whose port may still carry the network after its connect was
    withdrawn. A node taken away by force is nobody's, and may have been anybody's until its ports are closed.
    """
    on_it: Any = select(Attachment.nic_id).where(Attachment.network_id == network.id)
    if project_id is not None or others:
        carried = select(Port.nic_id).join(PortVlan, PortVlan.port_id == Port.id)
        on_it = union(on_it, carried.where(PortVlan.vlan == network.vlan.id, Port.nic_id.is_not(None)))
    query = select(Node.name).join(Nic, Nic.node_id == Node.id).where(Nic.id.in_(on_it)).order_by(Node.name).limit(1)
    if project_id is not None:
        query = query.where(or_(Node.project_id == project_id, Node.state == NodeState.QUARANTINED))
    if others:
        listed = select(Grant.project_id).where(Grant.network_id == network.id)
        query = query.where(or_(Node.state == NodeState.QUARANTINED, Node.project_id.not_in(listed)))
    return ctx.session.scalar(query)


def network_grant(ctx: Context, name: str, project: str) -> None:
    """Put a project on the access list. On a public network it is written down and changes nothing yet."""
    network = ctx.network(name, Act.MODIFY)
    guest = _present(_guest(ctx, project), project)
    if any(grant.project_id == guest.id for grant in network.grants):
        raise Duplicate(f"Project {project!r} has access to network {name!r} already.")
    ctx.session.add(Grant(network_id=network.id, project_id=guest.id))
    network.version += 1
    ctx.record("network_grant", Kind.NETWORK, name, project_id=network.owner_id, after={"project": project})


def _guest(ctx: Context, project: str) -> Project | None:
    """Find the project that a network is shared with, once the caller was judged on the network.

    Whoever shares must know the name; from the answer it learns only whether there is such a project.
    """
    return ctx.session.scalar(select(Project).where(Project.name == project))


def _present(project: Project | None, name: str) -> Project:
    if project is None:
        raise NotFound(f"There is no project {name!r}.")
    return project


def network_revoke(ctx: Context, name: str, project: str) -> None:
    """Take a project off the access list: the network's owner, an operator, or the project itself."""
    network = ctx.network(name, Act.REVOKE)
    found = _guest(ctx, project)
    itself = found is not None and _member(ctx, found.id)
    if not (itself or ctx.actor.operator or _member(ctx, network.owner_id)):
        raise Denied("Only the network's owner may take another project off its access list.")
    guest = _present(found, project)
    grant = next((grant for grant in network.grants if grant.project_id == guest.id), None)
    if grant is None:
        raise NotFound(f"Project {project!r} is not on the access list of network {name!r}.")
    if guest.id == network.owner_id:
        raise Blocked("The owner of a network always has access to it.")
    user = None if network.public else _users(ctx, network, guest.id)
    if user is not None:
        raise Blocked(f"Node {user!r} of project {project!r} is on network {name!r}: detach it first.")
    ctx.session.execute(delete(Grant).where(Grant.id == grant.id))
    network.version += 1
    ctx.record("network_revoke", Kind.NETWORK, name, project_id=network.owner_id, before={"project": project})


def _member(ctx: Context, project_id: int | None) -> bool:
    role = ctx.actor.role(project_id)
    return role is not None and role >= Role.MEMBER


def network_set_public(ctx: Context, name: str, public: bool, version: int | None = None) -> Network:
    """Open a network to everybody, or close it; closing is refused while a project not on the list is attached."""
    network = ctx.network(name, Act.ADMIN, version)
    if not public and network.public:
        user = _users(ctx, network, others=True)
        if user is not None:
            raise Blocked(
                f"Node {user!r} is on network {name!r} and its project is not on the access list: grant or detach."
            )
    before = {"public": network.public}
    network.public = public
    network.version += 1
    ctx.record(
        "network_set_public",
        Kind.NETWORK,
        name,
        project_id=network.owner_id,
        before=before,
        after={"public": public},
    )
    return network


def networks_visible(ctx: Context) -> Select[Network]:
    """The networks that the caller may know of."""
    ctx.require(Act.LIST, Kind.NETWORK)
    query = select(Network)
    if ctx.actor.operator:
        return query
    mine = list(ctx.actor.roles)
    shared = exists().where(Grant.network_id == Network.id, Grant.project_id.in_(mine))
    return query.where(or_(Network.public, Network.owner_id.in_(mine), shared))


def networks_list(ctx: Context, *, after: str, limit: int, project: str | None = None) -> Sequence[Network]:
    """One page of visible networks by name, with owner, access list and id, in a constant number of queries."""
    query = networks_visible(ctx).where(Network.name > after).order_by(Network.name).limit(limit)
    if project is not None:
        chosen = ctx.project(project, Act.READ)
        named = exists().where(Grant.network_id == Network.id, Grant.project_id == chosen.id)
        query = query.where(or_(Network.owner_id == chosen.id, named))
    loaded = (
        joinedload(Network.owner),
        joinedload(Network.vlan),
        selectinload(Network.grants).joinedload(Grant.project),
    )
    return ctx.session.scalars(query.options(*loaded)).unique().all()


def network_users(
    ctx: Context, network: Network, project_ids: Sequence[int] | None, *, after: tuple[str, str] = ("", ""),
    limit: int | None = None,
) -> list[tuple[Node, Nic, Attachment]]:  # fmt: skip
    """Who is on a network: node, NIC and attachment by node and NIC name; only of these projects, if given."""
    query = (
        select(Node, Nic, Attachment)
        .join(Nic, Nic.node_id == Node.id)
        .join(Attachment, Attachment.nic_id == Nic.id)
        .where(Attachment.network_id == network.id, tuple_(Node.name, Nic.name) > after)
        .order_by(Node.name, Nic.name)
        .limit(limit)
        .options(joinedload(Node.project))
    )
    if project_ids is not None:
        query = query.where(Node.project_id.in_(project_ids))
    return [(node, nic, attachment) for node, nic, attachment in ctx.session.execute(query)]
