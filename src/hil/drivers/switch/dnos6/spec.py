"""What a Dell N-series switch is: ports are trunks, *no native* is a native VLAN taken off the allowed list.

The parked VLAN must exist, because a native VLAN must be allowed at the moment when it is set; HIL makes it. It refuses
VLAN 1, where ports fall back to, and ids above 4093, which the platform keeps (Dell N-series user guide, VLANs).
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
from hil.core.vlans import vlan_id
from hil.drivers.settings import Text, checked
from hil.drivers.ssh_settings import SECRETS, SshSettings
from hil.drivers.switch.cli.original import original
from hil.drivers.switch.dnos6.render import LONGEST_LIST, lines
from hil.drivers.switch.order import check_vlans

RESERVED: Final = frozenset({1})
_KINDS: Final = {
    "gigabitethernet": "gi",
    "tengigabitethernet": "te",
    "twentyfivegige": "tw",
    "fortygigabitethernet": "fo",
    "hundredgigabitethernet": "hu",
    "port-channel": "po",
} | {short: short for short in ("gi", "te", "tw", "fo", "hu", "po")}
_PORT: Final = re.compile(r"([A-Za-z-]{2,22}) ?(\d{1,3}(?:/\d{1,3}){0,2})")

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.PARKED,
    update=Update.REPLACE_PORT,
    atomicity=Atomicity.NONE,
    save=Save.EXPLICIT,
    batch_read=True,
    vlans=(1, 4093),
    reserved=RESERVED,
    max_line_chars=LONGEST_LIST,
    max_sessions=5,
)


class Dnos6Settings(SshSettings):
    """How to log in, and where native VLANs are parked."""

    enable_password: Text = ""
    """Asked for by `enable`, where the log-in is not privileged."""
    parked: Annotated[int, Field(ge=2, le=4093)]
    """The native VLAN of ports that have none: nothing else may use it. HIL makes it."""
    edge: bool = True
    """Ports are edge ports, and the switch guards all edge ports against BPDUs (`spanning-tree bpdu-protection`)."""
    storm_control: Annotated[int, Field(ge=0, le=100)] | None = None
    """Broadcasts a port may receive, in percent of its speed; unlimited if left out."""


@dataclass(frozen=True, slots=True)
class Dnos6Spec:
    name: str = "dnos6"
    title: str = "Dell N-series (DNOS 6)"
    v0_type: str | None = "delln3000"
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=SECRETS)
    session: str = "hil.drivers.switch.dnos6.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(Dnos6Settings, config)

    def settings_schema(self) -> dict[str, Any]:
        return Dnos6Settings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        parked = {"parked": vlan_id(fields["dummy_vlan"])} if "dummy_vlan" in fields else {}
        return self.validate(original(fields, "dummy_vlan") | parked)

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
        return frozenset({config["parked"]})

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, self.parked(config), batch)
        return lines(config, batch)


SPEC: Final = Dnos6Spec()
