"""The schemas that the DMTF Service Validator is given, written by us: no package carries DMTF's, and none is fetched.

For each type that HIL shows: its properties as the Redfish Schema Supplement (DSP0268) has them, at or below the
version that HIL names, the URIs where it may be, and what may be done to it. A property that HIL shows and this table
does not know is an error of the validator; so is a missing required one, a wrong type, an unknown word, or a link to
another type.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_NAMESPACES: Final = 'xmlns="http://docs.oasis-open.org/odata/ns/edm"'
V1: Final = "/redfish/v1"
ENUMS: Final = {
    "Resource.State": "Enabled Disabled StandbyOffline StandbySpare InTest Starting Absent UnavailableOffline",
    "Resource.Health": "OK Warning Critical",
    "Resource.PowerState": "On Off PoweringOn PoweringOff Paused",
    "Resource.ResetType": "On ForceOff GracefulShutdown GracefulRestart ForceRestart Nmi ForceOn PowerCycle",
    "ComputerSystem.v1_13_0.SystemType": "Physical Virtual OS PhysicallyPartitioned VirtuallyPartitioned Composed DPU",
    "ComputerSystem.v1_13_0.BootSourceOverrideEnabled": "Disabled Once Continuous",
    "ComputerSystem.v1_13_0.BootSourceOverrideMode": "Legacy UEFI",
    "ComputerSystem.BootSource": "None Pxe Floppy Cd Usb Hdd BiosSetup Utilities Diags UefiShell UefiTarget SDCard",
    "Processor.v1_4_0.ProcessorType": "CPU GPU FPGA DSP Accelerator Core Thread OEM",
    "Manager.v1_5_0.ManagerType": "ManagementController EnclosureManager BMC RackManager AuxiliaryController Service",
    "Chassis.v1_10_0.ChassisType": "Rack Blade Enclosure StandAlone RackMount Card Other Module Zone Sled Shelf",
    "VirtualMedia.v1_3_0.MediaType": "CD Floppy USBStick DVD",
    "VirtualMedia.v1_3_0.ConnectedVia": "NotConnected URI Applet Oem",
    "Session.v1_4_0.SessionTypes": "HostConsole ManagerConsole IPMI KVMIP OEM Redfish VirtualMedia WebUI",
}
# Name of a type: its properties, "Name Type"; ! is required, ~ may not be null, > is a link.
COMPLEX: Final = {
    "Resource.Status": "State Resource.State; Health Resource.Health",
    "ServiceRoot.v1_5_0.Links": "!~>Sessions SessionCollection.SessionCollection",
    "ServiceRoot.v1_5_0.ProtocolFeaturesSupported": (
        "~ExpandQuery ServiceRoot.v1_5_0.Expand; ~FilterQuery Edm.Boolean; ~SelectQuery Edm.Boolean; "
        "~ExcerptQuery Edm.Boolean; ~OnlyMemberQuery Edm.Boolean"
    ),
    "ServiceRoot.v1_5_0.Expand": (
        "~Links Edm.Boolean; ~NoLinks Edm.Boolean; ~ExpandAll Edm.Boolean; ~Levels Edm.Boolean; ~MaxLevels Edm.Int64"
    ),
    "ComputerSystem.v1_13_0.Boot": (
        "BootSourceOverrideTarget ComputerSystem.BootSource; "
        "BootSourceOverrideEnabled ComputerSystem.v1_13_0.BootSourceOverrideEnabled; "
        "BootSourceOverrideMode ComputerSystem.v1_13_0.BootSourceOverrideMode"
    ),
    "ComputerSystem.v1_13_0.Actions": "",
    "ComputerSystem.v1_13_0.Links": ">ManagedBy Collection(Manager.Manager); >Chassis Collection(Chassis.Chassis)",
    "ComputerSystem.v1_13_0.ProcessorSummary": "Count Edm.Int64; Model Edm.String",
    "ComputerSystem.v1_13_0.MemorySummary": "TotalSystemMemoryGiB Edm.Decimal",
    "Manager.v1_5_0.Links": (
        ">ManagerForServers Collection(ComputerSystem.ComputerSystem); >ManagerForChassis Collection(Chassis.Chassis)"
    ),
    "Chassis.v1_10_0.Links": (
        ">ComputerSystems Collection(ComputerSystem.ComputerSystem); >ManagedBy Collection(Manager.Manager)"
    ),
    "VirtualMedia.v1_3_0.Actions": "",
}
# Type: version, URIs below the root, what may be done (POST PATCH DELETE), properties.
ENTITIES: Final = {
    "ServiceRoot": (
        "v1_5_0", ["/"], "",
        "~RedfishVersion Edm.String; Product Edm.String; Vendor Edm.String; ~Links ServiceRoot.v1_5_0.Links; "
        "~ProtocolFeaturesSupported ServiceRoot.v1_5_0.ProtocolFeaturesSupported; "
        "~>Systems ComputerSystemCollection.ComputerSystemCollection; ~>Managers ManagerCollection.ManagerCollection; "
        "~>Chassis ChassisCollection.ChassisCollection; ~>SessionService SessionService.SessionService",
    ),
    "ComputerSystem": (
        "v1_13_0", ["/Systems/{Id}"], "PATCH",
        "~SystemType ComputerSystem.v1_13_0.SystemType; PowerState Resource.PowerState; ~Status Resource.Status; "
        "~>EthernetInterfaces EthernetInterfaceCollection.EthernetInterfaceCollection; "
        "~>Processors ProcessorCollection.ProcessorCollection; ~Links ComputerSystem.v1_13_0.Links; "
        "~Boot ComputerSystem.v1_13_0.Boot; ~Actions ComputerSystem.v1_13_0.Actions; "
        "~ProcessorSummary ComputerSystem.v1_13_0.ProcessorSummary; "
        "~MemorySummary ComputerSystem.v1_13_0.MemorySummary",
    ),
    "EthernetInterface": (
        "v1_5_0", ["/Systems/{Id}/EthernetInterfaces/{NicId}"], "",
        "MACAddress Edm.String; PermanentMACAddress Edm.String; ~Status Resource.Status",
    ),
    "Processor": (
        "v1_4_0", ["/Systems/{Id}/Processors/{CpuId}"], "",
        "ProcessorType Processor.v1_4_0.ProcessorType; ~Socket Edm.String; Model Edm.String; TotalCores Edm.Int64; "
        "TotalThreads Edm.Int64",
    ),
    "Manager": (
        "v1_5_0", ["/Managers/{Id}"], "",
        "~ManagerType Manager.v1_5_0.ManagerType; ~Status Resource.Status; ~Links Manager.v1_5_0.Links; "
        "~>VirtualMedia VirtualMediaCollection.VirtualMediaCollection",
    ),
    "Chassis": (
        "v1_10_0", ["/Chassis/{Id}"], "",
        "!~ChassisType Chassis.v1_10_0.ChassisType; ~Status Resource.Status; ~Links Chassis.v1_10_0.Links",
    ),
    "VirtualMedia": (
        "v1_3_0", ["/Managers/{Id}/VirtualMedia/{SlotId}"], "",
        "~MediaTypes Collection(VirtualMedia.v1_3_0.MediaType); Image Edm.String; ImageName Edm.String; "
        "Inserted Edm.Boolean; ConnectedVia VirtualMedia.v1_3_0.ConnectedVia; WriteProtected Edm.Boolean; "
        "~Actions VirtualMedia.v1_3_0.Actions",
    ),
    "SessionService": (
        "v1_1_6", ["/SessionService"], "",
        "ServiceEnabled Edm.Boolean; ~Status Resource.Status; ~SessionTimeout Edm.Int64; "
        "~>Sessions SessionCollection.SessionCollection",
    ),
    "Session": (
        "v1_4_0", ["/SessionService/Sessions/{Id}"], "DELETE",
        "CreatedTime Edm.DateTimeOffset; UserName Edm.String; Password Edm.String; "
        "SessionType Session.v1_4_0.SessionTypes",
    ),
}  # fmt: skip
COLLECTIONS: Final = {
    "ComputerSystem": ("/Systems", ""),
    "EthernetInterface": ("/Systems/{Id}/EthernetInterfaces", ""),
    "Processor": ("/Systems/{Id}/Processors", ""),
    "Manager": ("/Managers", ""),
    "Chassis": ("/Chassis", ""),
    "VirtualMedia": ("/Managers/{Id}/VirtualMedia", ""),
    "Session": ("/SessionService/Sessions", "POST"),
}
ACTIONS: Final = {"ComputerSystem": ["Reset"], "VirtualMedia": ["InsertMedia", "EjectMedia"]}
_MAY: Final = {
    "POST": ("InsertRestrictions", "Insertable"),
    "PATCH": ("UpdateRestrictions", "Updatable"),
    "DELETE": ("DeleteRestrictions", "Deletable"),
}


def write(directory: Path) -> None:
    """Write a file for each type into a directory."""
    for name, schemas in _files().items():
        whole = "".join(f'<Schema {_NAMESPACES} Namespace="{space}">{body}</Schema>' for space, body in schemas.items())
        (directory / f"{name}_v1.xml").write_text(
            '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:DataServices>'
            f"{whole}</edmx:DataServices></edmx:Edmx>"
        )


def _files() -> dict[str, dict[str, str]]:
    """Namespaces and what is in them, by file."""
    base = "!~Id Edm.String; !~Name Edm.String"
    files: dict[str, dict[str, str]] = {
        "Resource": {
            "Resource.v1_0_0": _entity("Resource", "", base) + _entity("ResourceCollection", "", "!~Name Edm.String")
        }
    }
    for name, (version, uris, may, properties) in ENTITIES.items():
        actions = "".join(f'<Action Name="{action}" IsBound="true"/>' for action in ACTIONS.get(name, ()))
        files[name] = {
            name: _entity(name, "Resource.v1_0_0.Resource", "", _notes(uris, may)) + actions,
            f"{name}.{version}": _entity(name, f"{name}.{name}", properties),
        }
    for name, (uri, may) in COLLECTIONS.items():
        kind, members = f"{name}Collection", f"!~>Members Collection({name}.{name})"
        files[kind] = {kind: _entity(kind, "Resource.v1_0_0.ResourceCollection", members, _notes([uri], may))}
    for full, properties in COMPLEX.items():
        space, _, name = full.rpartition(".")
        _put(files, space, f'<ComplexType Name="{name}">{_properties(properties)}</ComplexType>')
    for full, words in ENUMS.items():
        space, _, name = full.rpartition(".")
        members = "".join(f'<Member Name="{word}"/>' for word in words.split())
        _put(files, space, f'<EnumType Name="{name}">{members}</EnumType>')
    return files


def _put(files: dict[str, dict[str, str]], space: str, text: str) -> None:
    file = files[space.partition(".")[0]]
    file[space] = file.get(space, "") + text


def _entity(name: str, base: str, properties: str, notes: str = "") -> str:
    above = f' BaseType="{base}"' if base else ""
    return f'<EntityType Name="{name}"{above}>{_properties(properties)}{notes}</EntityType>'


def _notes(uris: list[str], may: str) -> str:
    listed = "".join(f"<String>{V1}{uri}</String>" for uri in uris)
    notes = f'<Annotation Term="Redfish.Uris"><Collection>{listed}</Collection></Annotation>'
    for method, (term, ability) in _MAY.items():
        allowed = "true" if method == may else "false"
        value = f'<Record><PropertyValue Property="{ability}" Bool="{allowed}"/></Record>'
        notes += f'<Annotation Term="Capabilities.{term}">{value}</Annotation>'
    return notes


def _properties(text: str) -> str:
    return "".join(_property(part.strip()) for part in text.split(";") if part.strip())


def _property(text: str) -> str:
    marks, kind = text.split(" ")
    name = marks.lstrip("!~>")
    tag = "NavigationProperty" if ">" in marks else "Property"
    fixed = ' Nullable="false"' if "~" in marks else ""
    required = '<Annotation Term="Redfish.Required"/>' if "!" in marks else ""
    return f'<{tag} Name="{name}" Type="{kind}"{fixed}>{required}</{tag}>'
