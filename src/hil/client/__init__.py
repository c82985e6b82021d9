"""HIL's client library: typed, synchronous, and alone; nothing else of HIL is imported.

    with Client.from_env() as hil:
        nodes = hil.nodes.allocate_matching("blue", "gpu=a100", 2)
        changes = [Change.connect(node.name, "eth0", "lab") for node in nodes]
        hil.networks.change(changes).wait(timeout=60)

It repeats only what cannot be done twice, waits for operations by long poll, and never puts a credential into a log,
an error or a `repr`.
"""

from hil.client.client import About, Caller, Client
from hil.client.connection import Answer, Retry
from hil.client.decode import Shape
from hil.client.errors import (
    BadRequest,
    Conflict,
    ConsoleClosed,
    Denied,
    HilClientError,
    NotFound,
    OperationFailed,
    PowerTimeout,
    PreconditionFailed,
    RateLimited,
    Refusal,
    ServerError,
    SettingsError,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    WaitTimeout,
)
from hil.client.events import Event, JournalLine
from hil.client.networks import Attachment, Change, Network
from hil.client.nodes import Attached, Nic, Node, NodeSummary
from hil.client.operations import Action, Operation
from hil.client.power import (
    Abilities,
    Boot,
    ConsoleTicket,
    FirmwareItem,
    HardwareEvent,
    Medium,
    Obm,
    PowerResult,
    PowerState,
    Sensor,
)
from hil.client.projects import Key, Member, Membership, Project, SshKey, User
from hil.client.recordings import Line, Match, Recording, SshAddress
from hil.client.settings import Settings
from hil.client.switches import Driver, Pool, Port, Switch

__all__ = [
    "Abilities",
    "About",
    "Action",
    "Answer",
    "Attached",
    "Attachment",
    "BadRequest",
    "Boot",
    "Caller",
    "Change",
    "Client",
    "Conflict",
    "ConsoleClosed",
    "ConsoleTicket",
    "Denied",
    "Driver",
    "Event",
    "FirmwareItem",
    "HardwareEvent",
    "HilClientError",
    "JournalLine",
    "Key",
    "Line",
    "Match",
    "Medium",
    "Member",
    "Membership",
    "Network",
    "Nic",
    "Node",
    "NodeSummary",
    "NotFound",
    "Obm",
    "Operation",
    "OperationFailed",
    "Pool",
    "Port",
    "PowerResult",
    "PowerState",
    "PowerTimeout",
    "PreconditionFailed",
    "Project",
    "RateLimited",
    "Recording",
    "Refusal",
    "Retry",
    "Sensor",
    "ServerError",
    "Settings",
    "SettingsError",
    "Shape",
    "SshAddress",
    "SshKey",
    "Switch",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "User",
    "WaitTimeout",
]
