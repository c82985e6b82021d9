"""What a Juniper switch is: Junos with Enhanced Layer 2 Software, configured by NETCONF over SSH in commits.

    {"hostname": "10.0.0.8", "username": "hil", "password": "…", "host_key": "SHA256:…", "confirm": 60}

Every batch is one commit that takes itself back after `confirm` seconds unless HIL has read it back and confirms it.
`set system services netconf ssh` must be on, and the user needs the rights to configure interfaces, VLANs and the
spanning tree. `edge` makes opened ports edge ports of the spanning tree `protocol` and blocks those that hear a BPDU
(`bpdu-block-on-edge`, for all edge ports of the switch). `storm_control` names a profile of the switch, if any is to be
bound. The style before ELS (`port-mode`) is read as not representable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import checked
from hil.drivers.ssh_settings import SECRETS, SshSettings
from hil.drivers.switch.junos.parse import PORT
from hil.drivers.switch.junos.render import lines
from hil.drivers.switch.order import check_vlans

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.REPLACE_PORT,
    atomicity=Atomicity.SWITCH,
    save=Save.ON_COMMIT,
    batch_read=True,
    confirm_timer=(10, 3600),
    vlans=(2, 4094),
    max_sessions=75,
)
"""VLAN 1 is `default`: where ports are that nobody has configured."""

Profile = Annotated[str, StringConstraints(min_length=1, max_length=127, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class JunosSettings(SshSettings):
    """Times are in seconds: `confirm` is how long an unconfirmed commit lasts, `timeout` how long one may take."""

    port: Annotated[int, Field(ge=1, le=65535)] = 830
    confirm: Annotated[int, Field(ge=10, le=3600)] = 120
    timeout: Annotated[float, Field(ge=1, le=600)] = 120.0
    edge: bool = True
    protocol: Literal["rstp", "mstp", "vstp"] = "rstp"
    storm_control: Profile | None = None


@dataclass(frozen=True, slots=True)
class JunosSpec:
    name: str = "junos"
    title: str = "Juniper Junos, EX and QFX with ELS (NETCONF)"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=SECRETS - {"enable_password"})
    session: str = "hil.drivers.switch.junos.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(JunosSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return JunosSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        raise BadArgument("The original API has no switches of type junos: register it through /v1.")

    def port_name(self, text: str) -> str:
        """Accept a physical interface or a bundle, as Junos writes it. Case, blanks and unit 0 mean nothing.

        >>> SPEC.port_name("GE-0/0/5.0")
        'ge-0/0/5'
        """
        name = text.strip().lower().removesuffix(".0") if text.isascii() else ""
        if not PORT.fullmatch(name):
            raise BadArgument(
                f"{text[:40]!a} is no port of a Junos switch: use a name as in ge-0/0/5, xe-0/0/1:0 or ae3."
            )
        return name

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset()

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        """Answer the commands that do what the edit does; what is taken over hangs on what is there at that moment."""
        check_vlans(self.capabilities, (), batch)
        return lines(batch, **hardening(config))


def hardening(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that concern every opened port."""
    return {
        "edge": config.get("edge", True),
        "protocol": config.get("protocol", "rstp"),
        "storm_control": config.get("storm_control", ""),
    }


SPEC: Final = JunosSpec()
