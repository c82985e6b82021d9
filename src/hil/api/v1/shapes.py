"""What v1 reads: the shapes of bodies, paths and queries. Nothing is converted and nothing unknown is ignored.

The patterns here are those of `hil.core.names` once more, so that the OpenAPI document says what a name may be; the
services check again, and theirs is the word that counts.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, Self

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hil.core.names import LONGEST

DEEPEST: Final = 32
LARGEST: Final = 65536
MOST_CHANGES: Final = 5000
_NAME: Final = r"^[A-Za-z0-9$_.+!*'(),-]([A-Za-z0-9 $_.+!*'(),-]*[A-Za-z0-9$_.+!*'(),-])?$"
_PORT: Final = r"^[A-Za-z0-9$_.+!*'(),:/-]([A-Za-z0-9 $_.+!*'(),:/-]*[A-Za-z0-9$_.+!*'(),:/-])?$"
_USER: Final = r"^[A-Za-z0-9_.+@-]+$"
_KEY: Final = r"^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$"
_VALUE: Final = r"^[A-Za-z0-9_.:+/-]*$"
_WORDS: Final = r"^[^\x00-\x1f\x7f]*$"
_PRINTABLE: Final = r"^[ -~]*$"

_ASCII: Final = "use ASCII letters, digits"
_ENDS: Final = "with no space at either end"
HINTS: Final = {
    _NAME: f"{_ASCII}, space and $ _ . + ! * ' ( ) , -, {_ENDS}",
    _PORT: f"{_ASCII}, space and $ _ . + ! * ' ( ) , : / -, {_ENDS}",
    _USER: f"{_ASCII} and _ . + @ -",
    _KEY: "use lower-case letters, digits and . _ / -, beginning and ending with a letter or digit",
    _VALUE: f"{_ASCII} and _ . : + / -",
    _WORDS: "leave out control characters",
    _PRINTABLE: "use printable ASCII characters",
}
"""What an error says in place of a pattern."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST, pattern=_NAME)]
UserName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST, pattern=_USER)]
PortName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST, pattern=_PORT)]
LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=_KEY)]
LabelValue = Annotated[str, StringConstraints(max_length=63, pattern=_VALUE)]
Reason = Annotated[str, StringConstraints(max_length=1000, pattern=_WORDS)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Channel = Annotated[str, StringConstraints(max_length=16, pattern=r"^(vlan/native|vlan/[0-9]{1,4})?$")]
SelectorText = Annotated[str, StringConstraints(max_length=2000, pattern=_PRINTABLE)]
RoleName = Literal["reader", "member", "manager"]
AuditWord = Literal["report", "heal", "quarantine"]
ActionWord = Literal["on", "off", "soft-off", "cycle", "reset"]
DeviceWord = Literal["none", "pxe", "disk", "cdrom", "bios"]
Quota = Annotated[int, Field(ge=0, le=1_000_000)]

InPath = Annotated[Name, Path()]
UserInPath = Annotated[UserName, Path()]
PortInPath = Annotated[PortName, Path()]
LabelInPath = Annotated[LabelKey, Path()]
OperationId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
SshLine = Annotated[str, StringConstraints(min_length=1, max_length=8192, pattern=r"^[ -~]+$")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of the page.")]
After = Annotated[str | None, Query(max_length=1000, description="The `next` of the page before.")]
Slot = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the end of the operation.")]
Seq = Annotated[int | None, Query(ge=0, le=2**62, description="Number of the last event that is known.")]
Word = Annotated[str, Query(max_length=255, pattern=_WORDS)]


def _plain_json(value: Any) -> Any:
    """Refuse what cannot be kept as JSON in UTF-8, is nested absurdly, or is large."""
    level = [value]
    for _ in range(DEEPEST):
        inner = (part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list))
        level = [value for values in inner for value in values]
        if not level:
            break
    else:
        raise ValueError(f"is nested more than {DEEPEST} levels deep")
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair, which is no text") from None
    if len(text) > LARGEST:
        raise ValueError(f"is larger than {LARGEST} bytes")
    return value


Json = Annotated[Any, AfterValidator(_plain_json)]


def absent() -> Any:
    """Stands for a field that was left out: `model_fields_set` tells it from one that was given."""
    return None


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Change(Shape):
    """A PATCH: whatever is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one thing to change")
        return self

    def given(self) -> dict[str, Any]:
        """What is to be changed."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ProjectNew(Shape):
    name: Name
    quota_nodes: Quota | None = None
    quota_networks: Quota | None = None


class ProjectChange(Change):
    enabled: bool = Field(default_factory=absent)
    quota_nodes: Quota | None = Field(default_factory=absent)
    quota_networks: Quota | None = Field(default_factory=absent)


class RoleSet(Shape):
    role: RoleName


class AllocationByName(Shape):
    nodes: Annotated[list[Name], Field(min_length=1, max_length=1000)]


class AllocationBySelector(Shape):
    selector: SelectorText = ""
    count: Annotated[int, Field(ge=1, le=1000)]


class ObmdNew(Shape):
    uri: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=_PRINTABLE)]
    admin_token: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_PRINTABLE)]


