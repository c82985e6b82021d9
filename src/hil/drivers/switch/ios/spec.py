"""What a Catalyst with IOS or IOS XE is: ports are trunks, *no native* is a native VLAN outside the allowed list.

It refuses VLAN 1, where ports fall back to, and 1002-1005, which the platform keeps (Cisco: Catalyst VLAN
configuration guides). A parked VLAN must be named and is never handed out; it need not exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import Text, checked
from hil.drivers.ssh_settings import SECRETS, SshSettings, v0_address
from hil.drivers.switch.ios.render import LONGEST_LIST, lines
from hil.drivers.switch.order import check_vlans

RESERVED: Final = frozenset({1, *range(1002, 1006)})
_KINDS: Final = (
    "FastEthernet",
    "GigabitEthernet",
    "TwoGigabitEthernet",
    "FiveGigabitEthernet",
    "TenGigabitEthernet",
    "TwentyFiveGigE",
    "FortyGigabitEthernet",
    "HundredGigE",
    "FourHundredGigE",
    "AppGigabitEthernet",
    "Ethernet",
    "Port-channel",
)
_SHORT: Final = {
    "fa": "FastEthernet",
    "gi": "GigabitEthernet",
    "gig": "GigabitEthernet",
    "tw": "TwoGigabitEthernet",
    "fi": "FiveGigabitEthernet",
    "te": "TenGigabitEthernet",
    "twe": "TwentyFiveGigE",
    "fo": "FortyGigabitEthernet",
    "hu": "HundredGigE",
    "fou": "FourHundredGigE",
    "ap": "AppGigabitEthernet",
    "et": "Ethernet",
    "eth": "Ethernet",
    "po": "Port-channel",
}
"""As the platform itself abbreviates them in its output."""
_NAMES: Final = {kind.lower(): kind for kind in _KINDS} | _SHORT
_PORT: Final = re.compile(r"([A-Za-z-]{2,22}) ?(\d{1,3}(?:/\d{1,3}){0,3})")

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.PARKED,
    update=Update.REPLACE_PORT,
    atomicity=Atomicity.NONE,
    save=Save.EXPLICIT,
    batch_read=True,
    reserved=RESERVED,
    max_line_chars=LONGEST_LIST,
    max_sessions=5,
)


class IosSettings(SshSettings):
    """How to log in, and what the switch's model needs besides."""

    enable_password: Text = ""
    """Asked for by `enable`, where the log-in is not privileged."""
    parked: Annotated[int, Field(ge=2, le=4094)]
    """The native VLAN of ports that have none: nothing else may use it. It need not exist."""
    encapsulation: bool = False
    """The model also knows ISL: `switchport trunk encapsulation dot1q` comes before the mode."""
    layer3: bool = True
    """The model has routed ports: one that HIL did not know is made a switch port first. False for layer 2 models."""
    edge: bool = True
    """Ports are edge ports with BPDU guard."""
    edge_command: Literal["portfast trunk", "portfast edge trunk"] = "portfast trunk"
    """What follows `spanning-tree`; newer releases say edge."""
    storm_control: Annotated[float, Field(ge=0, le=100)] | None = None
    """Broadcasts a port may send, in percent of its speed; unlimited if left out."""
    save_command: Literal["write memory", "copy running-config startup-config"] = "write memory"


@dataclass(frozen=True, slots=True)
class IosSpec:
    name: str = "ios"
    title: str = "Cisco IOS and IOS XE"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=SECRETS)
    session: str = "hil.drivers.switch.ios.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        found = checked(IosSettings, config)
        if found["parked"] in RESERVED:
            raise BadArgument("parked: VLANs 1 and 1002 to 1005 are the platform's own; name another.")
        return found

    def settings_schema(self) -> dict[str, Any]:
        return IosSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return self.validate({**fields, **v0_address(fields.get("hostname"))})

    def port_name(self, text: str) -> str:
        """Answer the name as the configuration has it.

        >>> SPEC.port_name("gi1/0/05")
        'GigabitEthernet1/0/5'
        """
        found = _PORT.fullmatch(text) if text.isascii() else None
        kind = _NAMES.get(found[1].lower()) if found else None
        if found is None or kind is None:
            raise BadArgument(f"{text[:40]!a} is no port of such a switch: write it as GigabitEthernet1/0/5.")
        return kind + "/".join(str(int(number)) for number in found[2].split("/"))

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset({config["parked"]})

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, self.parked(config), batch)
        return lines(config, batch)


SPEC: Final = IosSpec()
