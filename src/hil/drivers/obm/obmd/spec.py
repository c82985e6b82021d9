"""What a foreign OBMd is: a node's address there, and the admin token with which tokens for it are made.

It offers what the original protocol has: power, a boot device that stays for every boot and cannot be read, and a
console that shows and takes no input. The token of a node stands in the URL of each request, as the protocol wants it:
whoever logs URLs between here and there sees it, so use TLS and no proxy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from hil.core.errors import BadArgument
from hil.core.obms import BootDevice, ObmCapabilities, PowerAction
from hil.drivers.settings import Settings, checked
from hil.drivers.switch.web_settings import Address, Certificate

CAPABILITIES: Final = ObmCapabilities(
    actions=frozenset({PowerAction.ON, PowerAction.OFF, PowerAction.CYCLE, PowerAction.RESET}),
    devices=frozenset({BootDevice.NONE, BootDevice.PXE, BootDevice.DISK}),
    boot_persistent=True,
    console=True,
    max_sessions=1,
)
"""One session: each new token ends the one before."""


def _path(text: str) -> str:
    """A path without its last slash, to which the calls are appended. Raises ValueError."""
    if not re.fullmatch(r"(/[A-Za-z0-9._~%-]+)+/?", text) or "/../" in f"{text}/":
        raise ValueError("use the node's path, as in /node/node01")
    return text.rstrip("/")


class ForeignObmdSettings(Settings):
    url: Address
    """Scheme, host and port of the OBMd."""
    path: Annotated[str, StringConstraints(max_length=400), AfterValidator(_path)]
    """The node there, as in `/node/node01`; whatever a proxy puts in front belongs to it."""
    admin_token: Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{32}$")]
    certificate: Certificate | None = None
    timeout: Annotated[float, Field(ge=0.1, le=600)] = 30.0

    @model_validator(mode="after")
    def _certificate_is_for_tls(self) -> ForeignObmdSettings:
        if self.certificate is not None and self.url.startswith("http:"):
            raise ValueError("certificate belongs to an https address")
        return self


@dataclass(frozen=True, slots=True)
class ForeignObmdSpec:
    name: str = "obmd"
    title: str = "Foreign OBMd (original protocol)"
    v0_type: str | None = "obmd"
    capabilities: ObmCapabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"admin_token"}))
    session: str = "hil.drivers.obm.obmd.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(ForeignObmdSettings, config)

    def v0_config(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """The original had no such type; its HIL registered a node with these two: `uri` and `admin_token`."""
        if unknown := sorted(info.keys() - {"uri", "admin_token"}):
            raise BadArgument(f"{str(unknown[0])[:40]!a} is no key of a foreign OBMd's info: use uri, admin_token.")
        uri = info.get("uri")
        try:
            parts = urlsplit(uri if isinstance(uri, str) else "")
        except ValueError:
            parts = urlsplit("")
        if not parts.netloc or parts.query or parts.fragment:
            raise BadArgument("uri is the node's address at the OBMd, as in https://obmd.example.net/node/node01.")
        config = {"url": f"{parts.scheme}://{parts.netloc}", "path": parts.path}
        return self.validate(config | ({"admin_token": info["admin_token"]} if "admin_token" in info else {}))

    def controller(self, config: Mapping[str, Any]) -> str:
        return f"obmd+{str(config['url']).lower()}{config['path']}"


SPEC: Final = ForeignObmdSpec()
