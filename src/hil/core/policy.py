"""Who may: one pure function, printed as a golden table (`tests/policy/golden.txt`).

It knows nothing of requests or rows. The look-up in `hil.services.context` asks it with the relation between the caller
and the object; nobody else decides. `HIDE` must be answered exactly as if the object did not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hil.core.model import Actor, Role


class Kind(StrEnum):
    PROJECT = "project"
    NODE = "node"
    NETWORK = "network"
    SWITCH = "switch"
    PORT = "port"
    USER = "user"
    KEY = "key"
    OPERATION = "operation"
    POOL = "pool"
    JOURNAL = "journal"


class Act(StrEnum):
    """What is to be done. Each look-up names one; `ADMIN` is what only an operator may."""

    LIST = "list"
    READ = "read"
    MODIFY = "modify"
    """Act as the tenant: connect, detach, power, metadata of one's own; on a network: grant, delete."""
    ALLOCATE = "allocate"
    """Take a node into a project, or create a network in it."""
    ATTACH = "attach"
    """Put a NIC on this network."""
    REVOKE = "revoke"
    """Take a project off a network's access list: the owner, or the project itself."""
    MEMBERS = "members"
    """Change who belongs to a project."""
    ADMIN = "admin"


class Verdict(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    HIDE = "hide"


@dataclass(frozen=True, slots=True)
class Standing:
    """The relation of a caller to one object.

    `owner`: the caller's role in the project that owns it (None: no role). `unowned`: no project owns it (a free node,
    an operator's network). `guest`: the best role in a project that the access list names. `public`: the network is
    public. `itself`: the user or key is the caller's own.
    """

    owner: Role | None = None
    unowned: bool = False
    guest: Role | None = None
    public: bool = False
    itself: bool = False

    @classmethod
    def of(cls, actor: Actor, owner_id: int | None, guests: tuple[int, ...] = (), public: bool = False) -> Standing:
        """Work out the standing from project ids."""
        roles = [role for role in (actor.role(guest) for guest in guests) if role is not None]
        return cls(actor.role(owner_id), owner_id is None, max(roles, default=None), public)


def judge(actor: Actor, act: Act, kind: Kind, standing: Standing) -> Verdict:
    """Decide. Anonymous callers are denied everything; operators are allowed everything."""
    if actor.anonymous:
        return Verdict.DENY
    if actor.operator:
        return Verdict.ALLOW
    return _TENANT[kind](act, standing)


def _at_least(role: Role | None, wanted: Role) -> bool:
    return role is not None and role >= wanted


def _project(act: Act, standing: Standing) -> Verdict:
    if act is Act.LIST:
        return Verdict.ALLOW
    if standing.owner is None:
        return Verdict.HIDE if act is not Act.ADMIN else Verdict.DENY
    needed = {
        Act.READ: Role.READER,
        Act.ALLOCATE: Role.MEMBER,
        Act.MODIFY: Role.MEMBER,
        Act.MEMBERS: Role.MANAGER,
    }
    return _allow(act in needed and _at_least(standing.owner, needed.get(act, Role.MANAGER)))


def _node(act: Act, standing: Standing) -> Verdict:
    """Every node is visible by name to whoever is authenticated; its insides are its project's."""
    if act in (
        Act.LIST,
        Act.ALLOCATE,
    ):  # to allocate is judged on the project; a taken node is Blocked, not denied
        return Verdict.ALLOW
    if act is Act.READ:
        return _allow(standing.unowned or standing.owner is not None)
    return _allow(act is Act.MODIFY and _at_least(standing.owner, Role.MEMBER))


def _network(act: Act, standing: Standing) -> Verdict:
    visible = standing.public or standing.owner is not None or standing.guest is not None
    if act is Act.LIST:
        return Verdict.ALLOW
    if not visible:
        return Verdict.HIDE
    member, guest = _at_least(standing.owner, Role.MEMBER), _at_least(standing.guest, Role.MEMBER)
    match act:
        case Act.READ:
            return Verdict.ALLOW
        case Act.ATTACH:
            return _allow(standing.public or guest or member)
        case Act.REVOKE:
            return _allow(member or guest)
        case Act.MODIFY:
            return _allow(member)
        case _:
            return Verdict.DENY


def _operators_only(act: Act, standing: Standing) -> Verdict:
    return Verdict.DENY


def _own(act: Act, standing: Standing) -> Verdict:
    """Users and keys: one's own may be read and changed; those of others do not exist."""
    if act is Act.LIST:
        return Verdict.ALLOW
    if act is Act.ADMIN:
        return Verdict.DENY
    return Verdict.ALLOW if standing.itself and act in (Act.READ, Act.MODIFY) else Verdict.HIDE


def _operation(act: Act, standing: Standing) -> Verdict:
    if act is Act.LIST:
        return Verdict.ALLOW
    if standing.owner is None:
        return Verdict.HIDE
    return _allow(act is Act.READ or (act is Act.MODIFY and standing.owner >= Role.MEMBER))


def _journal(act: Act, standing: Standing) -> Verdict:
    """The event stream is open to all and filtered entry by entry; the audit log is the operator's."""
    return _allow(act is Act.LIST or (act is Act.READ and (standing.owner is not None or standing.public)))


def _allow(fact: bool) -> Verdict:
    return Verdict.ALLOW if fact else Verdict.DENY


_TENANT = {
    Kind.PROJECT: _project,
    Kind.NODE: _node,
    Kind.NETWORK: _network,
    Kind.SWITCH: _operators_only,
    Kind.PORT: _operators_only,
    Kind.USER: _own,
    Kind.KEY: _own,
    Kind.OPERATION: _operation,
    Kind.POOL: _operators_only,
    Kind.JOURNAL: _journal,
}
