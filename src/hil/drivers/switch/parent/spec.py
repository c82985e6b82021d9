"""What a parent HIL is: a project there, whose nodes' NICs are ports here, and whose networks stand for VLANs.

A HIL below another: its operator holds an API key of a project at the parent, shares that project's nodes out among
tenants of his own, and trusts the parent for the wires. Untagged, any network may stand for any VLAN. Tagged, the
node sees the parent's id, so the child must use the very id that the network has at the parent; it is refused
otherwise. The original API had no such type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from pydantic import Field, field_validator, model_validator

from hil.core import names
from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.core.vlans import fold
from hil.drivers.settings import Hostname, Settings, checked
from hil.drivers.switch.order import check_vlans, differing
from hil.drivers.switch.parent.names import check_networks, known, port_of
from hil.drivers.switch.parent.render import lines
from hil.drivers.switch.web_settings import Address, Certificate

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.DELTA_PORT,
    atomicity=Atomicity.PORT,
    save=Save.AUTOMATIC,
    batch_read=False,
)


class ParentSettings(Settings):
    """Log in with an API key of the parent, made for the project with the role member; nothing else is needed."""

    url: Address
    """Where the parent's API is, as in `https://hil.example.org`."""
    certificate: Certificate | None = None
    """SHA-256 fingerprint of its certificate, or the certificate or its issuer as PEM; without, the system's trust."""
    api_key: Hostname
    project: str
    """The project at the parent that holds the nodes."""
    networks: str | dict[str, str]
    """Which network stands for which VLAN: a table `{"100": "storage"}`, or a template such as `child-{vlan}`."""
    create: bool = False
    """Make the networks of a template at the parent when they are first needed."""
    timeout: float = Field(default=30.0, gt=0, le=600)
    """Seconds for a connection, and for each answer."""
    patience: float = Field(default=120.0, ge=0, le=540)
    """Seconds that the parent's own switches may take for a batch."""

    @field_validator("project")
    @classmethod
    def _project(cls, text: str) -> str:
        try:
            names.name("project", text)
        except BadArgument as error:
            raise ValueError(error.message) from error
        return text

    @field_validator("networks")
    @classmethod
    def _networks(cls, found: str | dict[str, str]) -> str | dict[str, str]:
        check_networks(found)
        return found

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.certificate is not None and self.url.startswith("http:"):
            raise ValueError("certificate belongs to an https address")
        if self.create and not isinstance(self.networks, str):
            raise ValueError("create belongs to networks given as a template: those of a table exist already")
        return self


@dataclass(frozen=True, slots=True)
class ParentSpec:
    name: str = "hil"
    title: str = "A project at another HIL (API v1)"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"api_key"}))
    session: str = "hil.drivers.switch.parent.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(ParentSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return ParentSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        raise BadArgument("The original API knows no HIL as a switch: register it through v1.")

    def port_name(self, text: str) -> str:
        """Accept `node/nic`, both exactly as at the parent."""
        return "/".join(port_of(text))

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset()

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        """Each line is a request; networks that are made on demand come before it and are not shown."""
        check_vlans(self.capabilities, (), batch)
        for change in differing(batch):
            if wrong := [vlan for vlan in change.want.vlans if not known(config, vlan)]:
                raise BadArgument(f"Port {change.port}: no network of the parent stands for VLAN {fold(wrong)}.")
        return lines(config["networks"], batch)


SPEC: Final = ParentSpec()
