"""How good a switch driver is, by its author's own signature: the file `quality.toml` beside its spec.

Each criterion below is `"done"`, `"todo"` or `{ exempt = "reason" }`, in a flat table `[grade]`. The file is what a
person signs; what can be proved is proved by the conformance check and the driver's tests, not here. It refuses
whatever it does not know and whatever is left out: a criterion that is added later must be judged by every driver
before it can be called graded. A driver without the file is ungraded, which is no error: third parties may ship one.
It never loads a session.
"""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import entry_points
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.drivers.registry import GROUP

FILE: Final = "quality.toml"

CRITERIA: Final[Mapping[str, str]] = MappingProxyType(
    {
        "conformance": "Every promise of the conformance check is kept against an emulator or the real device.",
        "property-render": "From any state to any state, no command of `render` carries a VLAN outside old and new.",
        "property-parse": "`parse` answers or declines on any text, and is exact on all that the device prints.",
        "batch": "A batch of ports is one session, in the order close, narrow, change, widen, open.",
        "read-back-of-configuration": "What is read is what the device is configured to do, shut ports included.",
        "not-representable": "Whatever HIL cannot mean exactly is answered as such, with the device's own text.",
        "refusals-in-words": "A refused command is an error of its port, in the device's own words.",
        "host-identity": "The device proves its registered identity before it is told any credential.",
        "busy": "A configuration that another session holds is told from a failure, and nothing is changed.",
        "lost-reply": "A session that dies is told apart before and after something was sent.",
        "save": "The configuration is saved once per batch; a save that fails is an error.",
        "reboot": "What was saved is there after a reboot, and what was not is read as lost.",
        "reserved-vlans": "VLANs that the device keeps for itself are refused before anything is sent.",
        "lag": "A member of a link aggregation is not representable and is never written.",
        "edge-hardening": "A port that is opened is an edge port: BPDU guard on, no negotiation of trunks.",
        "confirm-timer": "A change that is not confirmed after its read-back rolls itself back.",
        "neighbours": "The session tells LLDP neighbours.",
        "macs": "The session tells learned MAC addresses.",
        "upstream-faults": "Faults seen in other software for the platform have a test each that this one lacks them.",
    }
)


class Status(StrEnum):
    DONE = "done"
    MISSING = "todo"
    EXEMPT = "exempt"


@dataclass(frozen=True, slots=True)
class Mark:
    """One criterion judged; only an exemption has a reason."""

    status: Status
    reason: str = ""


Grade = Mapping[str, Mark]
"""Every criterion with its mark, in the order of CRITERIA."""


def grade(driver: str) -> Grade | None:
    """Answer the grade of an installed driver; None if it ships none. Raises BadArgument about a file with faults."""
    for point in entry_points(group=GROUP, name=driver):
        package = _package(point.module)
        if package and (file := files(package) / FILE).is_file():
            return checked(file.read_text(encoding="utf-8"), f"{FILE} of the driver {driver}")
    return None


def checked(text: str, source: str) -> Grade:
    """Judge the content of a quality file. Raises BadArgument that names every fault, one a line."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadArgument(f"{source}: {error}") from error
    table = found.pop("grade", None)
    if found or not isinstance(table, dict):
        raise BadArgument(f"{source}: write one table [grade], and nothing else.")
    faults = [f"{source}: {name[:64]!a} is no criterion." for name in table if name not in CRITERIA]
    marks: dict[str, Mark] = {}
    for name in CRITERIA:
        if name not in table:
            faults.append(f"{source}: {name} is not judged.")
        elif (mark := _mark(table[name])) is None:
            faults.append(f'{source}: {name} is "done", "todo" or {{ exempt = "reason" }}.')
        else:
            marks[name] = mark
    if faults:
        raise BadArgument("\n".join(faults))
    return MappingProxyType(marks)


def _mark(value: Any) -> Mark | None:
    match value:
        case "done" | "todo":
            return Mark(Status(value))
        case {"exempt": str() as reason, **rest} if reason.strip() and not rest:
            return Mark(Status.EXEMPT, " ".join(reason.split()))
        case _:
            return None


def _package(module: str) -> str:
    """The package that a module is in, or is; empty for a module that stands alone or is not there."""
    try:
        found = importlib.util.find_spec(module)
    except ImportError:
        return ""
    return (found.parent or "") if found is not None else ""
