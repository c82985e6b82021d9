"""Every path of `/redfish`, with its methods: what is not here does not exist."""

from __future__ import annotations

from typing import Final

from hil.api.redfish import managers, root, sessions, systems
from hil.api.redfish.front import Front, Place

_OPEN: Final = frozenset({"GET"})
_NODE: Final = "/redfish/v1/Systems/{node}"
_CONTROLLER: Final = "/redfish/v1/Managers/{node}"
_SLOT: Final = f"{_CONTROLLER}/VirtualMedia/{{slot}}"
_SESSIONS: Final = "/redfish/v1/SessionService/Sessions"
PLACES: Final = (
    Place("/redfish", {"GET": root.versions}, _OPEN),
    Place("/redfish/v1", {"GET": root.service_root}, _OPEN, "ServiceRoot.ServiceRoot"),
    Place("/redfish/v1/odata", {"GET": root.service_document}, _OPEN),
    Place("/redfish/v1/$metadata", {"GET": root.metadata}, _OPEN),
    Place("/redfish/v1/Systems", {"GET": systems.system_list}),
    Place(_NODE, {"GET": systems.system_show, "PATCH": systems.system_change}, schema="ComputerSystem.ComputerSystem"),
    Place(f"{_NODE}/Actions/ComputerSystem.Reset", {"POST": systems.system_reset}),
    Place(f"{_NODE}/EthernetInterfaces", {"GET": systems.interface_list}),
    Place(f"{_NODE}/EthernetInterfaces/{{nic}}", {"GET": systems.interface_show}),
    Place(f"{_NODE}/Processors", {"GET": systems.processor_list}),
    Place(f"{_NODE}/Processors/{{processor}}", {"GET": systems.processor_show}),
    Place("/redfish/v1/Managers", {"GET": managers.manager_list}),
    Place(_CONTROLLER, {"GET": managers.manager_show}),
    Place(f"{_CONTROLLER}/VirtualMedia", {"GET": managers.media_list}),
    Place(_SLOT, {"GET": managers.media_show}),
    Place(f"{_SLOT}/Actions/VirtualMedia.InsertMedia", {"POST": managers.media_insert}),
    Place(f"{_SLOT}/Actions/VirtualMedia.EjectMedia", {"POST": managers.media_eject}),
    Place("/redfish/v1/Chassis", {"GET": managers.chassis_list}),
    Place("/redfish/v1/Chassis/{node}", {"GET": managers.chassis_show}),
    Place("/redfish/v1/SessionService", {"GET": sessions.service_show}),
    Place(_SESSIONS, {"GET": sessions.session_list, "POST": sessions.session_create}, frozenset({"POST"})),
    Place(f"{_SESSIONS}/Members", {"POST": sessions.session_create}, frozenset({"POST"})),  # DSP0266, "POST (create)"
    Place(f"{_SESSIONS}/{{session}}", {"GET": sessions.session_show, "DELETE": sessions.session_end}),
)
FRONT: Final = Front(PLACES)
