"""What an Arista switch is: EOS, spoken to by eAPI (JSON-RPC over HTTPS, `management api http-commands`).

    {"url": "https://10.0.0.7", "username": "hil", "password": "…", "certificate": "AB:CD:…", "parked": 4094}

`parked` is a VLAN that leads nowhere and stands for *no untagged VLAN*; it need not exist. With `nativeless`
`"tagged"` the ports drop untagged frames by `switchport trunk native vlan tag` instead. Routed ports take internal
VLANs from 1006 up unless `vlan internal order` says otherwise; the switch then refuses to create such a VLAN, and HIL
says so in the switch's words. VLAN 1 is for nobody: every port that was never configured is in it.
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
from hil.drivers.switch.eos.render import batch_lines
from hil.drivers.switch.order import check_vlans, differing
from hil.drivers.switch.web_settings import WebSettings

_PORT: Final = re.compile(r"(?:ethernet|et|eth|e)\s?([0-9]{1,4}(?:/[0-9]{1,4}){0,2})", re.IGNORECASE)

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.PARKED,
    update=Update.REPLACE_PORT,
    atomicity=Atomicity.SWITCH,
    save=Save.EXPLICIT,
    batch_read=True,
    vlans=(2, 4094),
    confirm_timer=(10, 3600),
)


class EosSettings(WebSettings):
    """How to log in, how untagged frames are kept out, and how long an unconfirmed change lasts."""

    enable: Text | None = None
    """Asked for by `enable`, where the account is not privileged."""
    nativeless: Literal["parked", "tagged"] = "parked"
    """How a port without untagged network drops untagged frames: native VLAN `parked`, or `native vlan tag`."""
    parked: Annotated[int, Field(ge=2, le=4094)] = 4094
    """The native VLAN of ports that have none: nothing else may use it. It need not exist."""
    commit_timer: Annotated[int, Field(ge=10, le=3600)] = 60
    """Seconds after which the switch undoes a change that HIL has not confirmed."""
    edge: bool = True
    """Ports are edge ports with BPDU guard."""
    storm_control: Annotated[float, Field(ge=0.01, le=100)] | None = None
    """Broadcasts and multicasts a port may send, in percent of its speed; unlimited if left out."""


@dataclass(frozen=True, slots=True)
class EosSpec:
    name: str = "eos"
    title: str = "Arista EOS (eAPI)"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password", "enable"}))
    session: str = "hil.drivers.switch.eos.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(EosSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return EosSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The original API had no such switch: its fields are ours."""
        return self.validate(fields)

    def port_name(self, text: str) -> str:
        """Accept Ethernet and one to three numbers, in full or as EOS shortens it.

        >>> SPEC.port_name("et01/2")
        'Ethernet1/2'
        """
        found = _PORT.fullmatch(text) if text.isascii() else None
        if found is None:
            raise BadArgument(
                f"{text[:40]!a} is no port of an Arista switch: use Ethernet and numbers, as Ethernet5/1."
            )
        return "Ethernet" + "/".join(str(int(number)) for number in found[1].split("/"))

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset() if config.get("nativeless") == "tagged" else frozenset({config.get("parked", 4094)})

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, self.parked(config), batch)
        return [line for _, line in batch_lines(self.validate(config), differing(batch))]


SPEC: Final = EosSpec()
