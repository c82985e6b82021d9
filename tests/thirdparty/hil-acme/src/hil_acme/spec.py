"""What an Acme switch is. The API imports this module, so it opens nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import Field

from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import Hostname, Settings, Text, checked
from hil.drivers.switch.order import check_vlans
from hil_acme.text import commands

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.REPLACE_PORT,
    atomicity=Atomicity.PORT,
    save=Save.EXPLICIT,
    batch_read=True,
    vlans=(2, 4000),
)


class AcmeSettings(Settings):
    """An Acme switch listens on a TCP port of its management address."""

    host: Hostname
    port: int = Field(default=7000, ge=1, le=65535)
    """Its TCP port."""
    password: Text


@dataclass(frozen=True, slots=True)
class AcmeSpec:
    name: str = "acme"
    title: str = "Acme switch"
    v0_type: str | None = None
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password"}))
    session: str = "hil_acme.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(AcmeSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return AcmeSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        raise BadArgument("The original API knows no Acme switch: register it through v1.")

    def port_name(self, text: str) -> str:
        if found := re.fullmatch(r"[aA]0*([1-9][0-9]?)", text):
            return f"a{found[1]}"
        raise BadArgument(f"{text[:40]!a} is no port of an Acme switch: use a and a number, as in a7.")

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset()

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, (), batch)
        return [line for _, line in commands(batch)]


SPEC: Final = AcmeSpec()
