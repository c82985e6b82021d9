"""What IPMI 2.0 over the LAN is, and which of it may be configured.

It refuses what would leave the conversation open to the network: IPMI 1.5, and the cipher suites without a password
check, without integrity or with RC4. RAKP itself hands a hash of the password to whoever asks: keep controllers on a
network of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any, Final, Literal

from pydantic import Field, field_validator

from hil.core.errors import BadArgument
from hil.core.obms import BootDevice, ObmCapabilities, PowerAction
from hil.drivers.settings import Hostname, Settings, Text, checked

CAPABILITIES: Final = ObmCapabilities(
    actions=frozenset(PowerAction),
    devices=frozenset(BootDevice),
    boot_read=True,
    boot_once=True,
    boot_persistent=True,
    uefi=True,
    console=True,
    sensors=True,
    event_log=True,
    identify=True,
    firmware=True,
    max_sessions=4,
)
"""Four sessions are the least that a controller offers in practice; the specification asks for fewer."""


class IpmiSettings(Settings):
    address: Hostname
    """Name or address of the controller, without a port."""
    port: int = Field(default=623, ge=1, le=65535)
    username: Text
    """At most 16 bytes (IPMI 2.0, 13.20)."""
    password: Text
    """1 to 20 bytes (IPMI 2.0, 22.30)."""
    cipher_suite: Literal[3, 8, 12, 17] = 17
    """17: SHA-256 and AES. 3: SHA-1 and AES, for older controllers. 8 and 12: MD5 and AES."""
    privilege: Literal["OPERATOR", "ADMINISTRATOR"] = "OPERATOR"
    """The level to ask for; an operator may do everything that HIL asks."""
    console_takeover: bool = False
    """End another's serial console, instead of reporting that it is busy."""
    quirks: tuple[Literal["boot-flags-never-valid"], ...] = ()
    """`boot-flags-never-valid`: the controller keeps the boot device but never says that it is in force."""
    timeout: float = Field(default=10.0, ge=1, le=120)
    """Seconds for one command, log-in included. The lists of sensors and events get six times that."""

    @field_validator("quirks", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("address")
    @classmethod
    def _address(cls, text: str) -> str:
        bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        if not bare or bare.startswith("-") or set(bare) & set("[]/@%"):
            raise ValueError("use a host name or an IP address, and `port` for another port than 623")
        if ":" in bare:
            return str(IPv6Address(bare))
        return bare.lower()

    @field_validator("username")
    @classmethod
    def _username(cls, text: str) -> str:
        if not 1 <= len(text.encode()) <= 16:
            raise ValueError("IPMI user names have 1 to 16 bytes")
        return text

    @field_validator("password")
    @classmethod
    def _password(cls, text: str) -> str:
        if not 1 <= len(text.encode()) <= 20:
            raise ValueError("IPMI passwords have 1 to 20 bytes")
        return text


@dataclass(frozen=True, slots=True)
class IpmiSpec:
    name: str = "ipmi"
    title: str = "IPMI 2.0 over LAN (RMCP+)"
    v0_type: str | None = "ipmi"
    capabilities: ObmCapabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password"}))
    session: str = "hil.drivers.obm.ipmi.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(IpmiSettings, config)

    def v0_config(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """The original's keys: addr, user, pass. It logged in as an administrator."""
        names = {"addr": "address", "user": "username", "pass": "password"}
        if unknown := sorted(info.keys() - names.keys()):
            raise BadArgument(f"{str(unknown[0])[:40]!a} is no key of a controller's info: use addr, user, pass.")
        return self.validate({names[key]: value for key, value in info.items()} | {"privilege": "ADMINISTRATOR"})

    def controller(self, config: Mapping[str, Any]) -> str:
        host = config["address"]
        return f"ipmi://[{host}]:{config['port']}" if ":" in host else f"ipmi://{host}:{config['port']}"


SPEC: Final = IpmiSpec()
