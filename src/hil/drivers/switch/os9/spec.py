"""What a Dell OS9 switch is: VLANs list their ports, and a port that leaves its untagged VLAN falls into the default.

Only where `default-vlan disable` is configured does it fall into none, and may a port have tagged networks alone: the
settings must say so, and sessions hold the switch to it. Elsewhere a native network comes first and leaves last. VLAN
1, another default VLAN, and 4094 are the platform's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import Text, checked
from hil.drivers.ssh_settings import SECRETS, SshSettings
from hil.drivers.switch.cli.original import original
from hil.drivers.switch.order import check_vlans
from hil.drivers.switch.os9 import names
from hil.drivers.switch.os9.render import lines, tagged_alone

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.NO,
    update=Update.DELTA_PORT,
    atomicity=Atomicity.NONE,
    save=Save.EXPLICIT,
    batch_read=True,
    vlans=(1, 4093),
    reserved=frozenset({1}),
    max_sessions=10,
    connects_per_minute=10,
)


class Os9Settings(SshSettings):
    """How to log in, and what the switch does with a port that is in no VLAN."""

    enable_password: Text = ""
    """Asked for by `enable`, where the log-in is not privileged."""
    default_vlan_disabled: bool = False
    """The switch has `default-vlan disable`: ports may then have tagged networks alone."""
    default_vlan: Annotated[int, Field(ge=1, le=4093)] = 1
    """The VLAN that untagged ports fall into otherwise (`default-vlan-id`); nothing else may use it."""
    interface_type: (
        Literal["GigabitEthernet", "TenGigabitEthernet", "twentyFiveGigE", "fortyGigE", "fiftyGigE", "hundredGigE"]
        | None
    ) = None
    """Ports whose names are numbers alone are of this kind."""
    edge: bool = True
    """Ports are edge ports with BPDU guard."""
    spanning_tree: Literal["rstp", "mstp", "pvst"] = "rstp"
    """The protocol that the switch runs: edge ports are declared to it."""
    storm_control: Annotated[int, Field(ge=0, le=33554431)] | None = None
    """Broadcasts a port may receive, in packets a second; unlimited if left out."""


@dataclass(frozen=True, slots=True)
class Os9Spec:
    name: str = "os9"
    title: str = "Dell OS9 (FTOS)"
    v0_type: str | None = "dellnos9"
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=SECRETS)
    session: str = "hil.drivers.switch.os9.session:open_session"

    def capabilities_of(self, config: Mapping[str, Any]) -> Capabilities:
        native = Nativeless.TRUE if config.get("default_vlan_disabled") else Nativeless.NO
        return replace(CAPABILITIES, nativeless=native)

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(Os9Settings, config)

    def settings_schema(self) -> dict[str, Any]:
        return Os9Settings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The original spoke REST to a URL: of that only the name of the switch is used here."""
        found = original(fields, "interface_type")
        if fields["hostname"].startswith(("http://", "https://")):
            found.pop("port", None)
        kind = next((kind for kind in names.KINDS if kind.lower() == str(fields["interface_type"]).lower()), None)
        return self.validate(found | {"interface_type": kind or fields["interface_type"]})

    def port_name(self, text: str) -> str:
        """Answer HIL's name of a port: TenGigabitEthernet0/1, or 0/1 where `interface_type` is set."""
        return names.port_name(text)

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset({config.get("default_vlan", 1)})

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, self.parked(config), batch)
        for change in batch:
            if not config.get("default_vlan_disabled") and tagged_alone(change):
                raise BadArgument(f"Port {change.port}: this switch needs a native network beside tagged ones.")
        return lines(config, batch)


SPEC: Final = Os9Spec()
