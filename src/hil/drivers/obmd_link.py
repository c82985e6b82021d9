"""Speaks to an obmd of ours, or to a foreign OBMd, for whoever is in front of it: the API, the worker, the operator.

It knows two dialects: ours (`/v1`, with a signed capability) and the original's (`/node/NAME/token`, with an admin
token). It speaks while no transaction is open, each request within one deadline, follows no redirect, and reads no more
than it needs. Foreign exceptions end here. Neither URL nor token stands in any message, and nothing here knows a
controller: it never reaches the management network.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from hil.core import guard
from hil.core.errors import (
    BadArgument,
    Blocked,
    Denied,
    DeviceError,
    HilError,
    LostReply,
    Refused,
    Unavailable,
    Unreachable,
)
from hil.core.secret import Secret

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]{16,256}")
"""The original's tokens are 32 hexadecimal digits; whatever else it is, it must fit a query string as it stands."""
_LONGEST: Final = 1 << 20
_MOST_EPOCHS: Final = 1 << 30
"""An obmd that speaks of a later epoch is not believed: nobody gets there by counting."""
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class EpochBehind(Refused):
    """The obmd knows a later epoch of the node (`epoch`): HIL's database is older than it. Go on above it."""

    def __init__(self, message: str, epoch: int = 0) -> None:
        super().__init__(message)
        self.epoch = epoch


class Silent(LostReply):
    """The OBMd said nothing within the time that it has; what was asked of it may have been done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How to reach one node's OBM. `secret`: for ours a capability of right `epoch`, for others the admin token.

    `returned`: what ours shows when it asks HIL about this epoch (`hil.services.obm_ssh`).
    """

    node: str
    uri: str
    own: bool
    epoch: int
    secret: Secret
    returned: Secret = field(default_factory=lambda: Secret(""))

    def at(self, *path: str) -> str:
        """A URL of our own obmd, below the node."""
        return node_url(self.uri, self.node, *path)

    @property
    def obmd(self) -> str:
        """Names the OBMd, whichever node it is asked about."""
        parts = urlsplit(self.uri)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def original(self) -> str:
        """The node's URL in the original protocol."""
        return f"{self.uri}/node/{quote(self.node, safe='')}" if self.own else self.uri


def node_url(base: str, *path: str) -> str:
    """A URL below `/v1/nodes`, each part encoded."""
    return f"{base}/v1/nodes/" + "/".join(quote(part, safe="") for part in path)


@dataclass(frozen=True, slots=True)
class Said:
    """A status and the JSON body; None if there is none, or it is no JSON."""

    status: int
    data: Any

    def text(self, key: str) -> str:
        found = self.data.get(key) if isinstance(self.data, dict) else None
        return found if isinstance(found, str) else ""


