"""The service root and what tells a client where things are: read without credentials, and the same for everybody."""

from __future__ import annotations

from typing import Final

from hil.api.redfish import shapes
from hil.api.redfish.door import Shown, Visit

_TYPES: Final = (
    ("ServiceRoot", "v1_5_0"), ("ComputerSystemCollection", ""), ("ComputerSystem", "v1_13_0"),
    ("EthernetInterfaceCollection", ""), ("EthernetInterface", "v1_5_0"), ("ProcessorCollection", ""),
    ("Processor", "v1_4_0"), ("ManagerCollection", ""), ("Manager", "v1_5_0"), ("VirtualMediaCollection", ""),
    ("VirtualMedia", "v1_3_0"), ("ChassisCollection", ""), ("Chassis", "v1_10_0"), ("SessionService", "v1_1_6"),
    ("SessionCollection", ""), ("Session", "v1_4_0"), ("Message", "v1_1_1"),
)  # fmt: skip
_SCHEMAS: Final = "http://redfish.dmtf.org/schemas/v1"
"""Where Redfish says that its schemas are (DSP0266, "Service metadata"); HIL asks nothing there."""
_PARTS: Final = ("Systems", "Managers", "Chassis", "SessionService")


async def versions(visit: Visit) -> Shown:
    return Shown({"v1": f"{shapes.ROOT}/"})


async def service_root(visit: Visit) -> Shown:
    features = {
        "ExpandQuery": {"ExpandAll": False, "Levels": False, "Links": False, "NoLinks": False},
        "ExcerptQuery": False, "FilterQuery": False, "OnlyMemberQuery": False, "SelectQuery": False,
    }  # fmt: skip
    return Shown({
        "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot",
        "@odata.id": f"{shapes.ROOT}/",
        "Id": "RootService",
        "Name": "HIL",
        "Product": "HIL",
        "Vendor": "HIL",
        "RedfishVersion": "1.11.0",
        "ProtocolFeaturesSupported": features,
        **{part: shapes.link(part) for part in _PARTS},
        "Links": {"Sessions": shapes.link("SessionService", "Sessions")},
    })  # fmt: skip


async def service_document(visit: Visit) -> Shown:
    listed = [
        {"name": part, "kind": "Singleton", "url": shapes.at(*part.split("/"))}
        for part in (*_PARTS, "SessionService/Sessions")
    ]
    listed.insert(0, {"name": "Service", "kind": "Singleton", "url": f"{shapes.ROOT}/"})
    return Shown({"@odata.context": f"{shapes.ROOT}/$metadata", "value": listed})


async def metadata(visit: Visit) -> Shown:
    return Shown(_METADATA)


def _reference(kind: str, version: str) -> str:
    file = f"{_SCHEMAS}/{kind}{'_v1' if version or kind.endswith('Collection') else ''}.xml"
    spaces = [kind, *([f"{kind}.{version}"] if version else [])]
    inside = "".join(f'<edmx:Include Namespace="{space}"/>' for space in spaces)
    return f'<edmx:Reference Uri="{file}">{inside}</edmx:Reference>'


_METADATA: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">'
    + "".join(_reference(kind, version) for kind, version in _TYPES)
    + f'<edmx:Reference Uri="{_SCHEMAS}/RedfishExtensions_v1.xml">'
    '<edmx:Include Namespace="RedfishExtensions.v1_0_0" Alias="Redfish"/></edmx:Reference>'
    '<edmx:DataServices><Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service">'
    '<EntityContainer Name="Service" Extends="ServiceRoot.v1_5_0.ServiceContainer"/>'
    "</Schema></edmx:DataServices></edmx:Edmx>"
)
