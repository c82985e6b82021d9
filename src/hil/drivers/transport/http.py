"""HTTP requests to a device, one after the other, on httpx: `Web` is one session's connection.

It knows framing, time, TLS and who the device proves to be, and nothing of switches. It follows no redirect, reads no
proxy or netrc of the environment, bounds what an answer may hold, and never retries: whether a request may be sent
again only the caller can know. The device's identity is proved before any header leaves, so
that no password reaches an impostor. A writer is asked at the last moment before the first byte of a change.

After any failure the session is ended. Before anything was sent the failure is Unreachable, afterwards LostReply; once
a change has been sent, every failure is LostReply.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx
from cryptography import x509

from hil.core import guard
from hil.core.devices import Writer
from hil.core.errors import LoginRefused, LostReply, Refused, Unreachable
from hil.drivers.transport.errors import mapped

LONGEST: Final = 32 * 2**20
"""Bytes of one answer: the whole running configuration of a large chassis stays below 8 MiB."""

FIRST_USE: Final = "first-use"
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_SEEN: Final[dict[str, str]] = {}
"""Fingerprints that `first-use` has believed, by address, for the life of this process."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the device said; the status is for the driver to judge (401, 403 and redirects never get here)."""

    device: str
    status: int
    body: bytes
    headers: httpx.Headers

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as UTF-8, with what is none replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises LostReply if it is none: the device may have done what it was asked."""
        with mapped(self.device, sent=True):
            try:
                return json.loads(self.body)
            except RecursionError:
                raise ValueError("the answer is nested without end") from None


class Following:
    """The body of an answer as it comes. It ends with its session."""

    def __init__(self, device: str, response: httpx.Response) -> None:
        self.status = response.status_code
        self._device, self._chunks = device, response.aiter_raw()

    async def read(self) -> bytes:
        """Wait for more; nothing at the end. Raises LostReply. Not to be cancelled and called again."""
        with mapped(self._device, sent=True):
            return await anext(self._chunks, b"")


class Web:
    """An open session. Made by `connect`."""

    def __init__(self, client: httpx.AsyncClient, device: str, patience: float, pins: _Pins | None) -> None:
        self.device, self.ended = device, False
        self._client, self._patience, self._pins = client, patience, pins
        self._changed = False

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | str | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        writer: Writer | None = None,
        login: bool = False,
        patience: float | None = None,
        judge: bool = True,
    ) -> Answer:
        """Send one request and answer the reply. `data` is sent as JSON, `body` as it is; `path` is not quoted.

        A change needs the `writer`, who is asked immediately before it is sent. `login` makes every failure
        Unreachable: the request changes nothing and is the first. `patience` replaces the session's, in seconds.
        Raises DeviceError; LoginRefused for 401 and 403, unless `judge` is false and they are the caller's to judge.
        """
        guard.device()
        if self.ended:
            kind = LostReply if self._changed else Unreachable
            raise kind(f"The session with {self.device} has ended: nothing more was sent.")
        trace = _Trace(self.device, self._pins, writer)
        content = json.dumps(data, separators=(",", ":")).encode() if data is not None else body
        typed = {"Content-Type": "application/json"} if data is not None else {}
        try:
            async with asyncio.timeout(self._patience if patience is None else patience):
                request = self._client.build_request(
                    method, path, content=content, headers={**typed, **(headers or {})}, extensions={"trace": trace}
                )
                response = await self._client.send(request, stream=True)
                try:
                    answer = Answer(self.device, response.status_code, await _body(response), response.headers)
                finally:
                    await response.aclose()
        except BaseException:
            self.ended = True
            await trace.drop()
            with mapped(self.device, sent=not login and (trace.sent or self._changed)):
                raise
        finally:
            self._changed |= trace.sent and writer is not None
        return self._judged(answer, judge)

    async def follow(self, path: str) -> Following:
        """Ask for an answer that has no end. It may take any time to begin. Raises Unreachable."""
        guard.device()
        with mapped(self.device, sent=False):
            trace = _Trace(self.device, self._pins, None)
            request = self._client.build_request("GET", path, extensions={"trace": trace})
            return Following(self.device, await self._client.send(request, stream=True))

    def _judged(self, answer: Answer, judge: bool) -> Answer:
        if judge and answer.status in (401, 403):
            self.ended = True
            raise LoginRefused(f"{self.device} refuses the user name or password (HTTP {answer.status}).")
        if 300 <= answer.status < 400:
            raise Refused(
                f"{self.device} redirects to another address (HTTP {answer.status}): register the one that it has."
            )
        return answer

    async def close(self) -> None:
        """Drop the connection; never raises."""
        self.ended = True
        with suppress(httpx.HTTPError, OSError):
            await self._client.aclose()


def connect(config: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Web:
    """Prepare a session with what `WebSettings` describes; the first request connects.

    It identifies itself by HTTP Basic (RFC 7617), unless `headers` hold another Authorization, or an empty one: then
    not at all. Raises Unreachable about a certificate that cannot be used.
    """
    guard.device()
    url = httpx.URL(config["url"])
    device = f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
    with mapped(device, sent=False):
        pins, context = _identity(config.get("certificate"), device, url.host)
    client = httpx.AsyncClient(
        base_url=url,
        headers=_told({"Authorization": basic(config["username"], config["password"]), **(headers or {})}),
        verify=context,
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113 - each request is timed as a whole
        limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
    )
    return Web(client, device, config["timeout"], pins if url.scheme == "https" else None)


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of every request; one that is set to nothing is not sent."""
    always = {"Accept-Encoding": "identity", "User-Agent": "hil", **headers}
    return {name: value for name, value in always.items() if value}


