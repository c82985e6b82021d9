"""Settings of whatever is reached by SSH, checked without an SSH library: the API reads them too.

The host key is never optional. It is a public key, its SHA-256 fingerprint, or the word `first-use`, which trusts the
first key that a process sees and holds the address to it until the process ends; a restart trusts anew. It refuses what
is none of these rather than to compare with something that can never match.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from hil.core.errors import BadArgument
from hil.drivers.settings import Hostname, Settings, Text

FIRST_USE: Final = "first-use"
SECRETS: Final = frozenset({"password", "private_key", "enable_password"})
"""Those of the keys below that are encrypted at rest."""
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")


def host_key(text: str) -> str:
    """Check a host key and answer it without comment or padding. Raises ValueError.

    A fingerprint is written as `ssh-keygen -lf` does; a key as in a known_hosts file, without the host's name.
    """
    words = text.split()
    if len(words) == 1 and (words[0] == FIRST_USE or _FINGERPRINT.fullmatch(words[0])):
        return words[0].rstrip("=")
    if len(words) >= 2 and _names_itself(words[0], words[1]):
        return f"{words[0]} {words[1]}"
    raise ValueError("give an OpenSSH public key, its fingerprint as SHA256:…, or first-use")


def _names_itself(algorithm: str, encoded: str) -> bool:
    """Whether the key begins with its algorithm's name, length first (RFC 4253, section 6.6)."""
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    name = algorithm.encode()
    return len(key) > len(name) + 4 and key.startswith(len(name).to_bytes(4, "big") + name)


def _private_key(text: str) -> str:
    if not re.fullmatch(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----\n.+\n-----END [A-Z ]{0,40}PRIVATE KEY-----\s*", text, re.DOTALL
    ):
        raise ValueError("give the text of an unencrypted private key, from BEGIN to END")
    return text


HostKey = Annotated[str, StringConstraints(max_length=4096), AfterValidator(host_key)]
PrivateKey = Annotated[str, StringConstraints(max_length=16384), AfterValidator(_private_key)]


class SshSettings(Settings):
    """What it takes to log in by SSH. A driver's own settings extend it."""

    hostname: Hostname
    """Name or address of the switch."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    username: Text
    password: Text = ""
    """May be empty where a private key is given."""
    private_key: PrivateKey | None = None
    """An unencrypted private key in OpenSSH or PEM form; tried before the password."""
    host_key: HostKey
    """The switch's public host key, its SHA256 fingerprint, or `first-use`."""
    legacy_algorithms: bool = False
    """Also offer SHA-1, CBC and 1024-bit algorithms, which switches from before about 2015 need."""
    timeout: Annotated[float, Field(ge=1, le=600)] = 30.0
    """Seconds that the switch has for one answer."""


def v0_address(text: Any) -> dict[str, Any]:
    """Read the original API's `hostname`: a name, an address, `name:port` or a URL. Raises BadArgument."""
    if not isinstance(text, str):
        raise BadArgument("hostname is missing: a switch of this type needs it.")
    try:
        found = urlsplit(text if "://" in text else f"//{text}")
        name, port = found.hostname or "", found.port
    except ValueError:
        name, port = "", None
    if not name:
        raise BadArgument("hostname names no host: give a name or an address.")
    return {"hostname": name} if port is None else {"hostname": name, "port": port}
