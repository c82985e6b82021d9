"""What v1 shows of a machine behind its controller: the shapes of answers, beside those in `replies`."""

from __future__ import annotations

from typing import Literal

from hil.api.v1.replies import Reply
from hil.api.v1.shapes import ActionWord, DeviceWord, RoleName


class Obm(Reply):
    """`kind`: an obmd of HIL's, an OBMd of the original protocol, or none. `settled` false: the OBMd has not yet said
    that what may be alive there is dead. `uri` is told to operators only.
    """

    kind: Literal["obmd", "original"] | None
    enabled: bool
    settled: bool
    uri: str | None


class Power(Reply):
    """`age` is in seconds: how long ago the controller said so."""

    power: Literal["on", "off"]
    read_at: str | None
    age: float


class PowerAsked(Reply):
    """The controller has taken the order; the machine takes its time."""

    node: str
    action: ActionWord


class PowerFault(Reply):
    type: str
    detail: str
    retry: bool


class PowerResult(Reply):
    """One line of the answer to a request for many nodes."""

    node: str
    ok: bool
    error: PowerFault | None


class PowerSummary(Reply):
    """The last line of that answer."""

    asked: int
    failed: int


class Boot(Reply):
    """`persistent` false: for the next boot alone. `uefi` null: as the machine has it."""

    device: DeviceWord
    persistent: bool
    uefi: bool | None


class Sensor(Reply):
    name: str
    value: float | None
    unit: str
    state: str


class SensorList(Reply):
    items: list[Sensor]


class HardwareEvent(Reply):
    id: str
    at: str | None
    severity: str
    message: str


class HardwareEventList(Reply):
    items: list[HardwareEvent]


class Medium(Reply):
    """`image` is null while the slot is empty."""

    slot: str
    kinds: list[str]
    image: str | None


class MediumList(Reply):
    items: list[Medium]


class FirmwareItem(Reply):
    name: str
    version: str


class FirmwareList(Reply):
    items: list[FirmwareItem]


class ObmAbilities(Reply):
    """What the node's controller can do; `driver` names its kind."""

    driver: str
    actions: list[str]
    devices: list[str]
    boot_read: bool
    boot_once: bool
    boot_persistent: bool
    uefi: bool
    console: bool
    sensors: bool
    event_log: bool
    identify: bool
    media: bool
    firmware: bool


class SshTicket(Reply):
    """For an obmd: what whoever holds the key may do at the node's console, for some minutes."""

    capability: str
    expires_at: str


class ConsoleTicket(Reply):
    """Where the console is, as WebSocket. The capability goes into the Authorization header as Bearer, or among the
    subprotocols; a newer one keeps the console open beyond `expires_at`.
    """

    url: str
    protocol: str
    capability: str
    expires_at: str


class SshKey(Reply):
    """`project` and `role` null: whatever its user has, but for operator power."""

    id: str
    user: str
    fingerprint: str
    public_key: str
    project: str | None
    role: RoleName | None
    description: str
    created_at: str
    expires_at: str | None


class SshKeyPage(Reply):
    items: list[SshKey]
    next: str | None
