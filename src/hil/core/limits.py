"""Times, sizes and places that an operator may set; every one has a default that suits a small data centre."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All times in seconds."""

    connect_deadline: float = 900.0
    """A connect that no switch has confirmed by then is withdrawn; detaching is never given up."""
    release_deadline: float = 3600.0
    """After this a release that still waits asks for an administrator."""
    lease: float = 20.0
    """How long a lane belongs to a worker that is not heard of; also the longest one batch may take to write."""
    lease_margin: float = 5.0
    """No write is sent when less than this is left of the lease."""
    audit_interval: float = 60.0
    warm: float = 120.0
    """A session with a switch is kept open this long after its last use."""
    retry_first: float = 0.5
    retry_most: float = 60.0
    batch: int = 256
    """Most ports in one device session."""
    operation_retention: float = 30 * 86400.0
    cleaning_url: str = ""
    """Called (POST, JSON) while a node is released; 2xx means cleaned, 202 ask again later."""
    power_off_on_release: bool = False
    maintenance_project: str = ""
    maintenance_url: str = ""
    obmd_ca_file: str = ""
    """Certificates (PEM) by which OBMds are trusted, instead of the system's."""
