"""What may be configured: one class for each section of the file, one attribute for each key.

The text below an attribute is its entry in docs/operators/configuration.md. Times are in seconds.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator

from hil.core import names
from hil.core.errors import BadArgument
from hil.core.limits import Limits
from hil.core.secret import Secret
from hil.core.vlans import unfold

_DEFAULT: Final = Limits()


def host_port(text: str) -> tuple[str, int]:
    """Take `host:port` or `[ipv6]:port` apart. Raises ValueError.

    >>> host_port("[::1]:5000")
    ('::1', 5000)
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("write an IPv6 address in brackets, as in [::1]:5000")
    if not colon or not host or not (port.isascii() and port.isdigit() and int(port[:6]) <= 65535):
        raise ValueError("write host:port, as in 127.0.0.1:5000")
    return host, int(port)


def _address(text: str) -> str:
    if text:
        host_port(text)
    return text


def _web(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("write a URL that begins with http:// or https://")
    return text.rstrip("/")


def _vlans(text: str) -> str:
    try:
        unfold(text)
    except BadArgument as error:
        raise ValueError(error.message) from error
    return text


def _name(text: str) -> str:
    try:
        return names.name("project", text) if text else text
    except BadArgument as error:
        raise ValueError(error.message) from error


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("write addresses or networks, as in 10.0.0.7 or 10.0.0.0/24") from None
    return text


def _hidden(value: Any) -> Secret:
    if not isinstance(value, str):
        raise ValueError("write text in quotes")
    return Secret(value)


Address = Annotated[str, AfterValidator(_address)]
Web = Annotated[str, AfterValidator(_web)]
Vlans = Annotated[str, AfterValidator(_vlans)]
ProjectName = Annotated[str, AfterValidator(_name)]
Network = Annotated[str, AfterValidator(_network)]
Hidden = Annotated[Secret, PlainValidator(_hidden)]
File = Annotated[Path, Field(strict=False)]
Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86400.0)]


class Section(BaseModel):
    """One table of the file. Unknown keys are faults, and no value is turned into another type."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


class Server(Section):
    """The API."""

    listen: Address = "127.0.0.1:5000"
    """Where the API listens. It speaks plain HTTP: put TLS in front of it (see production.md)."""
    public_url: Web = ""
    """The URL under which callers reach the API, if it is not the one that it listens on."""
    trusted_proxies: tuple[Network, ...] = Field(default=(), strict=False)
    """Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; of nobody else."""
    drain: Seconds = 10.0
    """How long requests may go on when the process is asked to stop; event streams end at once."""


class Database(Section):
    """Where everything is kept."""

    url: Hidden = Secret("")
    """`postgresql://USER@HOST/NAME` or `sqlite:///PATH`. Empty: `hil.db` in the state directory."""
    pool: int = Field(default=10, ge=1, le=500)
    """Connections to PostgreSQL that a process keeps for writing, and as many for reading; under load twice that."""


class Secrets(Section):
    """The keys that encrypt the secrets in the database and seal the journal."""

    key_file: File | None = None
    """A file with a key per line, newest first, that only its owner may read. Empty: `keys` in the state directory."""
    keys: Hidden = Secret("")
    """The keys themselves, separated by spaces, instead of a file. Meant for `HIL_KEYS`."""


class Auth(Section):
    """Who may log in. Keys beside `backend` belong to the backend; see authentication.md."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    backend: str = "database"
    """The authentication backend: `database`, `null` (everybody may do everything; loopback only) or another."""

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Vlan(Section):
    """VLAN ids."""

    pool: Vlans = ""
    """Ids that a *new* database may hand out, as in `100-199,300`. Later: `hil pool set`, `hil-admin pool set`."""


