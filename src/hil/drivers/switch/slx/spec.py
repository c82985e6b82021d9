"""What a Brocade VDX or Extreme SLX switch is, by the REST interface that both have (`http server`, XML).

    {"url": "https://10.0.0.7", "username": "hil", "password": "…", "certificate": "AB:CD:…",
     "interface_type": "TenGigabitEthernet", "save": "automatic"}

One switch with two types of interface is registered twice, as with the original HIL. VLANs end at 4090; those above
4095 of a virtual fabric are not for HIL, and VLAN 1 is for nobody: it is where ports begin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import Settings, Text, checked
from hil.drivers.switch.order import check_vlans, differing
from hil.drivers.switch.slx import render
from hil.drivers.switch.web_settings import FIRST_USE, WebSettings, original_address

_PORT: Final = re.compile(r"[0-9]{1,4}(?:/[0-9]{1,4}){1,2}")

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.DELTA_PORT,
    atomicity=Atomicity.NONE,
    save=Save.EXPLICIT,
    batch_read=False,
    vlans=(2, 4090),
    max_sessions=1,
)

InterfaceType = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[A-Za-z]+$")]


class SlxSettings(WebSettings):
    """How to log in, which ports are meant, and who saves."""

    interface_type: InterfaceType
    """The word before a port's number in the configuration: `TenGigabitEthernet`, on SLX `Ethernet`."""
    save: Literal["copy", "automatic"] = "copy"
    """`automatic` where the switch saves every change by itself: a VDX in logical chassis mode."""
    save_timeout: Annotated[float, Field(ge=1, le=600)] = 120.0
    """Seconds that copying the configuration may take."""


class OriginalSettings(Settings):
    """What the original API's `brocade` type was registered with."""

    hostname: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    username: Text
    password: Text
    interface_type: InterfaceType


@dataclass(frozen=True, slots=True)
class SlxSpec:
    name: str = "slx"
    title: str = "Brocade VDX (NOS) and Extreme SLX-OS (REST)"
    v0_type: str | None = "brocade"
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password"}))
    session: str = "hil.drivers.switch.slx.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(SlxSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return SlxSettings.model_json_schema()

    def capabilities_of(self, config: Mapping[str, Any]) -> Capabilities:
        return replace(CAPABILITIES, save=Save.AUTOMATIC) if config.get("save") == "automatic" else CAPABILITIES

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Take the original's four fields: it never saved, and had no certificate, which is believed on first use."""
        old = checked(OriginalSettings, fields)
        url = original_address(old.pop("hostname"))
        trust = {"certificate": FIRST_USE} if url.startswith("https:") else {}
        return self.validate({"url": url, "save": "automatic", **trust, **old})

    def port_name(self, text: str) -> str:
        """Accept two or three numbers; the type is configured. Leading zeros mean nothing.

        >>> SPEC.port_name("101/00/10")
        '101/0/10'
        """
        if not text.isascii() or not _PORT.fullmatch(text):
            raise BadArgument(f"{text[:40]!a} is no port of such a switch: use numbers with slashes, as in 101/0/10.")
        return "/".join(str(int(number)) for number in text.split("/"))

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset()

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, (), batch)
        return [str(request) for request in render.batch(config, differing(batch))]


SPEC: Final = SlxSpec()
