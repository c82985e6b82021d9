"""One way to HIL: a request, its retries, its answer. Everything that this package sends goes through `call`.

What may be tried again is what cannot be done twice: GET, HEAD, PUT and DELETE by their meaning, POST by the
`Idempotency-Key` that each carries, and anything at all when it certainly was not sent. PATCH, and whatever depends on
`If-Match`, is not repeated once it may have arrived. Redirects are not followed, since a credential would follow them.
Certificates are always checked. Neither headers nor bodies are logged.
"""

from __future__ import annotations

import email.utils
import json
import logging
import random
import re
import ssl
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from hil.client.decode import JSON
from hil.client.errors import (
    NotFound,
    SettingsError,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    refusal,
)
from hil.client.settings import Settings

log = logging.getLogger("hil.client")
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
LONGEST_PAUSE = 30.0
"""A server that asks for a longer pause gets its error passed on instead."""


@dataclass(frozen=True, slots=True)
class Retry:
    """`attempts` in all; pauses grow from `first` to `most` seconds, each shortened by chance, so that many spread."""

    attempts: int = 4
    first: float = 0.2
    most: float = 5.0

    def pause(self, attempt: int) -> float:
        return random.uniform(0.5, 1.0) * min(self.most, self.first * 2.0**attempt)


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is the JSON body, None if there is none."""

    status: int
    data: JSON
    etag: str = ""


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    params: Mapping[str, Any]
    body: JSON
    headers: dict[str, str]
    timeout: float
    safe: bool
    """It may be repeated although it may have arrived."""


@dataclass(slots=True)
class Connection:
    """The HTTP side of a client. Threads may share it."""

    settings: Settings
    timeout: float = 30.0
    retry: Retry = field(default_factory=Retry)
    transport: httpx.BaseTransport | None = field(default=None, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    _http: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._http = httpx.Client(
            auth=_credentials(self.settings),
            headers={"Accept": "application/json", "User-Agent": "hil-client"},
            verify=_trust(self.settings),
            timeout=httpx.Timeout(self.timeout, connect=min(self.timeout, 5.0)),
            limits=httpx.Limits(keepalive_expiry=3.0),  # shorter than servers keep theirs: none closes under a request
            transport=self.transport,
            trust_env=not self.settings.loopback,  # a proxy has no business between a machine and itself
            follow_redirects=False,
        )

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: JSON = None,
        if_match: str = "",
        wait: float = 0.0,
        once: bool = False,
    ) -> Answer:
        """Send one request under `/v1` and answer its JSON. Raises HilClientError.

        `wait`: seconds the server may hold the answer back. `once`: never repeat what may have arrived.
        """
        headers = {"X-Request-ID": uuid.uuid4().hex}
        if method == "POST":
            headers["Idempotency-Key"] = uuid.uuid4().hex
        if if_match:
            headers["If-Match"] = if_match
        chosen = {name: value for name, value in (params or {}).items() if value is not None}
        safe = method != "PATCH" and not if_match and not once
        url = f"{self.settings.endpoint}/v1{path}"
        return self._repeat(_Request(method, url, chosen, body, headers, self.timeout + wait, safe))

    @contextmanager
    def stream(
        self, path: str, params: Mapping[str, Any], headers: dict[str, str], silence: float,
        *, method: str = "GET", body: JSON = None,
    ) -> Iterator[Any]:  # fmt: skip
        """Send what is answered bit by bit: yields an iterator of bytes. Not retried; raises HilClientError.

        `silence`: seconds without a byte after which the connection counts as lost.
        """
        url = f"{self.settings.endpoint}/v1{path}"
        limits = httpx.Timeout(self.timeout, connect=min(self.timeout, 5.0), read=silence)
        with (
            _mapped(self.settings.endpoint),
            self._http.stream(method, url, params=params, headers=headers, json=body, timeout=limits) as response,
        ):
            if response.status_code not in (200, 202):
                response.read()
                _answer(response)
            yield response.iter_bytes()

    def _repeat(self, request: _Request) -> Answer:
        lost = False
        for attempt in range(self.retry.attempts):
            last = attempt + 1 == self.retry.attempts
            try:
                return self._once(request)
            except NotFound:
                if lost and request.method == "DELETE":
                    return Answer(204, None)  # an earlier try arrived after all, and its reply was lost
                raise
            except Unreachable as error:
                lost = lost or error.sent
                if last or _permanent(error) or (error.sent and not request.safe):
                    raise
                pause = self.retry.pause(attempt)
            except Unavailable as error:
                pause = error.retry_after if error.retry_after is not None else self.retry.pause(attempt)
                if last or not request.safe or pause > LONGEST_PAUSE:
                    raise
                lost = True
            log.debug("%s %s: trying again in %.1f s", request.method, request.url, pause)
            self.sleep(pause)
        raise AssertionError("a retry policy has at least one attempt")

    def _once(self, request: _Request) -> Answer:
        begun = time.monotonic()
        with _mapped(self.settings.endpoint):
            response = self._http.request(
                request.method,
                request.url,
                params=request.params,
                json=request.body,
                headers=request.headers,
                timeout=httpx.Timeout(request.timeout, connect=min(self.timeout, 5.0)),
            )
        spent = (time.monotonic() - begun) * 1000
        log.debug("%s %s: %d in %.0f ms", request.method, response.url, response.status_code, spent)
        return _answer(response)


def path(*segments: str) -> str:
    """Build a path in which no name can end its segment.

    >>> path("nodes", "rack 1/node?")
    '/nodes/rack%201%2Fnode%3F'
    """
    for segment in segments:
        if segment in ("", ".", ".."):
            raise SettingsError(f"{segment!r} is no name")
    return "".join("/" + quote(segment, safe="") for segment in segments)


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header
        yield request


def _credentials(settings: Settings) -> httpx.Auth | None:
    if settings.token:
        return _Bearer(settings.token)
    if settings.username:
        if not settings.password:
            raise SettingsError(
                f"there is no password for user {settings.username!r}", hint="set HIL_PASSWORD, or HIL_TOKEN instead"
            )
        return httpx.BasicAuth(settings.username.encode(), settings.password.encode())
    return None


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    """Trust what the system trusts, or with a CA file only that."""
    if not settings.encrypted:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:  # SSLError is one as well
        why = error.strerror or "no certificate in it"
        raise SettingsError(f"cannot use the CA file {settings.ca_file}: {why}", hint="check HIL_CA_FILE") from error


@contextmanager
def _mapped(endpoint: str) -> Iterator[None]:
    """Map every exception of httpx, once."""
    try:
        yield
    except NOT_SENT as error:
        if _untrusted(error):
            raise Unreachable(
                f"{endpoint} proves itself with a certificate that is not trusted", hint="set HIL_CA_FILE to its CA's"
            ) from error
        raise Unreachable(f"cannot reach {endpoint}: {_words(error)}") from error
    except httpx.TransportError as error:
        raise Unreachable(f"the connection to {endpoint} was lost: {_words(error)}", sent=True) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnexpectedAnswer(f"{endpoint}: {_words(error)}") from error


def _untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _permanent(error: Unreachable) -> bool:
    return isinstance(error.__cause__, httpx.LocalProtocolError) or _untrusted(error.__cause__)


def _words(error: Exception) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def _answer(response: httpx.Response) -> Answer:
    status = response.status_code
    if status == 204:
        return Answer(status, None)
    if 300 <= status < 400:
        raise UnexpectedAnswer(f"{response.url.host} redirects to {response.headers.get('location', '')[:200]!r}")
    try:
        data = json.loads(response.content)
    except ValueError:
        data = None
    if 200 <= status < 300:
        if data is None:
            raise UnexpectedAnswer(f"{response.url} does not answer in JSON")
        return Answer(status, data, response.headers.get("etag", ""))
    if not (isinstance(data, dict) and ("title" in data or "detail" in data)):
        if status not in (502, 503, 504):
            raise UnexpectedAnswer(f"{response.url} answers {status}, and not as HIL does")
        data = {"type": "unavailable", "detail": f"{response.url.host} answers {status} {response.reason_phrase}"}
    raise refusal(status, data, response.headers.get("x-request-id", ""), _seconds(response))


def _seconds(response: httpx.Response) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110, section 10.2.3)."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
