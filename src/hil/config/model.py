"""What may be configured: one class for each section of the file, one attribute for each key.

The text below an attribute is its entry in docs/operators/configuration.md. Times are in seconds.
"""

from __future__ import annotations

import ipaddress
import re
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


def _public_key(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", text):
        raise ValueError("write public keys as `hil-admin obm public-key` prints them")
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
PublicKey = Annotated[str, AfterValidator(_public_key)]
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


class Obmd(Section):
    """obmd, which alone speaks to the machines' controllers. It reads this section and `[log]` only; see obmd.md."""

    listen: Address = "127.0.0.1:5002"
    """Where obmd listens; empty: `hil serve` has none inside. Where another machine can reach it, it must speak TLS."""
    public_url: Web = ""
    """The URL under which HIL and tenants reach obmd, if it is not the one that it listens on."""
    url: Hidden = Secret("")
    """obmd's own database, as in `[database]`. Empty: `obmd/obmd.db` in the state directory."""
    key_file: File | None = None
    """The keys that encrypt controllers' passwords, as in `[secrets]`. Empty: `obmd/keys` in the state directory."""
    admin_token: Hidden = Secret("")
    """What operators show to register nodes, and an original HIL shows: 32 hex digits. Empty: nobody can."""
    hil_public_keys: tuple[PublicKey, ...] = Field(default=(), strict=False)
    """Public keys of HIL, from `hil-admin obm public-key`: who signs with one of them is believed."""
    tls_cert: File | None = None
    """The certificate, with its chain (PEM)."""
    tls_key: File | None = None
    """The private key of the certificate (PEM)."""
    insecure: bool = False
    """Speak plain HTTP on an address that another machine can reach: right only behind a proxy that speaks TLS."""
    deadline: Seconds = 30.0
    """How long a request for a controller may take, its wait for others included."""
    per_second: float = Field(default=10.0, gt=0, le=1000)
    """Requests that one controller gets in a second."""
    logins_per_minute: int = Field(default=20, ge=1, le=6000)
    """Log-ins that one controller gets in a minute."""
    sessions: int = Field(default=4, ge=1, le=100)
    """Most sessions with one controller, consoles included, unless its driver knows a smaller number."""
    warm: Seconds = 60.0
    """How long a session with a controller is kept open after its last use."""
    power_age: float = Field(default=2.0, ge=0, le=3600)
    """A power state that was read so recently is not read again."""
    login_pause_first: Seconds = 600.0
    """The pause after a controller has refused a log-in; each further one is twice as long."""
    login_pause_most: Seconds = 3600.0
    """The longest such pause. The shorter the pauses, the nearer to a locked account."""
    console_linger: Seconds = 300.0
    """How long a console stays open without a viewer."""
    record: Literal["watched", "always"] = "watched"
    """When consoles are recorded: while somebody looks, or always; then each is kept open, and is a session in use."""
    recording_bytes: int = Field(default=4 * 2**20, ge=0, le=2**40)
    """Space for the recordings of one node for one project, at least 65536; the oldest are dropped. 0: none is kept."""
    recording_age: float = Field(default=7 * 86400.0, ge=0, le=10 * 365 * 86400.0)
    """How long recordings are kept. 0: none are."""
    ssh_listen: Address = ""
    """Where consoles are served over SSH, as in `0.0.0.0:5022`; empty: nowhere."""
    hil_url: Web = ""
    """The URL of HIL's API, which is asked what an API key may do that is given to SSH. In `hil serve`: its own."""
    hil_ca_file: File | None = None
    """Certificates (PEM) by which `hil_url` is trusted, instead of the system's."""
    drain: Seconds = 10.0
    """How long requests may go on when obmd is asked to stop; consoles end at once."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: give both or neither")
        if self.login_pause_first > self.login_pause_most:
            raise ValueError("login_pause_first must not be longer than login_pause_most")
        if 0 < self.recording_bytes < 65536:
            raise ValueError("recording_bytes must be 0, or at least 65536")
        return self


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
    obmd: Obmd = Obmd()
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
            obmd_ca_file=str(self.v0.obmd_ca_file or ""),
        )


SHORT: Final = {
    "HIL_DATABASE_URL": ("database", "url"),
    "HIL_KEYS": ("secrets", "keys"),
    "HIL_KEY_FILE": ("secrets", "key_file"),
    "HIL_LISTEN": ("server", "listen"),
}
"""Variables with a name of their own; every other setting is HIL_SECTION__KEY."""
