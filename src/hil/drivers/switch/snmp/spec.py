"""What a switch is that is known by its SNMP agent alone: the static tables of Q-BRIDGE-MIB (RFC 4363).

    {"hostname": "10.0.0.7", "version": "3", "username": "hil", "auth_password": "…", "priv_password": "…",
     "engine_id": "80001f8804…", "save_oid": "1.3.6.1.4.1.…", "save_value": 1}

For switches that have no driver of their own, and whose agent lets these tables be written (Cisco's does not). Use
version 3: version 2c sends its community in clear, and an agent does not answer a wrong one, so that HIL cannot tell
it from a switch that is off. The keys of version 3 prove either side to the other; `engine_id` pins the very agent.

How a configuration is saved is every vendor's own: name the object to set. Without one HIL saves nothing; then the
switch must keep what it is told by itself. `error_oid` is where some vendors put the words of the last refusal (in
Marvell's family: rndErrorDesc). `parked` is a VLAN on which ports without a native VLAN rest, for agents that insist
on having a port in the VLAN of its PVID; it must lead nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from hil.core import names
from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import Hostname, Settings, Text, checked
from hil.drivers.switch.order import check_vlans
from hil.drivers.switch.snmp.render import REST, lines

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.VLAN_BITMAP,
    atomicity=Atomicity.NONE,
    save=Save.AUTOMATIC,
    batch_read=True,
    vlans=(2, 4094),
)
"""VLAN 1 stays out: it is where ports are as they come from the factory."""

PassPhrase = Annotated[str, StringConstraints(min_length=8, max_length=255, pattern=r"^[ -~]+$")]
"""At least eight characters (RFC 3414, section 11.2)."""
OidText = Annotated[str, StringConstraints(max_length=255, pattern=r"^[0-2](\.(0|[1-9][0-9]{0,9})){1,60}$")]
EngineId = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){5,32}$")]


class SnmpSettings(Settings):
    """`timeout` is in seconds and for one answer; `retries` are for reads, a set is sent once."""

    hostname: Hostname
    port: Annotated[int, Field(ge=1, le=65535)] = 161
    version: Literal["2c", "3"] = "3"
    community: Text | None = None
    username: Text | None = None
    auth_protocol: Literal["sha1", "sha256", "sha512"] = "sha256"
    auth_password: PassPhrase | None = None
    priv_protocol: Literal["aes128", "aes256"] = "aes128"
    priv_password: PassPhrase | None = None
    engine_id: EngineId | None = None
    names: Literal["ifName", "ifDescr"] = "ifName"
    parked: Annotated[int, Field(ge=1, le=4094)] | None = None
    save_oid: OidText | None = None
    save_value: int = 1
    error_oid: OidText | None = None
    timeout: Annotated[float, Field(ge=0.1, le=60)] = 3.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2

    @model_validator(mode="after")
    def _credentials_fit_the_version(self) -> SnmpSettings:
        user = (self.username, self.auth_password, self.priv_password)
        if self.version == "2c" and (not self.community or any(user)):
            raise ValueError("version 2c needs a community, and neither user name nor passwords")
        if self.version == "3" and (not all(user) or self.community):
            raise ValueError("version 3 needs username, auth_password and priv_password, and no community")
        return self


@dataclass(frozen=True, slots=True)
class SnmpSpec:
    name: str = "snmp"
    title: str = "Any switch with a writable Q-BRIDGE-MIB (SNMP)"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"community", "auth_password", "priv_password"}))
    session: str = "hil.drivers.switch.snmp.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(SnmpSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return SnmpSettings.model_json_schema()

    def capabilities_of(self, config: Mapping[str, Any]) -> Capabilities:
        """Where an object is named that saves, saving is explicit."""
        return replace(self.capabilities, save=Save.EXPLICIT) if config.get("save_oid") else self.capabilities

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        raise BadArgument("The original API has no switches of type snmp: register it through /v1.")

    def port_name(self, text: str) -> str:
        """Accept any name that HIL allows: it is the agent's own, and case matters."""
        return names.port_name(text)

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset() if config.get("parked") is None else frozenset({config["parked"]})

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        """Answer the steps; the bits of other ports in each list are those that the agent holds at that moment."""
        check_vlans(self.capabilities, self.parked(config), batch)
        return lines(batch, config.get("parked", REST))


SPEC: Final = SnmpSpec()
