"""What a node of a parent HIL is: its name there, and an API key of the project that holds it.

A HIL below another has no controllers of its own: the parent keeps their addresses and passwords, and does to a machine
what the key's project may do. Out-of-band management is enabled by the child's operator at the parent, once; this
driver never does that, since it would cut the consoles that the operator has open. What the machine behind the node
lacks, the parent refuses in its own words. The original OBMd had no such type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator, model_validator

from hil.core import names
from hil.core.errors import BadArgument
from hil.core.obms import BootDevice, ObmCapabilities, PowerAction
from hil.drivers.settings import Hostname, Settings, checked
from hil.drivers.switch.web_settings import Address, Certificate

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
"""What API v1 can ask for. The parent shares its controllers among its users itself: four is politeness."""


class ParentNodeSettings(Settings):
    """Log in with an API key of the parent, made for the project with the role member; nothing else is needed."""

    url: Address
    """Where the parent's API is, as in `https://hil.example.org`."""
    node: str
    """What the parent calls the node."""
    api_key: Hostname
    certificate: Certificate | None = None
    """SHA-256 fingerprint of the API's certificate, PEM of it or of its issuer, or `first-use`; else the system's
    authorities decide."""
    console_certificate: Certificate | None = None
    """The same for the parent's obmd, which carries consoles; without, as `certificate`."""
    timeout: Annotated[float, Field(ge=0.1, le=600)] = 30.0
    """Seconds for a connection, and for each answer."""

    @field_validator("node")
    @classmethod
    def _node(cls, text: str) -> str:
        try:
            return names.name("node", text)
        except BadArgument as error:
            raise ValueError(error.message) from error

    @model_validator(mode="after")
    def _certificates_are_for_tls(self) -> Self:
        if self.url.startswith("http:") and (self.certificate or self.console_certificate) is not None:
            raise ValueError("certificate belongs to an https address")
        return self


@dataclass(frozen=True, slots=True)
class ParentNodeSpec:
    name: str = "hil"
    title: str = "A node of another HIL (API v1)"
    v0_type: str | None = None
    capabilities: ObmCapabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"api_key"}))
    session: str = "hil.drivers.obm.parent.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(ParentNodeSettings, config)

    def v0_config(self, info: Mapping[str, Any]) -> dict[str, Any]:
        raise BadArgument("The original protocol knows no HIL as a controller: register it through v1.")

    def controller(self, config: Mapping[str, Any]) -> str:
        """Each node stands alone: the parent's controllers wait for each other there."""
        parts = urlsplit(config["url"])
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f"hil://{(parts.hostname or '').lower()}:{port}/{quote(config['node'], safe='')}"


SPEC: Final = ParentNodeSpec()
