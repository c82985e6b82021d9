"""What a Nexus with NX-OS is: ports are trunks, *no native* is a native VLAN outside the allowed list that is not made.

It is spoken to by NX-API (JSON over HTTPS, `feature nxapi`) or in a shell over SSH; what is written and read is the
same. It refuses VLAN 1, where ports fall back to, and 3968 to 4095, which the platform keeps (Cisco: Nexus 9000 Series
NX-OS Layer 2 Switching Configuration Guide); a block moved by `system vlan reserve` is refused by the switch itself.
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
from hil.drivers.settings import Hostname, Settings, Text, checked
from hil.drivers.ssh_settings import FIRST_USE, HostKey, PrivateKey, v0_address
from hil.drivers.switch.nxos.render import LONGEST_LIST, lines
from hil.drivers.switch.order import check_vlans
from hil.drivers.switch.web_settings import Certificate

RESERVED: Final = frozenset({1, *range(3968, 4095)})
_PORT: Final = re.compile(r"(e|eth|ethernet|po|port-channel) ?(\d{1,4}(?:/\d{1,4}){0,3})", re.IGNORECASE)

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.PARKED,
    update=Update.REPLACE_PORT,
    atomicity=Atomicity.NONE,
    save=Save.EXPLICIT,
    batch_read=True,
    vlans=(1, 3967),
    reserved=RESERVED,
    max_line_chars=LONGEST_LIST,
    max_sessions=32,
)


class NxosSettings(Settings):
    """How to log in, by either way, and what every port gets besides its VLANs."""

    hostname: Hostname
    """Name or address of the switch."""
    transport: Literal["nxapi", "ssh"] = "nxapi"
    """`nxapi` needs `feature nxapi` on the switch; `ssh` works everywhere."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """443 for NX-API and 22 for SSH, if left out."""
    username: Text
    password: Text = ""
    """May be empty for SSH with a private key."""
    certificate: Certificate | None = None
    """NX-API: fingerprint, PEM or `first-use`; if left out, the worker's system authorities decide."""
    host_key: HostKey | None = None
    """SSH: the switch's public host key, its SHA256 fingerprint, or `first-use`. Needed there."""
    private_key: PrivateKey | None = None
    """SSH: an unencrypted private key in OpenSSH or PEM form."""
    legacy_algorithms: bool = False
    """SSH: also offer what switches from before about 2015 need."""
    timeout: Annotated[float, Field(ge=1, le=600)] = 30.0
    """Seconds that the switch has for one answer."""
    parked: Annotated[int, Field(ge=2, le=3967)]
    """The native VLAN of ports that have none. It must not exist on the switch, and nothing else may use it."""
    edge: bool = True
    """Ports are edge ports with BPDU guard."""
    storm_control: Annotated[float, Field(ge=0, le=100)] | None = None
    """Broadcasts a port may send, in percent of its speed; unlimited if left out."""


@dataclass(frozen=True, slots=True)
class NxosSpec:
    name: str = "nxos"
    title: str = "Cisco NX-OS"
    v0_type: str | None = "nexus"
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password", "private_key"}))
    session: str = "hil.drivers.switch.nxos.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        found = checked(NxosSettings, config)
        mine, others = ("host_key", "certificate") if found["transport"] == "ssh" else ("certificate", "host_key")
        if others in found:
            raise BadArgument(f"{others} does not belong to the transport {found['transport']}: use {mine}.")
        if found["transport"] == "ssh" and mine not in found:
            raise BadArgument(
                "host_key is missing: give the switch's public key, its SHA256 fingerprint, or first-use."
            )
        return found

    def settings_schema(self) -> dict[str, Any]:
        return NxosSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The original spoke SSH, and could not be told a host key: the first one seen is trusted, and says so.

        An address with another scheme's port keeps its name alone.
        """
        rest = dict(fields)
        address = v0_address(rest.pop("hostname", None))
        if "://" in str(fields.get("hostname")) and not str(fields["hostname"]).startswith("ssh://"):
            address.pop("port", None)
        parked = _dummy(rest.pop("dummy_vlan", None))
        return self.validate({**rest, **address, "transport": "ssh", "host_key": FIRST_USE, "parked": parked})

    def port_name(self, text: str) -> str:
        """Answer the name as the configuration has it.

        >>> SPEC.port_name("ethernet1/12"), SPEC.port_name("Po10")
        ('Ethernet1/12', 'port-channel10')
        """
        found = _PORT.fullmatch(text) if text.isascii() else None
        if found is None:
            raise BadArgument(f"{text[:40]!a} is no port of such a switch: write it as Ethernet1/12.")
        kind = "port-channel" if found[1].lower().startswith("po") else "Ethernet"
        return kind + "/".join(str(int(number)) for number in found[2].split("/"))

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset({config["parked"]})

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, self.parked(config), batch)
        return lines(config, batch)


def _dummy(value: Any) -> int:
    """Read the original's `dummy_vlan`: a whole number, or the text of one. Raises BadArgument."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 4:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 2 <= value <= 3967:
        raise BadArgument("dummy_vlan: give the number of a VLAN from 2 to 3967 that does not exist on the switch.")
    return value


SPEC: Final = NxosSpec()