class NodeNew(Shape):
    name: Name
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=200)] = Field(default_factory=dict)
    metadata: Annotated[dict[Name, Json], Field(max_length=200)] = Field(default_factory=dict)
    obmd: ObmdNew | None = None


class LabelSet(Shape):
    value: LabelValue


class MetadataSet(Shape):
    value: Json


class NicNew(Shape):
    name: Name
    macaddr: Annotated[str, StringConstraints(max_length=64, pattern=_PRINTABLE)] = ""


class ReasonGiven(Shape):
    reason: Reason = ""


class ObmdSet(Shape):
    """With an admin token a foreign OBMd, and `uri` the node there; without one an obmd of HIL's, by its base URL."""

    uri: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=_PRINTABLE)]
    admin_token: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_PRINTABLE)] | None = None


class PowerSet(Shape):
    action: ActionWord


class PowerByName(Shape):
    action: ActionWord
    nodes: Annotated[list[Name], Field(min_length=1, max_length=1000)]


class PowerBySelector(Shape):
    action: ActionWord
    selector: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=_PRINTABLE)]


class BootSet(Shape):
    device: DeviceWord
    persistent: bool = False
    uefi: bool | None = None


class ImageSet(Shape):
    image: Annotated[str, StringConstraints(min_length=8, max_length=2000, pattern=_PRINTABLE)]


class IdentifySet(Shape):
    seconds: Annotated[int, Field(ge=0, le=86400)] = 60


class ConsoleAsked(Shape):
    """`watch`: to look on, not to type."""

    watch: bool = False


class SshProved(Shape):
    """`returned`: what obmd was given with the node's epoch. `opens`: a console is being opened, so it is noted."""

    returned: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[A-Za-z0-9_=-]+$")]
    public_key: SshLine
    opens: bool


class NetworkChange(Shape):
    action: Literal["connect", "detach"]
    node: Name
    nic: Name
    network: Name
    channel: Channel = ""


class NetworkChanges(Shape):
    changes: Annotated[list[NetworkChange], Field(min_length=1, max_length=MOST_CHANGES)]


class NetworkNew(Shape):
    name: Name
    owner: Name | None
    public: bool = False
    access: Annotated[list[Name], Field(max_length=1000)] = Field(default_factory=list)
    net_id: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{0,3})?$")] = ""


class NetworkPublic(Shape):
    public: bool


class SwitchNew(Shape):
    name: Name
    driver: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_PRINTABLE)]
    config: dict[str, Json]
    audit: AuditWord = "heal"


class SwitchChange(Change):
    config: dict[str, Json] = Field(default_factory=absent)
    audit: AuditWord = Field(default_factory=absent)


class PortNew(Shape):
    name: PortName


class NicOfNode(Shape):
    node: Name
    nic: Name


class PortChange(Change):
    """`nic` wires the port, null unwires it; `quarantined` can only be ended."""

    locked: bool = Field(default_factory=absent)
    nic: NicOfNode | None = Field(default_factory=absent)
    quarantined: Literal[False] = Field(default_factory=absent)


class PortGiven(Shape):
    port: PortName


class PortGivenUp(Shape):
    port: PortName
    reason: Reason


class PoolSet(Shape):
    ids: Annotated[str, StringConstraints(max_length=20000, pattern=r"^[0-9, -]*$")]


class UserNew(Shape):
    name: UserName
    password: Password
    operator: bool = False


class UserChange(Shape):
    operator: bool


class PasswordSet(Shape):
    password: Password
    old_password: Password | None = None


class SshKeyNew(Shape):
    """A line of an `id_….pub` file; without a description its comment is taken."""

    public_key: SshLine
    description: Annotated[str, StringConstraints(max_length=255, pattern=_WORDS)] = ""


class KeyNew(Shape):
    """A key of the caller's own; what is left out is not limited."""

    description: Annotated[str, StringConstraints(max_length=255, pattern=_WORDS)] = ""
    project: Name | None = None
    role: RoleName | None = None
    expires_in: Annotated[int, Field(ge=1, le=10 * 365 * 86400)] | None = None
    operator: bool = False
