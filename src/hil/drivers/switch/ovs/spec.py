"""What Open vSwitch is as a switch: configured through its database, one atomic transaction per batch.

    {"ovsdb": "ssl:10.0.0.7:6640", "bridge": "br0", "ca": "/etc/hil/ovs-ca.pem",
     "certificate": "/etc/hil/ovs.pem", "private_key": "/etc/hil/ovs.key", "timeout": 10}

`rest` is how long a batch that takes something from a port lasts beyond the switch's answer (`session` says why).

The files are read by workers, never by the API. TLS always verifies: the switch's certificate must be signed by
`ca` and name the host in its subjectAltName.

What the operator owes the bridge: it forwards by its VLAN columns alone (no OpenFlow controller, no
`fail_mode=secure`), and its links to other switches list their VLANs. Its own port, if that carries every VLAN as
Open vSwitch makes it, is reduced to untagged frames by HIL's first write; a list of the operator's is left alone as
long as VLAN 4095 is not in it. `render` says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from hil.core import names
from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.model import PortChange
from hil.drivers.settings import Settings, checked
from hil.drivers.switch.order import check_vlans
from hil.drivers.switch.ovs.render import lines

LOCAL_SOCKET: Final = "unix:/run/openvswitch/db.sock"
_REMOTE: Final = re.compile(r"(tcp|ssl):(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")
_SOCKET_BYTES: Final = 107
"""What fits a socket's address with its final NUL (unix(7))."""

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.REPLACE_PORT,
    atomicity=Atomicity.SWITCH,
    save=Save.AUTOMATIC,
    batch_read=True,
    fenced=True,
)


class Remote(NamedTuple):
    """Where a database listens: `host` is a path for `unix`, which has no port."""

    kind: Literal["unix", "tcp", "ssl"]
    host: str
    port: int = 0


def remote(text: str) -> Remote:
    """Read an address as Open vSwitch writes it. Raises ValueError.

    >>> remote("tcp:[2001:db8::7]:6640")
    Remote(kind='tcp', host='2001:db8::7', port=6640)
    """
    kind, _, rest = text.partition(":")
    if kind == "unix":
        if not rest.startswith("/") or "\0" in rest or len(rest.encode()) > _SOCKET_BYTES:
            raise ValueError(f"a socket is an absolute path of at most {_SOCKET_BYTES} bytes")
        return Remote("unix", rest)
    found = _REMOTE.fullmatch(text)
    if found is None or not 1 <= int(found[4]) <= 65535:
        raise ValueError("use unix:/path, tcp:host:port or ssl:host:port")
    return Remote("ssl" if found[1] == "ssl" else "tcp", found[2] or found[3], int(found[4]))


def _address(text: str) -> str:
    remote(text)
    return text


Bridge = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[!-.0-~]+$")]
"""Printable ASCII without spaces and slashes: it is also the name of a network interface."""
File = Annotated[str, StringConstraints(max_length=4096, pattern=r"^/[^\x00-\x1f\x7f]*$")]


class OvsSettings(Settings):
    """`ca`, `certificate` and `private_key` are paths of PEM files on the worker; times are in seconds."""

    bridge: Bridge
    """Name of the bridge whose ports are driven."""
    ovsdb: Annotated[str, AfterValidator(_address)] = LOCAL_SOCKET
    """Its database: `unix:PATH`, `tcp:HOST:PORT` on a network that only workers reach, or `ssl:HOST:PORT`."""
    ca: File | None = None
    certificate: File | None = None
    private_key: File | None = None
    timeout: Annotated[float, Field(ge=0.1, le=600)] = 10.0
    """For a connection, and for each answer."""
    rest: Annotated[float, Field(ge=0, le=60)] = 0.25
    """Pause after taking something from a port, until flows under way have been looked at again."""

    @model_validator(mode="after")
    def _files_are_for_tls(self) -> OvsSettings:
        files = (self.ca, self.certificate, self.private_key)
        if remote(self.ovsdb).kind == "ssl":
            if None in files:
                raise ValueError("ssl needs ca, certificate and private_key: paths of PEM files on the worker")
        elif any(files):
            raise ValueError("ca, certificate and private_key belong to an ssl: address")
        return self


class OriginalSettings(Settings):
    """What the original API's `ovs` type was registered with."""

    ovs_bridge: Bridge


@dataclass(frozen=True, slots=True)
class OvsSpec:
    name: str = "ovs"
    title: str = "Open vSwitch (OVSDB)"
    v0_type: str | None = "ovs"
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset())
    session: str = "hil.drivers.switch.ovs.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(OvsSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return OvsSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Take the bridge; the original always spoke to the Open vSwitch of its own host."""
        return self.validate({"bridge": checked(OriginalSettings, fields)["ovs_bridge"]})

    def port_name(self, text: str) -> str:
        """Accept any name that HIL allows: Open vSwitch has no form of its own, and case matters."""
        return names.port_name(text)

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset()

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        """Answer the row updates that `apply` sends.

        Beside them the transaction holds guards (the rows as read, the fence), the new fence, the request to apply it
        all and, where it is still open, the rest of the bridge's own port: they hang on what is read at that moment.
        """
        check_vlans(self.capabilities, (), batch)
        return lines(batch)


SPEC: Final = OvsSpec()