async def dial(config: Mapping[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a bare connection to what `WebSettings` describes, for what is no request and answer; identity proved.

    Raises Unreachable, IdentityChanged.
    """
    guard.device()
    url = httpx.URL(config["url"])
    secure = url.scheme == "https"
    port = url.port or (443 if secure else 80)
    device = f"{url.host}:{port}"
    with mapped(device, sent=False):
        pins, context = _identity(config.get("certificate"), device, url.host) if secure else (None, None)
        async with asyncio.timeout(config["timeout"]):
            reader, writer = await asyncio.open_connection(url.host, port, ssl=context)
        try:
            if pins is not None:
                pins.judge(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        except BaseException:
            writer.transport.abort()
            raise
    return reader, writer


def basic(username: str, password: str) -> str:
    """The value of an Authorization header for HTTP Basic, in UTF-8 (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def bearer(token: str) -> str:
    """The value of an Authorization header for a token (RFC 6750)."""
    return f"Bearer {token}"


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, as upper-case pairs."""
    return ":".join(f"{octet:02X}" for octet in hashlib.sha256(certificate).digest())


async def _body(response: httpx.Response) -> bytes:
    """Read an answer of at most LONGEST bytes. Raises ValueError."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ValueError("the answer is compressed, though it was asked not to be")
    found = bytearray()
    async for chunk in response.aiter_raw():
        found += chunk
        if len(found) > LONGEST:
            raise ValueError(f"an answer of more than {LONGEST} bytes")
    return bytes(found)


@dataclass(frozen=True, slots=True)
class _Pins:
    """How a device's own certificate is judged once TLS is up. `leaves` None: the first one seen is believed."""

    device: str
    host: str
    leaves: frozenset[str] | None
    signed: bool = False
    """TLS has verified the chain up to a registered certificate: what is missing is the name."""

    def judge(self, certificate: bytes) -> None:
        """Raises SSLCertVerificationError, which the one map knows."""
        shown = fingerprint(certificate)
        if self.leaves is None:
            expected = _SEEN.setdefault(self.device, shown)
        elif shown in self.leaves or (self.signed and _names(certificate, self.host)):
            return
        else:
            expected = ", ".join(sorted(self.leaves))
        if shown != expected:
            raise ssl.SSLCertVerificationError(f"certificate {shown} instead of {expected}")


def _identity(registered: str | None, device: str, host: str) -> tuple[_Pins | None, ssl.SSLContext]:
    """How TLS verifies, and what is left to be judged. Raises ValueError, SSLError for what is no certificate."""
    if registered is None:
        return None, ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if registered == FIRST_USE or "BEGIN" not in registered:
        context.verify_mode = ssl.CERT_NONE  # judged by its fingerprint, before anything is sent
        return _Pins(device, host, None if registered == FIRST_USE else frozenset({registered})), context
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=registered)
    blocks = [part[part.index(_BEGIN) :] + _END for part in registered.split(_END) if _BEGIN in part]
    leaves = frozenset(fingerprint(ssl.PEM_cert_to_DER_cert(block)) for block in blocks)
    return _Pins(device, host, leaves, signed=True), context


def _names(certificate: bytes, host: str) -> bool:
    """Whether a certificate is for this host: an address, a name, or a name with `*` for its first label (RFC 9525)."""
    try:
        names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (ValueError, x509.ExtensionNotFound):
        return False
    try:
        return ipaddress.ip_address(host) in names.value.get_values_for_type(x509.IPAddress)
    except ValueError:
        known = {name.lower() for name in names.value.get_values_for_type(x509.DNSName)}
    _, _, domain = host.lower().partition(".")
    return host.lower() in known or (bool(domain) and f"*.{domain}" in known)


class _Trace:
    """What httpx's transport tells of a request (its `trace` extension): TLS is up, the first byte is to leave."""

    def __init__(self, device: str, pins: _Pins | None, writer: Writer | None) -> None:
        self.sent = False
        self._device, self._pins, self._writer = device, pins, writer
        self._bare: Any = None
        """The connection before TLS is up: httpcore 1.0.9 forgets it if the handshake is cancelled."""

    async def drop(self) -> None:
        """Close what nobody else will; never raises."""
        bare, self._bare = self._bare, None
        if bare is not None:
            with suppress(OSError):
                await bare.aclose()

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            self._bare = info["return_value"]
        elif event.endswith("start_tls.complete"):
            self._bare = None
            await self._judge(info["return_value"])
        elif event.endswith("send_request_headers.started"):
            self._bare = None
            if self._writer is not None:
                self._writer.check()
            self.sent = True

    async def _judge(self, stream: Any) -> None:
        if self._pins is None:
            return
        try:
            self._pins.judge(stream.get_extra_info("ssl_object").getpeercert(binary_form=True))
        except BaseException:
            await stream.aclose()
            raise
