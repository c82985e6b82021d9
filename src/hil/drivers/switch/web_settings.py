"""What every switch with a web interface is told: address, account, and how its certificate is known.

    {"url": "https://10.0.0.7", "username": "hil", "password": "…", "certificate": "AB:CD:…"}

`certificate` is the SHA-256 fingerprint of the switch's own certificate (as `openssl x509 -fingerprint -sha256` prints
it), or PEM text: the switch's certificate, or that of the authority that signed it. Without it the worker's system
authorities decide. `first-use` believes the first certificate that a worker process sees. Plain HTTP carries
passwords in clear and is taken only where the address says `http://`.
"""

from __future__ import annotations

import re
import ssl
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from hil.core.errors import BadArgument
from hil.drivers.settings import Settings, Text

FIRST_USE: Final = "first-use"
_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def _address(text: str) -> str:
    """Answer `scheme://host[:port]`. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("use https://host or https://host:port")
    if "@" in parts.netloc or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("only scheme, host and port belong here")
    if parts.port == 0 or not re.fullmatch(r"[A-Za-z0-9._:-]+", parts.hostname):
        raise ValueError("use https://host or https://host:port")
    return f"{parts.scheme}://{parts.netloc}"


def _identity(text: str) -> str:
    """Answer a fingerprint as upper-case pairs, PEM and `first-use` as they are. Raises ValueError."""
    if text == FIRST_USE:
        return text
    if _PEM.search(text):
        for block in _PEM.findall(text):
            ssl.PEM_cert_to_DER_cert(block)
        return text
    digits = text.replace(":", "").upper()
    if not _HEX.fullmatch(digits):
        raise ValueError("give a SHA-256 fingerprint (64 hexadecimal digits), a certificate in PEM, or first-use")
    return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


Address = Annotated[str, StringConstraints(max_length=300), AfterValidator(_address)]
Certificate = Annotated[str, StringConstraints(max_length=65536), AfterValidator(_identity)]


class WebSettings(Settings):
    """How to log in, and how the switch is known."""

    url: Address
    """Scheme, host and port: `https://10.0.0.7`. Plain `http://` sends the password in clear."""
    username: Annotated[Text, StringConstraints(min_length=1, pattern=r"^[^:]*$")]
    password: Text
    certificate: Certificate | None = None
    """The certificate's SHA-256 fingerprint, PEM of it or of its authority, or `first-use`; else the worker's system
    authorities decide."""
    timeout: Annotated[float, Field(ge=0.1, le=600)] = 30.0
    """Seconds that the switch has for one answer."""

    @model_validator(mode="after")
    def _certificate_is_for_tls(self) -> WebSettings:
        if self.certificate is not None and self.url.startswith("http:"):
            raise ValueError("certificate belongs to an https address")
        return self


def original_address(hostname: Any, scheme: str = "https") -> str:
    """Turn the original API's `hostname`, a bare name or the start of a URL, into an address. Raises BadArgument."""
    text = hostname if isinstance(hostname, str) else ""
    try:
        return _address(text if "://" in text else f"{scheme}://{text}")
    except ValueError as error:
        raise BadArgument(f"hostname: {error}.") from None
