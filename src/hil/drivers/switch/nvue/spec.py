"""What a Cumulus Linux 5 switch is: NVUE, spoken to by its REST API (port 8765 unless configured otherwise).

    {"url": "https://10.0.0.7:8765", "username": "hil", "password": "…", "certificate": "AB:CD:…"}

VLANs 3725-3999 and 4000-4064 are the system's own (Cumulus Linux 5.x, VLAN-aware bridge mode: reserved VLANs, layer 3
VNIs). VLAN 1 is for nobody: a port that was never configured inherits it from the bridge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import checked
from hil.drivers.switch.nvue.render import lines
from hil.drivers.switch.order import check_vlans, differing
from hil.drivers.switch.web_settings import WebSettings

_PORT: Final = re.compile(r"swp([0-9]{1,4})(?:s([0-9]{1,2}))?", re.IGNORECASE)

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.REPLACE_PORT,
    atomicity=Atomicity.SWITCH,
    save=Save.EXPLICIT,
    batch_read=True,
    vlans=(2, 4094),
    reserved=frozenset(range(3725, 4065)),
)


class NvueSettings(WebSettings):
    """How to log in, and which bridge the ports belong to."""

    bridge: Annotated[str, StringConstraints(min_length=1, max_length=15, pattern=r"^[A-Za-z0-9_.-]+$")] = "br_default"
    """The VLAN-aware bridge whose members the ports become."""
    apply_timeout: Annotated[float, Field(ge=1, le=600)] = 120.0
    """Seconds that the switch has to apply a revision."""
    edge: bool = True
    """Ports are edge ports with BPDU guard."""


@dataclass(frozen=True, slots=True)
class NvueSpec:
    name: str = "nvue"
    title: str = "NVIDIA Cumulus Linux (NVUE)"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password"}))
    session: str = "hil.drivers.switch.nvue.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(NvueSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return NvueSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The original API had no such switch: its fields are ours."""
        return self.validate(fields)

    def port_name(self, text: str) -> str:
        """Accept a front port, whole or a part of one that is broken out.

        >>> SPEC.port_name("SWP05s1")
        'swp5s1'
        """
        found = _PORT.fullmatch(text) if text.isascii() else None
        if found is None:
            raise BadArgument(f"{text[:40]!a} is no port of a Cumulus switch: use swp and a number, as swp5 or swp5s1.")
        return f"swp{int(found[1])}" + (f"s{int(found[2])}" if found[2] else "")

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset()

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, (), batch)
        return lines(self.validate(config), differing(batch))


SPEC: Final = NvueSpec()
