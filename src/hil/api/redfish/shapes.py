"""From a node and what its machine says to Redfish's resources: pure functions.

Only what HIL knows is shown. Processors and memory come from labels that an operator wrote: `processors` (how many),
`processor-model`, `cores` and `threads` (of all processors together), `memory-gib`. What the controller cannot do is
not offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from hil.services.inside import Card, Inside

Resource = dict[str, Any]
ROOT: Final = "/redfish/v1"
RESETS: Final = {
    "On": "on", "ForceOff": "off", "GracefulShutdown": "soft-off", "ForceRestart": "reset", "PowerCycle": "cycle",
}  # fmt: skip
"""Redfish's reset types, and what each is called in HIL."""
TARGETS: Final = {"None": "none", "Pxe": "pxe", "Hdd": "disk", "Cd": "cdrom", "BiosSetup": "bios"}
"""Redfish's boot override targets, and what each is called in HIL."""
MODES: Final = {"UEFI": True, "Legacy": False}
KINDS: Final = {"cd": "CD", "dvd": "DVD", "usb": "USBStick", "floppy": "Floppy"}
MOST_PROCESSORS: Final = 64


def at(*path: str) -> str:
    """The URI of a resource, each part encoded."""
    return "/".join((ROOT, *(quote(part, safe="") for part in path)))


def link(*path: str) -> dict[str, str]:
    return {"@odata.id": at(*path)}


def collection(kind: str, name: str, path: Sequence[str], members: Iterable[str]) -> Resource:
    """A collection whose members are named, below it."""
    listed = [link(*path, member) for member in members]
    return {
        "@odata.type": f"#{kind}.{kind}",
        "@odata.id": at(*path),
        "Name": name,
        "Members@odata.count": len(listed),
        "Members": listed,
    }


def head(kind: str, path: Sequence[str], identity: str, name: str) -> Resource:
    return {"@odata.type": f"#{kind}", "@odata.id": at(*path), "Id": identity, "Name": name}


def system(node: Inside, machine: Mapping[str, Any] | None, reachable: bool) -> Resource:
    """A node as a ComputerSystem. `machine`: power, boot, can; None if it cannot be asked."""
    where = ("Systems", node.name)
    made = head("ComputerSystem.v1_13_0.ComputerSystem", where, node.name, node.name)
    made |= {
        "SystemType": "Physical",
        "PowerState": None,
        "Status": _status(machine is not None, reachable),
        "EthernetInterfaces": link(*where, "EthernetInterfaces"),
        "Processors": link(*where, "Processors"),
        "Links": {"ManagedBy": [link("Managers", node.name)], "Chassis": [link("Chassis", node.name)]},
    }
    made |= _summaries(node.labels)
    if machine is not None:
        made["PowerState"] = {"on": "On", "off": "Off"}.get(machine["power"].get("power"))
        made["Actions"] = _actions(where, machine["can"])
        if offered := boot_targets(machine["can"]):
            made["Boot"] = _boot(machine["boot"], machine["can"], offered)
    return made


def _status(enabled: bool, reachable: bool) -> dict[str, Any]:
    if enabled:
        return {"State": "Enabled", "Health": "OK"}
    return {"State": "Disabled"} if reachable else {"State": "UnavailableOffline", "Health": "Critical"}


def _actions(where: Sequence[str], can: Mapping[str, Any]) -> Resource:
    reset = {
        "target": at(*where, "Actions", "ComputerSystem.Reset"),
        "ResetType@Redfish.AllowableValues": reset_types(can),
    }
    return {"#ComputerSystem.Reset": reset}


def reset_types(can: Mapping[str, Any]) -> list[str]:
    """The reset types that a controller offers."""
    return [word for word, action in RESETS.items() if action in can.get("actions", ())]


def boot_targets(can: Mapping[str, Any]) -> list[str]:
    """The boot override targets that a controller offers; empty: there is no override."""
    if not (can.get("boot_once") or can.get("boot_persistent")) or not can.get("devices"):
        return []
    return [word for word, device in TARGETS.items() if device == "none" or device in can["devices"]]


def boot_lives(can: Mapping[str, Any]) -> list[str]:
    """How long an override may hold."""
    lasting = (("Once", "boot_once"), ("Continuous", "boot_persistent"))
    return ["Disabled", *(word for word, ability in lasting if can.get(ability))]


