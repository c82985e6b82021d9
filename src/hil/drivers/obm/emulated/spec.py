"""What the emulated BMC is: a controller of the lab at a TCP address, with everything that the contract knows.

It exists so that everything which obmd meets on real controllers can be met on purpose. It controls no machine but the
lab's. The original OBMd's `mock` registers it too, with `addr` as its address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import Field, field_validator

from hil.core.errors import BadArgument
from hil.core.obms import BootDevice, ObmCapabilities, PowerAction
from hil.drivers.settings import Hostname, Settings, Text, checked
from hil.drivers.switch.emulated.spec import host_port

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


class EmulatedBmcSettings(Settings):
    address: Hostname
    username: Text = "hil"
    password: Text
    timeout: float = Field(default=10.0, gt=0, le=600)
    """Seconds for a connection, and for each answer."""

    @field_validator("address")
    @classmethod
    def _address(cls, text: str) -> str:
        host, port = host_port(text)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class EmulatedBmcSpec:
    name: str = "emulated"
    title: str = "Emulated BMC of the lab"
    v0_type: str | None = "mock"
    capabilities: ObmCapabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password"}))
    session: str = "hil.drivers.obm.emulated.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(EmulatedBmcSettings, config)

    def v0_config(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """The keys are those of the original's `ipmi`: addr, user, pass."""
        names = {"addr": "address", "user": "username", "pass": "password"}
        if unknown := sorted(info.keys() - names.keys()):
            raise BadArgument(f"{str(unknown[0])[:40]!a} is no key of a controller's info: use addr, user, pass.")
        return self.validate({names[key]: value for key, value in info.items()})

    def controller(self, config: Mapping[str, Any]) -> str:
        return str(config["address"])


SPEC: Final = EmulatedBmcSpec()
