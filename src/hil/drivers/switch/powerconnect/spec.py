"""What a Dell PowerConnect 5524 or 5548 is: ports are trunks, and a trunk may really have no native VLAN.

Allowed VLANs can only be added and removed, so what is written follows from what was read. It refuses VLAN 1, where
ports fall back to.
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
from hil.drivers.settings import Text, checked
from hil.drivers.ssh_settings import SECRETS, SshSettings
from hil.drivers.switch.cli.original import original
from hil.drivers.switch.order import check_vlans
from hil.drivers.switch.powerconnect.render import LONGEST_LIST, lines

RESERVED: Final = frozenset({1})
_KINDS: Final = {"gigabitethernet": "gi", "tengigabitethernet": "te", "port-channel": "po"} | {
    short: short for short in ("gi", "te", "po")
}
_PORT: Final = re.compile(r"([A-Za-z-]{2,22}) ?(\d{1,3}(?:/\d{1,3}){0,2})")

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.DELTA_PORT,
    atomicity=Atomicity.NONE,
    save=Save.EXPLICIT,
    batch_read=True,
    reserved=RESERVED,
    max_line_chars=LONGEST_LIST,
    max_sessions=5,
)


class PowerConnectSettings(SshSettings):
    """How to log in. Such switches need `legacy_algorithms`."""

    enable_password: Text = ""
    """Asked for by `enable`, where the log-in is not privileged."""
    edge: bool = True
    """Ports are edge ports with BPDU guard."""
    storm_control: Annotated[int, Field(ge=0, le=1000000)] | None = None
    """Broadcasts a port may receive, in kilobits a second; unlimited if left out."""


@dataclass(frozen=True, slots=True)
class PowerConnectSpec:
    name: str = "powerconnect"
    title: str = "Dell PowerConnect 5500"
    v0_type: str | None = "powerconnect55xx"
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=SECRETS)
    session: str = "hil.drivers.switch.powerconnect.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(PowerConnectSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return PowerConnectSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return self.validate(original(fields))

    def port_name(self, text: str) -> str:
        """Answer the short name in small letters: gi1/0/5, te1/0/1, po3.

        >>> SPEC.port_name("Gi1/0/05")
        'gi1/0/5'
        """
        found = _PORT.fullmatch(text) if text.isascii() else None
        kind = _KINDS.get(found[1].lower()) if found else None
        if found is None or kind is None or (kind == "po") is ("/" in found[2]):
            raise BadArgument(f"{text[:40]!a} is no port of such a switch: write it as gi1/0/5.")
        return kind + "/".join(str(int(number)) for number in found[2].split("/"))

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset()

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, self.parked(config), batch)
        return lines(config, batch)


SPEC: Final = PowerConnectSpec()