def _boot(boot: Mapping[str, Any] | None, can: Mapping[str, Any], offered: list[str]) -> Resource:
    made: Resource = {
        "BootSourceOverrideTarget@Redfish.AllowableValues": offered,
        "BootSourceOverrideEnabled@Redfish.AllowableValues": boot_lives(can),
    }
    if can.get("uefi"):
        made["BootSourceOverrideMode@Redfish.AllowableValues"] = list(MODES)
    if boot is not None:
        word = next((word for word, device in TARGETS.items() if device == boot.get("device")), None)
        lives = "Continuous" if boot.get("persistent") else "Once"
        made["BootSourceOverrideTarget"] = word
        made["BootSourceOverrideEnabled"] = "Disabled" if word in (None, "None") else lives
        if can.get("uefi"):
            made["BootSourceOverrideMode"] = next(
                (word for word, uefi in MODES.items() if uefi is boot.get("uefi")), None
            )
    return made


def _number(labels: Mapping[str, str], key: str) -> int | None:
    text = labels.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _summaries(labels: Mapping[str, str]) -> Resource:
    made: Resource = {}
    if (count := _number(labels, "processors")) is not None:
        made["ProcessorSummary"] = {"Count": count, "Model": labels.get("processor-model")}
    if (size := _number(labels, "memory-gib")) is not None:
        made["MemorySummary"] = {"TotalSystemMemoryGiB": size}
    return made


def processors(labels: Mapping[str, str]) -> list[str]:
    """The ids of the processors that the labels tell of."""
    return [f"CPU{number}" for number in range(1, min(_number(labels, "processors") or 0, MOST_PROCESSORS) + 1)]


def processor(node: Inside, identity: str) -> Resource:
    made = head(
        "Processor.v1_4_0.Processor", ("Systems", node.name, "Processors", identity), identity, f"Processor {identity}"
    )
    made |= {"ProcessorType": "CPU", "Socket": identity, "Model": node.labels.get("processor-model")}
    sockets = _number(node.labels, "processors") or 1
    for key, name in (("cores", "TotalCores"), ("threads", "TotalThreads")):
        if (total := _number(node.labels, key)) is not None:
            made[name] = total // sockets
    return made


def interface(node: Inside, card: Card) -> Resource:
    """A NIC. HIL knows its address, and neither its speed nor whether it has a link."""
    where = ("Systems", node.name, "EthernetInterfaces", card.name)
    made = head("EthernetInterface.v1_5_0.EthernetInterface", where, card.name, card.name)
    address = card.macaddr or None
    status = {"State": "Enabled", "Health": "OK"}  # sushy passes over a NIC whose health is not said
    return made | {"MACAddress": address, "PermanentMACAddress": address, "Status": status}


def manager(node: Inside, can: Mapping[str, Any] | None) -> Resource:
    where = ("Managers", node.name)
    made = head("Manager.v1_5_0.Manager", where, node.name, f"Controller of {node.name}")
    made |= {
        "ManagerType": "BMC",
        "Status": {"State": "Enabled" if can is not None else "Disabled"},
        "Links": {"ManagerForServers": [link("Systems", node.name)], "ManagerForChassis": [link("Chassis", node.name)]},
    }
    return made | ({"VirtualMedia": link(*where, "VirtualMedia")} if can and can.get("media") else {})


def chassis(node: Inside) -> Resource:
    made = head("Chassis.v1_10_0.Chassis", ("Chassis", node.name), node.name, f"Chassis of {node.name}")
    links = {"ComputerSystems": [link("Systems", node.name)], "ManagedBy": [link("Managers", node.name)]}
    return made | {"ChassisType": "Other", "Status": {"State": "Enabled"}, "Links": links}


def medium(node: str, slot: str, kinds: Sequence[str], image: str | None) -> Resource:
    where = ("Managers", node, "VirtualMedia", slot)
    made = head("VirtualMedia.v1_3_0.VirtualMedia", where, slot, f"Virtual media {slot}")
    actions = {
        f"#VirtualMedia.{word}": {"target": at(*where, "Actions", f"VirtualMedia.{word}")}
        for word in ("InsertMedia", "EjectMedia")
    }
    return made | {
        "MediaTypes": [KINDS[kind] for kind in kinds if kind in KINDS],
        "Image": image,
        "ImageName": image.rpartition("/")[2][:128] if image else None,
        "Inserted": image is not None,
        "ConnectedVia": "URI" if image else "NotConnected",
        "WriteProtected": True,
        "Actions": actions,
    }
