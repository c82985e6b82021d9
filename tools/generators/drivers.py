"""The page of platforms, from what each driver says of itself: settings, capabilities, grade, and its notes."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from hil.core.devices import Capabilities, SwitchSpec
from hil.core.vlans import fold
from hil.drivers.quality import CRITERIA, Grade, Status, grade
from hil.drivers.registry import GROUP, find, settings_schema

TOP = Path(__file__).resolve().parents[2]
OUTPUT = "docs/drivers/platforms.md"
NOTES = TOP / "docs" / "drivers" / "notes"

HEAD = """\
# Platforms

Every driver that comes with HIL: what its platform can do, how a switch is configured, and how far its authors vouch
for it. A driver grades itself, criterion by criterion; the criteria are explained [at the end](#criteria), and each
must be judged. What can be proved is proved by the [conformance check](writing.md#showing-that-it-keeps-them).

| driver | platform | no native | update | atomic | save | rolls back | VLANs | grade |
|---|---|---|---|---|---|---|---|---|
"""
SETTINGS = "\n| setting | kind | default | |\n|---|---|---|---|\n"
CRITERIA_HEAD = """
## Criteria

| criterion | meaning |
|---|---|
"""
NATIVELESS = {"true": "yes", "parked": "parked VLAN", "no": "needs one"}


def points(distribution: str) -> list[EntryPoint]:
    found = [point for point in entry_points(group=GROUP) if point.dist is not None and point.dist.name == distribution]
    return sorted(found, key=lambda point: point.name)


def text(distribution: str = "hil") -> str:
    """The page for the drivers of one installed package."""
    specs = find(points(distribution)).specs
    graded = {name: (spec, grade(name)) for name, spec in specs.items()}
    rows = "".join(row(spec, marks) for spec, marks in graded.values())
    criteria = CRITERIA_HEAD + "".join(f"| {name} | {words} |\n" for name, words in CRITERIA.items())
    return HEAD + rows + "".join(section(spec, marks) for spec, marks in graded.values()) + criteria


def row(spec: SwitchSpec, marks: Grade | None) -> str:
    can = spec.capabilities
    cells = [
        f"[{spec.name}](#{spec.name})",
        spec.title,
        NATIVELESS[can.nativeless],
        can.update.replace("-", " "),
        can.atomicity,
        can.save,
        timer(can) or "no",
        f"{can.vlans[0]}-{can.vlans[1]}",
        counted(marks),
    ]
    return f"| {' | '.join(cells)} |\n"


def timer(can: Capabilities) -> str:
    return "" if can.confirm_timer is None else "{}-{} s".format(*can.confirm_timer)


def counted(marks: Grade | None) -> str:
    if marks is None:
        return "none"
    numbers = {status: sum(mark.status is status for mark in marks.values()) for status in Status}
    return ", ".join(f"{number} {status}" for status, number in numbers.items() if number)


def section(spec: SwitchSpec, marks: Grade | None) -> str:
    notes = NOTES / f"{spec.name}.md"
    parts = [f"\n## {spec.name}\n\n{spec.title}. {facts(spec)}\n"]
    if notes.exists():
        parts.append(f"\n{notes.read_text().strip()}\n")
    parts.append(settings(spec))
    parts.append(graded(marks))
    return "".join(parts)


def facts(spec: SwitchSpec) -> str:
    """The capabilities in words."""
    can = spec.capabilities
    limits = {
        "characters in a line": can.max_line_chars,
        "bytes in a request": can.max_request_bytes,
        "sessions at a time": can.max_sessions,
        "connections a minute": can.connects_per_minute,
    }
    words = [
        f"Original API: type `{spec.v0_type}`." if spec.v0_type else "The original API has no such type.",
        f"VLANs {can.vlans[0]}-{can.vlans[1]}" + (f" without {fold(can.reserved)}." if can.reserved else "."),
        f"Ports are read {'together' if can.batch_read else 'one by one'}.",
        *(f"At most {limit} {what}." for what, limit in limits.items() if limit is not None),
        "It refuses a writer whose lease is older than one that it has seen." if can.fenced else "",
    ]
    return " ".join(word for word in words if word)


def settings(spec: SwitchSpec) -> str:
    schema = settings_schema(spec)
    if schema is None:
        return "\nThe driver does not describe its settings.\n"
    required = schema.get("required", [])
    said = prose(schema.get("description", ""))
    rows = "".join(
        setting(name, known, schema, required=name in required, secret=name in spec.secrets)
        for name, known in schema["properties"].items()
    )
    return (f"\n{said}\n" if said else "") + SETTINGS + rows


def setting(name: str, known: Mapping[str, Any], schema: Mapping[str, Any], *, required: bool, secret: bool) -> str:
    kinds = kind(known, schema) + (", secret" if secret else "")
    default = "required" if required else shown(known.get("default"))
    return f"| `{name}` | {kinds} | {default} | {prose(known.get('description', ''))} |\n"


def prose(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def shown(default: Any) -> str:
    if default is None:
        return ""
    written = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{written}`" if written else ""


def kind(known: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a JSON Schema allows, in words."""
    if "$ref" in known:
        return kind(schema["$defs"][known["$ref"].rpartition("/")[2]], schema)
    if "enum" in known:
        return " or ".join(f"`{word}`" for word in known["enum"])
    if "const" in known:
        return f"`{known['const']}`"
    if "anyOf" in known:
        kinds = [kind(each, schema) for each in known["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    match known.get("type"):
        case "array":
            return f"list of {kind(known.get('items', {}), schema)}"
        case "object":
            return "object"
        case other:
            return names.get(str(other), "anything") + span(known)


def span(known: Mapping[str, Any]) -> str:
    low, high = known.get("minimum", known.get("exclusiveMinimum")), known.get("maximum")
    if low is None or high is None:
        return ""
    above = "above " if "exclusiveMinimum" in known else ""
    return f", {above}{low:g} to {high:g}"


def graded(marks: Grade | None) -> str:
    """What is done in one line, what is not with its reason."""
    if marks is None:
        return "\nIt has no grade.\n"
    found = {status: [name for name, mark in marks.items() if mark.status is status] for status in Status}
    said = [f"**{status.capitalize()}:** {', '.join(found[status])}." for status in (Status.DONE, Status.MISSING)]
    lines = [line for line, names in zip(said, found.values(), strict=False) if names]
    lines += [f"**Exempt** from {name}: {marks[name].reason}." for name in found[Status.EXEMPT]]
    return "\n" + "\n".join(f"- {line}" for line in lines) + "\n"
