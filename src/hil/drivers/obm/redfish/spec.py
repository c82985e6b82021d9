"""What Redfish is, and which of it may be configured.

The capabilities are the most that a service offers; what one of them lacks, its session refuses in words. It refuses to
guess a system: a service with several needs `system`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator

from hil.core.errors import BadArgument
from hil.core.obms import BootDevice, ObmCapabilities, PowerAction
from hil.drivers.obm.redfish.quirks import Quirk
from hil.drivers.settings import checked
from hil.drivers.ssh_settings import HostKey
from hil.drivers.switch.web_settings import WebSettings

CAPABILITIES: Final = ObmCapabilities(
    actions=frozenset(PowerAction),
    devices=frozenset(BootDevice),
    boot_read=True,
    boot_once=True,
    boot_persistent=True,
    uefi=True,
    console=True,
    sensors=True,
    event_log=True,
    identify=True,
    media=True,
    firmware=True,
    max_sessions=4,
)


class RedfishSettings(WebSettings):
    system: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._~:-]+$")] | None = (
        None
    )
    """Id of the computer system; not needed where the service has one alone."""
    login: Literal["auto", "session", "basic"] = "auto"
    """`auto` makes a session, and uses HTTP Basic where the service has no sessions."""
    quirks: tuple[Quirk, ...] = ()
    """Deviations of this controller, beside those that are known of its vendor."""
    console_host_key: HostKey | None = None
    """SSH host key of the serial console (a public key, its SHA256 fingerprint, or `first-use`); no console without."""
    console_legacy_algorithms: bool = False
    timeout: Annotated[float, Field(ge=0.1, le=600)] = 30.0

    @field_validator("quirks", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        known = {str(quirk): quirk for quirk in Quirk}
        if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) and each in known for each in value):
            raise ValueError(f"use a list of {', '.join(known)}")
        return tuple(known[each] for each in value)


@dataclass(frozen=True, slots=True)
class RedfishSpec:
    name: str = "redfish"
    title: str = "Redfish"
    v0_type: str | None = "redfish"
    capabilities: ObmCapabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password"}))
    session: str = "hil.drivers.obm.redfish.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(RedfishSettings, config)

    def v0_config(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """The original had no such type; its keys addr, user, pass are taken, and `system`, `certificate`."""
        names = {
            "addr": "url",
            "user": "username",
            "pass": "password",
            "system": "system",
            "certificate": "certificate",
        }
        if unknown := sorted(info.keys() - names.keys()):
            raise BadArgument(f"{str(unknown[0])[:40]!a} is no key of a controller's info: use {', '.join(names)}.")
        config = {names[key]: value for key, value in info.items()}
        if isinstance(url := config.get("url"), str) and "://" not in url:
            config["url"] = f"https://{url}"
        return self.validate(config)

    def controller(self, config: Mapping[str, Any]) -> str:
        parts = urlsplit(config["url"])
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f"redfish://{(parts.hostname or '').lower()}:{port}"


SPEC: Final = RedfishSpec()
