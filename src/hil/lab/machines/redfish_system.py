"""What the Redfish controller of a machine says and does: one computer system, and who may ask for it.

It holds no state of the machine: it asks the machine, over the socket `power` in the present directory, as the IPMI
controllers do. Resources follow DMTF's schemas (DSP8010); what it does not know it refuses in words.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hil.core.errors import HilError
from hil.core.obms import BootDevice, PowerAction
from hil.lab.machines import asks

HOST: Final = "127.0.0.1"
CERTIFICATE: Final = "switch.pem"
"""Key and certificate, in the present directory."""
ROOT: Final = "/redfish/v1"
SESSIONS: Final = f"{ROOT}/SessionService/Sessions"
RESETS: Final = {
    "On": PowerAction.ON,
    "ForceOn": PowerAction.ON,
    "ForceOff": PowerAction.OFF,
    "GracefulShutdown": PowerAction.SOFT_OFF,
    "ForceRestart": PowerAction.RESET,
    "PowerCycle": PowerAction.CYCLE,
}
TARGETS: Final = {
    "None": BootDevice.NONE,
    "Pxe": BootDevice.PXE,
    "Hdd": BootDevice.DISK,
    "Cd": BootDevice.CDROM,
    "BiosSetup": BootDevice.BIOS,
}
_MOST_SESSIONS: Final = 16


class Wrong(Exception):
    """A request that is refused: status and words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


@dataclass
class Service:
    """One controller of one machine, whose sockets are in the present directory."""

    name: str
    username: str
    password: str
    tokens: dict[str, str] = field(default_factory=dict)
    """Session ids and the tokens that prove them."""

    @property
    def system_path(self) -> str:
        return f"{ROOT}/Systems/{self.name}"

    async def system(self) -> dict[str, Any]:
        """The computer system, as it is now."""
        on, boot = await self.ask("power"), await self.ask("boot")
        target = next(word for word, device in TARGETS.items() if device == boot["device"])
        enabled = "Disabled" if target == "None" else "Continuous" if boot["persistent"] else "Once"
        path = self.system_path
        return {
            "@odata.id": path,
            "@odata.type": "#ComputerSystem.v1_22_0.ComputerSystem",
            "Id": self.name,
            "Name": self.name,
            "SystemType": "Virtual",
            "Manufacturer": "HIL",
            "Model": "lab machine",
            "PowerState": "On" if on else "Off",
            "LocationIndicatorActive": await self.ask("light"),
            "Boot": {
                "BootSourceOverrideEnabled": enabled,
                "BootSourceOverrideTarget": target,
                "BootSourceOverrideMode": "Legacy",
                "BootSourceOverrideTarget@Redfish.AllowableValues": list(TARGETS),
            },
            "SerialConsole": {
                "MaxConcurrentSessions": 1,
                "WebSocket": {"ServiceEnabled": True, "Interactive": True, "ConsoleURI": f"{path}/SerialConsole"},
            },
            "Links": {"ManagedBy": [link(f"{ROOT}/Managers/BMC")]},
            "Actions": {
                "#ComputerSystem.Reset": {
                    "target": f"{path}/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": list(RESETS),
                }
            },
        }

    async def change(self, body: Any) -> None:
        """Change what may be changed, all or nothing. Raises Wrong."""
        if not isinstance(body, Mapping) or not body.keys() <= {"Boot", "LocationIndicatorActive"}:
            raise Wrong(400, "Only Boot and LocationIndicatorActive can be changed.")
        boot = self._boot(body["Boot"], await self.ask("boot")) if "Boot" in body else None
        lit = body.get("LocationIndicatorActive", False)
        if not isinstance(lit, bool):
            raise Wrong(400, "LocationIndicatorActive is true or false.")
        if boot is not None:
            await self.ask("boot-set", **boot)
        if "LocationIndicatorActive" in body:
            await self.ask("identify", on=lit)

    def _boot(self, wanted: Any, have: Mapping[str, Any]) -> dict[str, Any]:
        """An override, with what is not said left as it is. Raises Wrong."""
        names = {"BootSourceOverrideTarget", "BootSourceOverrideEnabled", "BootSourceOverrideMode"}
        if not isinstance(wanted, Mapping) or not wanted.keys() <= names:
            raise Wrong(400, f"Boot has {', '.join(sorted(names))}.")
        if wanted.get("BootSourceOverrideMode", "Legacy") != "Legacy":
            raise Wrong(400, "The firmware of this machine knows the mode Legacy alone.")
        device: str = have["device"]
        if "BootSourceOverrideTarget" in wanted:
            target = wanted["BootSourceOverrideTarget"]
            if not isinstance(target, str) or target not in TARGETS:
                raise Wrong(400, f"BootSourceOverrideTarget is one of {', '.join(TARGETS)}.")
            device = TARGETS[target]
        enabled = wanted.get("BootSourceOverrideEnabled", "Continuous" if have["persistent"] else "Once")
        if enabled not in ("Disabled", "Once", "Continuous"):
            raise Wrong(400, "BootSourceOverrideEnabled is one of Disabled, Once, Continuous.")
        if enabled == "Disabled":
            device = BootDevice.NONE
        return {"device": device, "persistent": enabled == "Continuous" and device != BootDevice.NONE}

    async def ask(self, what: str, **details: Any) -> Any:
        """Ask the machine. Raises Wrong."""
        try:
            return await asks.ask(Path("power"), what, **details)
        except HilError as error:
            raise Wrong(500, error.message) from error

    # Who is asking.

    def log_in(self, body: Any) -> str:
        """Make a session; answer its id. Raises Wrong."""
        if not isinstance(body, Mapping) or not self._knows(body.get("UserName"), body.get("Password")):
            raise Wrong(401, "The user name or password is not correct.")
        if len(self.tokens) >= _MOST_SESSIONS:
            del self.tokens[next(iter(self.tokens))]  # nobody may lock the owner out by forgetting to log out
        number = secrets.token_hex(8)
        self.tokens[number] = secrets.token_urlsafe(32)
        return number

    def admit(self, headers: Mapping[str, str]) -> None:
        """Raises Wrong unless a request's headers prove who asks."""
        token = headers.get("x-auth-token", "")
        if any(hmac.compare_digest(token.encode(), known.encode()) for known in self.tokens.values()):
            return
        kind, _, text = headers.get("authorization", "").partition(" ")
        with suppress(ValueError):
            user, _, password = b64decode(text, validate=True).decode().partition(":")
            if kind.lower() == "basic" and self._knows(user, password):
                return
        raise Wrong(401, "Log in first.")

    def _knows(self, username: Any, password: Any) -> bool:
        if not isinstance(username, str) or not isinstance(password, str):
            return False
        right = hmac.compare_digest(username.encode(), self.username.encode())
        return hmac.compare_digest(password.encode(), self.password.encode()) and right