class ObmdLink:
    """OBMds, asked within `timeout` seconds each; `ca_file` replaces the system's certificates."""

    def __init__(self, timeout: float, ca_file: str = "") -> None:
        self._timeout = timeout
        self._tls = _trust(ca_file)

    async def enable(self, reach: Reach) -> Secret:
        """Begin the epoch and make a token of the original protocol. Raises Unreachable, Refused, LostReply."""
        if reach.own:
            await self.begin(reach)
        said = await self._judged("POST", f"{reach.original}/token", reach)
        token = said.text("token")
        if not _TOKEN.fullmatch(token):
            raise LostReply(f"The OBMd of node {reach.node!r} answered something that is no token.")
        return Secret(token)

    async def disable(self, reach: Reach) -> None:
        """End whatever lives; answers once the OBMd says that it is dead. Raises Unreachable, Refused, LostReply."""
        if reach.own:
            await self._judged("POST", reach.at("epoch"), reach, {"epoch": reach.epoch, "enabled": False})
        else:
            await self._judged("DELETE", f"{reach.original}/token", reach)

    async def begin(self, reach: Reach) -> None:
        """Begin the epoch at an obmd of ours. Raises Unreachable, Refused, LostReply."""
        body = {"epoch": reach.epoch, "enabled": True, "return": reach.returned.reveal()}
        await self._judged("POST", reach.at("epoch"), reach, body)

    async def power_off_with_token(self, reach: Reach, token: Secret) -> None:
        """Take the power away as the original protocol does. Raises Unreachable, Refused, LostReply."""
        whose = f"The OBMd of node {reach.node!r}"
        said = await self.exchange("POST", f"{reach.original}/power_off", whose, params={"token": token.reveal()})
        if said.status >= 300:
            raise Refused(f"{whose} answered {said.status}.")

    async def _judged(self, method: str, url: str, reach: Reach, body: Any = None) -> Said:
        """The original OBMd answers 404 for an unknown node and for wrong credentials alike."""
        whose = f"The OBMd of node {reach.node!r}"
        headers, auth = (
            ({}, httpx.BasicAuth("admin", reach.secret.reveal())) if not reach.own else (_bearer(reach.secret), None)
        )
        said = await self.exchange(method, url, whose, headers=headers, auth=auth, body=body)
        if said.status < 300:
            return said
        known = said.data.get("epoch") if isinstance(said.data, dict) else None
        if reach.own and said.status == 409 and type(known) is int and 0 <= known < _MOST_EPOCHS:
            raise EpochBehind(f"{whose} knows a later epoch of it.", known)
        if reach.own and said.status == 401:
            raise Refused(f"{whose} does not believe HIL: give it the key that `hil-admin obm public-key` prints.")
        hint = ": it does not know the node, or not this admin token" if said.status in (401, 403, 404) else ""
        kind: type[DeviceError] = LostReply if said.status >= 500 else Refused
        raise kind(f"{whose} answered {said.status}{hint}.")

    async def ask(
        self, method: str, url: str, node: str, capability: Secret, *,
        body: Any = None, params: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """Have our obmd do something for the holder of a capability; answers the JSON. Raises HilError as obmd did."""
        whose = f"The obmd of node {node!r}"
        try:
            said = await self.exchange(method, url, whose, headers=_bearer(capability), body=body, params=params)
        except Unreachable as error:
            raise Unavailable(error.message, detail=error.detail) from error
        if said.status < 300:
            return said.data
        raise refusal(said, whose)

    async def exchange(
        self, method: str, url: str, whose: str, *, headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None, body: Any = None, params: Mapping[str, Any] | None = None,
    ) -> Said:  # fmt: skip
        """One request. Raises Unreachable if it certainly was not sent, LostReply if it may have been."""
        guard.device()
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(method, url, dict(headers or {}), auth, body, params)
        except _UNSENT as error:
            raise Unreachable(f"{whose} cannot be reached.", detail=_told(error)) from error
        except TimeoutError as error:
            raise Silent(f"{whose} did not answer within {self._timeout:g} s.") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise LostReply(f"{whose} broke off.", detail=_told(error)) from error

    async def _exchange(
        self, method: str, url: str, headers: dict[str, str], auth: httpx.Auth | None, body: Any, params: Any
    ) -> Said:
        patience = httpx.Timeout(self._timeout, connect=min(self._timeout / 2, 5.0))
        async with (
            httpx.AsyncClient(verify=self._tls, timeout=patience, trust_env=False) as client,
            client.stream(method, url, auth=auth, headers=headers, json=body, params=params) as answer,
        ):
            found = b""
            async for part in answer.aiter_bytes():
                found += part
                if len(found) > _LONGEST:
                    raise httpx.DecodingError("the answer is too long", request=answer.request)
            return Said(answer.status_code, _json(found))


class BrieflyTrusted(ObmdLink):
    """To one OBMd, for one round of work: once it has been silent, nobody else waits for it in this round.

    Whoever has several requests to make holds `turn` meanwhile, which `most` may at once.
    """

    def __init__(self, timeout: float, ca_file: str, most: int) -> None:
        super().__init__(timeout, ca_file)
        self.turn = asyncio.Semaphore(most)
        self._silent = ""

    async def exchange(
        self, method: str, url: str, whose: str, *, headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None, body: Any = None, params: Mapping[str, Any] | None = None,
    ) -> Said:  # fmt: skip
        if self._silent:
            raise Unreachable(whose + self._silent)
        try:
            return await super().exchange(method, url, whose, headers=headers, auth=auth, body=body, params=params)
        except (Unreachable, Silent) as error:
            self._silent = error.message.removeprefix(whose)
            raise


def refusal(said: Said, whose: str) -> HilError:
    """The error that our obmd means by its problem document."""
    kind = said.text("type").rpartition("/")[2]
    detail = said.text("detail") or f"{whose} answered {said.status}."
    if kind in _DEVICE:
        return _DEVICE[kind](detail)
    match said.status:
        case 400:
            return BadArgument(detail)
        case 401:
            return Blocked(
                f"{whose} refuses HIL's capability: the OBM was enabled or disabled at this moment. Try again."
            )
        case 403:
            return Denied(detail)
        case 404 | 409:
            return Blocked(detail)
        case 502:
            return DeviceError(detail)
        case _:
            return Unavailable(detail)


def _kinds(kind: type[DeviceError]) -> Iterator[type[DeviceError]]:
    for child in kind.__subclasses__():
        if child.__init__ is HilError.__init__:
            yield child
            yield from _kinds(child)


def _bearer(secret: Secret) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret.reveal()}"}


@cache
def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise BadArgument(f"The certificates of OBMds cannot be read from {ca_file}: {error}.") from error


def _json(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        return None


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


_DEVICE: Final = {kind.type: kind for kind in _kinds(DeviceError) if kind.__module__ == DeviceError.__module__}
"""Errors of controllers by the word that stands in a problem document."""
