"""What a SONiC switch is: its ConfigDB, patched by `config apply-patch` over SSH, with a checkpoint to go back to.

    {"hostname": "10.0.0.9", "username": "admin", "password": "…", "host_key": "SHA256:…"}

The user must be allowed `sudo -n config` and `sudo -n sonic-cfggen`, as SONiC's administrators are. `port_mode` is
whether the image knows the mode of a port (`config switchport mode`, in images from 2024.11 on); older ones refuse it.
`apply_timeout` is in seconds: applying a patch takes from two seconds to a minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field

from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import checked
from hil.drivers.ssh_settings import SECRETS, SshSettings
from hil.drivers.switch.order import check_vlans
from hil.drivers.switch.sonic.parse import PORT
from hil.drivers.switch.sonic.render import lines

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.DELTA_PORT,
    atomicity=Atomicity.SWITCH,
    save=Save.EXPLICIT,
    batch_read=True,
    vlans=(2, 4094),
)
"""SONiC itself refuses VLAN 1."""


class SonicSettings(SshSettings):
    port_mode: bool = True
    apply_timeout: Annotated[float, Field(ge=1, le=3600)] = 300.0


@dataclass(frozen=True, slots=True)
class SonicSpec:
    name: str = "sonic"
    title: str = "SONiC (ConfigDB patches over SSH)"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=SECRETS - {"enable_password"})
    session: str = "hil.drivers.switch.sonic.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(SonicSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return SonicSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        raise BadArgument("The original API has no switches of type sonic: register it through /v1.")

    def port_name(self, text: str) -> str:
        """Accept SONiC's own names, not the aliases of the front panel. Case means nothing.

        >>> SPEC.port_name("ethernet04")
        'Ethernet4'
        """
        name = text.strip().capitalize() if text.isascii() else ""
        if not PORT.fullmatch(name):
            raise BadArgument(f"{text[:40]!a} is no port of a SONiC switch: use a name as in Ethernet4.")
        return f"Ethernet{int(name.removeprefix('Ethernet'))}"

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset()

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        """Answer the operations of the patch, as far as they follow from the batch alone."""
        check_vlans(self.capabilities, (), batch)
        return lines(batch, modes=config.get("port_mode", True))


SPEC: Final = SonicSpec()
