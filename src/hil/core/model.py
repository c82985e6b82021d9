"""Frozen facts: what a port carries, what a channel is, the states of a node, the roles of a person.

Plain values only. They travel between the database, the worker and the drivers; nothing here knows how to fetch or
store itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from hil.core.errors import BadArgument
from hil.core.vlans import fold, vlan_id


@dataclass(frozen=True, slots=True)
class PortState:
    """All that a switch port carries: one untagged VLAN or none, and a set of tagged ones.

    The whole state, never a change to it. `enabled` is false exactly when the port carries nothing: drivers then shut
    it, or block it as firmly as the platform can.
    """

    native: int | None = None
    tagged: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.native in self.tagged:
            raise ValueError(f"VLAN {self.native} cannot be native and tagged on one port")

    @property
    def vlans(self) -> frozenset[int]:
        """Every VLAN that the port carries."""
        return self.tagged if self.native is None else self.tagged | {self.native}

    @property
    def enabled(self) -> bool:
        return bool(self.vlans)

    def __str__(self) -> str:
        native = "none" if self.native is None else str(self.native)
        return f"native {native}, tagged {fold(self.tagged) or 'none'}"


CLOSED = PortState()
"""A port that carries nothing."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a device says of one port: a state, or the reason why it is none that HIL can mean.

    `state` is None when the port is *not representable* (a trunk of all VLANs, a LAG member, an unknown mode); `raw`
    then carries the device's own text. Drivers never guess.
    """

    state: PortState | None
    reason: str = ""
    raw: str = ""

    def __str__(self) -> str:
        return str(self.state) if self.state is not None else f"not representable: {self.reason}"


@dataclass(frozen=True, slots=True)
class PortChange:
    """One port of a batch: what it was just read to be (None: not representable) and what it must become."""

    port: str
    have: PortState | None
    want: PortState


NATIVE = "vlan/native"


def channel(text: str) -> str:
    """Check a channel: `vlan/native` or `vlan/<id>`. Raises BadArgument."""
    if text == NATIVE:
        return text
    kind, slash, number = text.partition("/")
    if kind != "vlan" or not slash:
        raise BadArgument(f"{text[:40]!a} is no channel: use vlan/native or vlan/<id>.")
    return f"vlan/{vlan_id(number)}"


class NodeState(StrEnum):
    """A node's life: free, allocated, releasing, and maintenance or quarantined on the side."""

    FREE = "free"
    ALLOCATED = "allocated"
    RELEASING = "releasing"
    MAINTENANCE = "maintenance"
    QUARANTINED = "quarantined"


class AttachmentState(StrEnum):
    """`connecting` and `detaching` are wishes not yet read back; `attached` was read back."""

    CONNECTING = "connecting"
    ATTACHED = "attached"
    DETACHING = "detaching"


class OperationStatus(StrEnum):
    """The three words of the original API, which its clients compare."""

    PENDING = "PENDING"
    DONE = "DONE"
    ERROR = "ERROR"


class AuditMode(StrEnum):
    """What the audit does about drift on a switch: only tell, write it right again, or close the port."""

    REPORT = "report"
    HEAL = "heal"
    QUARANTINE = "quarantine"


class Role(IntEnum):
    """What a user or key is in a project; a higher one may all that a lower one may."""

    READER = 1
    MEMBER = 2
    MANAGER = 3

    @classmethod
    def parse(cls, text: str) -> Role:
        try:
            return cls[text.upper()]
        except KeyError:
            raise BadArgument(f"{text[:20]!a} is no role: use reader, member or manager.") from None

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is calling, as an authentication backend found: never a row, never a password.

    `roles` maps project ids to roles. `via` names the credential for the journal (`basic`, `key:<id>`, `null`).
    """

    name: str
    operator: bool = False
    roles: dict[int, Role] = field(default_factory=dict)
    user_id: int | None = None
    via: str = ""
    anonymous: bool = False

    def role(self, project_id: int | None) -> Role | None:
        return None if project_id is None else self.roles.get(project_id)


ANONYMOUS = Actor("", anonymous=True)