class Worker(Section):
    """The worker, which configures the switches."""

    listen: Address = ""
    """Where a worker process answers `/healthz` and `/metrics`; empty: nowhere. `hil serve` answers on its API."""
    name: str = Field(default="", max_length=48)
    """Name in leases and in the journal; it must differ between workers. Empty: host, process and a random part."""
    tick: Seconds = 1.0
    """How often a worker looks for work that no bell has announced."""
    lease: float = Field(default=_DEFAULT.lease, ge=2, le=3600)
    """How long a switch stays with a worker that is not heard of; also the longest that one batch may take to write."""
    lease_margin: Seconds = _DEFAULT.lease_margin
    """No write is sent when less than this is left of the lease."""
    connect_deadline: Seconds = _DEFAULT.connect_deadline
    """A connect that no switch has confirmed by then is withdrawn. Detaching is never given up."""
    audit_interval: Seconds = _DEFAULT.audit_interval
    """How often every settled port is read and compared."""
    warm: Seconds = _DEFAULT.warm
    """How long a session with a switch is kept open after its last use."""
    retry_first: Seconds = _DEFAULT.retry_first
    """The first pause before a switch that did not answer is tried again; each further one is longer."""
    retry_most: Seconds = _DEFAULT.retry_most
    """The longest such pause."""
    batch: int = Field(default=_DEFAULT.batch, ge=1, le=10_000)
    """Most ports in one device session."""
    operation_retention: Seconds = _DEFAULT.operation_retention
    """How long finished operations can be read."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.lease_margin >= self.lease:
            raise ValueError("lease_margin must be smaller than lease: nothing could ever be written")
        if self.retry_first > self.retry_most:
            raise ValueError("retry_first must not be longer than retry_most")
        return self


class Release(Section):
    """What happens to a node between two projects."""

    deadline: Seconds = _DEFAULT.release_deadline
    """After this a release that still waits asks for an operator."""
    cleaning_url: Web = _DEFAULT.cleaning_url
    """Called (POST, JSON) for each released node: 2xx means cleaned, 202 means ask again later. Empty: no call."""
    power_off: bool = _DEFAULT.power_off_on_release
    """Power a node off while it is released."""
    maintenance_project: ProjectName = _DEFAULT.maintenance_project
    """A project that every released node goes to instead of becoming free."""
    maintenance_url: Web = _DEFAULT.maintenance_url
    """Called (POST, JSON) for each node that went to the maintenance project. Empty: no call."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.maintenance_url and not self.maintenance_project:
            raise ValueError("maintenance_url is called for nodes of maintenance_project: name that project too")
        return self


class V0(Section):
    """The original API, and the foreign OBMds that it speaks to."""

    patience: float = Field(default=5.0, ge=0, le=60)
    """How long a request waits for freshly wired ports to be read back before it is refused."""
    obmd_timeout: Seconds = 10.0
    """How long a foreign OBMd may take for one request."""
    obmd_ca_file: File | None = None
    """Certificates (PEM) by which foreign OBMds are trusted, instead of the system's."""


class Log(Section):
    """What the processes say on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important message that is written."""
    format: Literal["text", "json"] = "text"
    """`text` for people and journald, `json` for one JSON object per line."""


class Config(Section):
    """The whole configuration; `source` is the file that it was read from."""

    server: Server = Server()
    database: Database = Database()
    secrets: Secrets = Secrets()
    auth: Auth = Auth()
    vlan: Vlan = Vlan()
    worker: Worker = Worker()
    release: Release = Release()
    v0: V0 = V0()
    log: Log = Log()

    def limits(self) -> Limits:
        """The times and sizes of the core."""
        own = {name: getattr(self.worker, name) for name in Worker.model_fields if hasattr(_DEFAULT, name)}
        return Limits(
            **own,
            release_deadline=self.release.deadline,
            cleaning_url=self.release.cleaning_url,
            power_off_on_release=self.release.power_off,
            maintenance_project=self.release.maintenance_project,
            maintenance_url=self.release.maintenance_url,
        )


SHORT: Final = {
    "HIL_DATABASE_URL": ("database", "url"),
    "HIL_KEYS": ("secrets", "keys"),
    "HIL_KEY_FILE": ("secrets", "key_file"),
    "HIL_LISTEN": ("server", "listen"),
}
"""Variables with a name of their own; every other setting is HIL_SECTION__KEY."""
