"""The contract of an authentication backend, how one is found, and where one may be served.

A backend is an object `BACKEND` under the entry point group `hil.auth`: called with its table of the configuration and
the store, it answers a Backend. Nothing here, and nothing in the API, knows a backend by name.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Protocol

from hil.auth.credentials import Credentials
from hil.core.errors import BadArgument
from hil.core.model import Actor
from hil.store.unit import Store

GROUP: Final = "hil.auth"
_LOOPBACK_NAMES: Final = frozenset({"localhost", "ip6-localhost", "ip6-loopback"})


class Backend(Protocol):
    """Says who is calling. One object serves all threads of a process."""

    @property
    def loopback_only(self) -> bool:
        """It must never be served on an address that another machine can reach."""
        ...

    @property
    def has_users(self) -> bool:
        """HIL keeps the users itself: the calls that manage users, passwords and keys exist."""
        ...

    @property
    def challenge(self) -> str:
        """Value of the WWW-Authenticate header (RFC 9110, section 11.6.1); empty for none."""
        ...

    def authenticate(self, credentials: Credentials) -> Actor:
        """Answer who is calling, as of now. Raises Unauthenticated, RateLimited, Unavailable and nothing else."""
        ...

    def close(self) -> None:
        """Let go of what the backend holds open; never raises."""
        ...


Factory = Callable[[Mapping[str, Any], Store], Backend]


def open_backend(name: str, config: Mapping[str, Any], store: Store) -> Backend:
    """Find a backend by the name of its entry point and make it. Raises BadArgument with a remedy."""
    factory: Factory = _load(name)
    return factory(config, store)


def _load(name: str) -> Any:
    known = list(entry_points(group=GROUP))
    found = [entry for entry in known if entry.name == name]
    if not found:
        names = ", ".join(sorted({entry.name for entry in known})) or "none: is HIL itself installed?"
        raise BadArgument(f"There is no authentication backend {name!a}. Installed are: {names}.")
    if len({entry.value for entry in found}) > 1:
        raise BadArgument(
            f"Several packages bring an authentication backend {name!r}: {_owners(found)}. Remove all but one."
        )
    try:
        return found[0].load()
    except (ImportError, AttributeError) as error:
        raise BadArgument(
            f"The authentication backend {name!r} ({found[0].value}) cannot be loaded: {error}. Install what it needs."
        ) from error


def _owners(found: list[EntryPoint]) -> str:
    return ", ".join(sorted(entry.dist.name if entry.dist else entry.value for entry in found))


def check_listen(backend: Backend, host: str) -> None:
    """Refuse to serve a loopback-only backend on `host`. Raises BadArgument."""
    if backend.loopback_only and not is_loopback(host):
        raise BadArgument(
            f"This authentication backend lets everybody do everything, so it is served on a loopback address only, "
            f"not on {host!a}: listen on 127.0.0.1 or ::1, or choose another backend, such as database."
        )


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`: an address, or a loopback name that resolves to nothing else."""
    try:
        return _is_local(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        pass
    if host.lower() not in _LOOPBACK_NAMES:
        return False
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(_is_local(str(address[0])) for *_, address in found)


def _is_local(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
