"""Where HIL is and who is asking: from arguments, the environment and a profile, in this order.

1. What the program passes.
2. `HIL_ENDPOINT`, `HIL_TOKEN`, or `HIL_USERNAME` with `HIL_PASSWORD`, `HIL_CA_FILE`, `HIL_PROJECT`. An empty variable
   is no variable.
3. The profile named by `HIL_PROFILE`, else the profile `default`, if there is one, in the file of `hil.client.profile`.
4. `http://127.0.0.1:5000`, where `hil serve` listens.

Credentials come from one place and are never mixed: with any in the environment, those of the profile are not looked
at. A profile's credentials go to the profile's own endpoint and nowhere else. Secrets do not appear in `repr`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from hil.client.errors import SettingsError
from hil.client.profile import DEFAULT, Profile, profile_load, profile_path

ENDPOINT = "http://127.0.0.1:5000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked settings of one client. `profile` is the name of the profile that was asked for or used."""

    endpoint: str = ENDPOINT
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_file: str = ""
    project: str = ""
    profile: str = DEFAULT

    def __post_init__(self) -> None:
        endpoint_check(self.endpoint)
        if not (self.token.isascii() and self.token.isprintable()):
            raise SettingsError("the token holds characters that no token has", hint="copy it again")
        if ":" in self.username:
            raise SettingsError("a user name has no colon (RFC 7617, section 2)")

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        endpoint: str | None = None,
        profile: str | None = None,
    ) -> Self:
        """Read them as the module says. Raises SettingsError, also if a profile asked for by name is missing."""
        env = os.environ if environ is None else environ
        name = profile or env.get("HIL_PROFILE") or DEFAULT
        kept = _kept(env, name, asked=name != DEFAULT or bool(profile or env.get("HIL_PROFILE")))
        base = _clean(endpoint or env.get("HIL_ENDPOINT") or kept.endpoint or ENDPOINT)
        username, password, token = (env.get(f"HIL_{word}", "") for word in ("USERNAME", "PASSWORD", "TOKEN"))
        if password and not username and not token:
            raise SettingsError("HIL_PASSWORD is set and HIL_USERNAME is not", hint="set both, or HIL_TOKEN alone")
        if not (username or token) and base == _clean(kept.endpoint or ENDPOINT):
            username, password, token = kept.username, kept.password, kept.token
        return cls(
            endpoint=base,
            username=username,
            password=password,
            token=token,
            ca_file=env.get("HIL_CA_FILE") or kept.ca_file,
            project=env.get("HIL_PROJECT") or kept.project,
            profile=name,
        )

    @property
    def lacks_password(self) -> bool:
        """There is a user name, and nothing to prove it with."""
        return bool(self.username) and not self.password and not self.token

    @property
    def loopback(self) -> bool:
        return loopback(self.endpoint)

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.endpoint).scheme == "https"


def _kept(env: Mapping[str, str], name: str, *, asked: bool) -> Profile:
    path = profile_path(env)
    found = profile_load(path, name)
    if found is None and asked:
        raise SettingsError(f"{path} has no profile {name!r}", hint="`hil login` makes one")
    return found or Profile()


def _clean(endpoint: str) -> str:
    return endpoint.strip().rstrip("/")


def loopback(url: str) -> bool:
    """Whether what is sent there stays on this machine."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def endpoint_check(endpoint: str) -> None:
    """Accept `http(s)://host[:port][/prefix]` and nothing else: a password in a URL ends in logs."""
    example = "give it as https://host[:port]"
    try:
        parts = urlsplit(endpoint)
        parts.port  # noqa: B018 - reading it is the check: it raises ValueError
    except ValueError as error:
        raise SettingsError(f"the endpoint is no URL: {error}", hint=example) from None
    if "@" in parts.netloc:
        raise SettingsError("the endpoint holds credentials", hint="set HIL_USERNAME and HIL_PASSWORD instead")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(f"{endpoint[:200]!a} is no endpoint", hint=example)
