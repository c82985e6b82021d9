"""What a Dell OS10 switch is: a batch is one transaction, and a trunk always has an untagged VLAN.

`no switchport access vlan` puts a port back into the default VLAN, and every VLAN that could stand for *none* would
join all the ports that it stands for: so a native network comes first and leaves last, and tagged networks alone are
refused. Closed ports are shut in the parked VLAN, so that opening one by hand leads away from VLAN 1. It refuses VLAN
1 and ids above 4093, which the platform keeps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field

from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import checked
from hil.drivers.ssh_settings import SECRETS, SshSettings, v0_address
from hil.drivers.switch.order import check_vlans
from hil.drivers.switch.os10.render import LONGEST_LIST, lines, tagged_alone

RESERVED: Final = frozenset({1})
_PORT: Final = re.compile(r"(?:eth(?:ernet)? ?)?(\d{1,3}/\d{1,3}/\d{1,3})(:\d{1,2})?", re.IGNORECASE)
_LAG: Final = re.compile(r"(?:port-channel|po) ?(\d{1,4})", re.IGNORECASE)

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.NO,
    update=Update.DELTA_PORT,
    atomicity=Atomicity.SWITCH,
    save=Save.EXPLICIT,
    batch_read=True,
    vlans=(1, 4093),
    reserved=RESERVED,
    max_line_chars=LONGEST_LIST,
    max_sessions=10,
)


class Os10Settings(SshSettings):
    """How to log in, and where closed ports are."""

    parked: Annotated[int, Field(ge=2, le=4093)]
    """The untagged VLAN of closed ports: nothing else may use it. HIL makes it."""
    edge: bool = True
    """Ports are edge ports with BPDU guard."""
    storm_control: Annotated[int, Field(ge=0, le=100000000)] | None = None
    """Broadcasts a port may receive, in packets a second; unlimited if left out."""


@dataclass(frozen=True, slots=True)
class Os10Spec:
    name: str = "os10"
    title: str = "Dell SmartFabric OS10"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=SECRETS)
    session: str = "hil.drivers.switch.os10.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(Os10Settings, config)

    def settings_schema(self) -> dict[str, Any]:
        return Os10Settings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return self.validate({**fields, **v0_address(fields.get("hostname"))})

    def port_name(self, text: str) -> str:
        """Answer the name as the configuration has it: ethernet1/1/5, ethernet1/1/5:2, port-channel12.

        >>> SPEC.port_name("Eth 1/1/05")
        'ethernet1/1/5'
        """
        if text.isascii() and (lag := _LAG.fullmatch(text)):
            return f"port-channel{int(lag[1])}"
        found = _PORT.fullmatch(text) if text.isascii() else None
        if found is None:
            raise BadArgument(f"{text[:40]!a} is no port of such a switch: write it as ethernet1/1/5.")
        part = f":{int(found[2][1:])}" if found[2] else ""
        return "ethernet" + "/".join(str(int(number)) for number in found[1].split("/")) + part

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset({config["parked"]})

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, self.parked(config), batch)
        for change in batch:
            if tagged_alone(change):
                raise BadArgument(f"Port {change.port}: such a switch needs a native network beside tagged ones.")
        return lines(config, batch)


SPEC: Final = Os10Spec()