def resources(service: Service) -> dict[str, dict[str, Any]]:
    """What never changes, by path."""
    found: dict[str, dict[str, Any]] = {
        f"{ROOT}/": {
            "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
            "Id": "RootService",
            "Name": "Redfish service of a lab machine",
            "RedfishVersion": "1.18.0",
            "Systems": link(f"{ROOT}/Systems"),
            "Managers": link(f"{ROOT}/Managers"),
            "SessionService": link(f"{ROOT}/SessionService"),
            "Links": {"Sessions": link(SESSIONS)},
        },
        f"{ROOT}/SessionService": {
            "@odata.type": "#SessionService.v1_1_9.SessionService",
            "Id": "SessionService",
            "Name": "sessions",
            "Sessions": link(SESSIONS),
        },
        f"{ROOT}/Systems": collection("ComputerSystem", [service.system_path]),
        f"{ROOT}/Managers": collection("Manager", [f"{ROOT}/Managers/BMC"]),
        f"{ROOT}/Managers/BMC": {
            "@odata.type": "#Manager.v1_19_0.Manager",
            "Id": "BMC",
            "Name": "BMC",
            "ManagerType": "BMC",
            "FirmwareVersion": "1.0",
            "Links": {"ManagerForServers": [link(service.system_path)]},
        },
    }
    return {path: {"@odata.id": path, **resource} for path, resource in found.items()}


def collection(kind: str, paths: Sequence[str]) -> dict[str, Any]:
    return {
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": f"{kind} collection",
        "Members": [link(path) for path in paths],
        "Members@odata.count": len(paths),
    }
