"""What may be set about the API itself; every value has a default that suits a small data centre."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times in seconds, sizes in bytes."""

    public_url: str = ""
    """Under which URL callers reach the API, if it is not the one that they used; shown in the OpenAPI document."""
    max_body: int = 1 << 20
    longest_wait: float = 60.0
    """Most that `?wait=` waits."""
    look_again: float = 2.0
    """Whoever waits for a bell looks at the database this often without one."""
    heartbeat: float = 10.0
    """An event stream says this often that it lives, and asks again who its caller is."""
    most_streams: int = 500
    """Event streams at once, in this process."""
    metrics_age: float = 1.0
    """What `/metrics` reads from the database may be this old."""
    obmd_timeout: float = 10.0
    """How long an OBMd may take to enable, to disable, or to make a token."""
    machine_timeout: float = 40.0
    """How long our obmd may take for a machine; it gives up before (`[obmd] deadline`)."""
    obmd_ca_file: str = ""
    """Certificates (PEM) by which OBMds are trusted, instead of the system's."""
    v0_auth: str = ""
    """How v0 names the authentication backend; empty: `database` if it has users, else `null`."""
    v0_patience: float = 5.0
    """How long v0 waits for freshly wired ports to be read back before it refuses what needs that."""
