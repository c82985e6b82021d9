"""What the emulated switch is: a device of the lab at a TCP address, with a choice of nativeless modes.

It exists so that everything which a worker meets on real switches can be met on purpose. It is no switch to
put between tenants: it forwards nothing. The original API had no such type.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from hil.core import names
from hil.core.devices import Capabilities, Nativeless
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.core.vlans import FIRST, LAST
from hil.drivers.settings import Hostname, Settings, Text, checked
from hil.drivers.switch.emulated.wire import write_message
from hil.drivers.switch.mock import spec as mock
from hil.drivers.switch.mock.render import parking
from hil.drivers.switch.order import check_vlans, differing

CAPABILITIES: Final = mock.CAPABILITIES


class EmulatedSettings(Settings):
    """`nativeless` says how the device keeps untagged frames out: true, parked (on VLAN `parked`) or no."""

    address: Hostname
    """Where it listens: `host:port`."""
    username: Text
    password: Text
    nativeless: Literal["true", "parked", "no"] = "true"
    parked: int | None = Field(default=None, ge=FIRST, le=LAST)
    timeout: float = Field(default=10.0, gt=0, le=600)
    """Seconds for a connection, and for each answer."""

    @field_validator("address")
    @classmethod
    def _address(cls, text: str) -> str:
        host, port = host_port(text)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.nativeless == "parked") != (self.parked is not None):
            raise ValueError('parked (a VLAN id) belongs to nativeless "parked": give both or neither')
        return self


def host_port(text: str) -> tuple[str, int]:
    """Take `host:port` or `[ipv6]:port` apart. Raises ValueError.

    >>> host_port("[::1]:9022")
    ('::1', 9022)
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("write an IPv6 address in brackets, as in [::1]:9022")
    if not colon or not host or not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        raise ValueError("use host:port, as in 127.0.0.1:9022")
    return host, int(port)


@dataclass(frozen=True, slots=True)
class EmulatedSpec:
    name: str = "emulated"
    title: str = "Emulated switch of the lab"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    """Those of the default configuration; `capabilities_of` knows the configured ones."""
    secrets: frozenset[str] = field(default=frozenset({"password"}))
    session: str = "hil.drivers.switch.emulated.session:open_session"

    def capabilities_of(self, config: Mapping[str, Any]) -> Capabilities:
        return dataclasses.replace(self.capabilities, nativeless=Nativeless(config.get("nativeless", "true")))

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(EmulatedSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return EmulatedSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        raise BadArgument("The original API knows no emulated switch: register it through v1.")

    def port_name(self, text: str) -> str:
        return names.port_name(text)

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset() if config.get("parked") is None else frozenset({config["parked"]})

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        """Each line is a request as it is sent, but for the lane's fence."""
        check_vlans(self.capabilities, self.parked(config), batch)
        native = config.get("parked")
        return [
            json.dumps(write_message({change.port: parking(change.want, native)}), separators=(",", ":"))
            for change in differing(batch)
        ]


SPEC: Final = EmulatedSpec()
