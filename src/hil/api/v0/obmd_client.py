"""Two requests to a foreign OBMd, in the protocol of the original: make a token, kill the token.

It speaks while no transaction is open, within one deadline for the whole request, follows no redirect and reads no
more than it needs. Foreign exceptions end here. Neither URL nor token stands in any message.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from functools import cache
from typing import Final

import httpx

from hil.core import guard
from hil.core.errors import BadArgument, DeviceError, LostReply, Refused, Unreachable
from hil.core.secret import Secret
from hil.services.obm import Errand

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]{16,256}")
"""The original's tokens are 32 hexadecimal digits; whatever else it is, it must fit a query string as it stands."""
_LONGEST: Final = 1 << 16
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Obmd:
    """Foreign OBMds, asked within `timeout` seconds each; `ca_file` replaces the system's certificates."""

    def __init__(self, timeout: float, ca_file: str = "") -> None:
        self._timeout = timeout
        self._tls = _trust(ca_file)

    async def new_token(self, errand: Errand) -> Secret:
        """Make a token; it kills the one before. Raises Unreachable, Refused, LostReply."""
        answer = await self._ask("POST", errand)
        try:
            token = json.loads(answer)["token"]
        except (ValueError, KeyError, TypeError):
            token = None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise LostReply(f"The OBMd of node {errand.node!r} answered something that is no token.")
        return Secret(token)

    async def drop_token(self, errand: Errand) -> None:
        """Kill the token, if there is one. Raises Unreachable, Refused, LostReply."""
        await self._ask("DELETE", errand)

    async def _ask(self, method: str, errand: Errand) -> bytes:
        guard.device()
        whose = f"The OBMd of node {errand.node!r}"
        try:
            async with asyncio.timeout(self._timeout):
                status, body = await self._exchange(method, errand)
        except _UNSENT as error:
            raise Unreachable(f"{whose} cannot be reached.", detail=_told(error)) from error
        except TimeoutError as error:
            raise LostReply(f"{whose} did not answer within {self._timeout:g} s.") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise LostReply(f"{whose} broke off.", detail=_told(error)) from error
        _judge(status, whose)
        return body

    async def _exchange(self, method: str, errand: Errand) -> tuple[int, bytes]:
        auth = httpx.BasicAuth("admin", errand.admin_token.reveal())
        patience = httpx.Timeout(self._timeout, connect=self._timeout / 2)
        async with (
            httpx.AsyncClient(verify=self._tls, timeout=patience, trust_env=False) as client,
            client.stream(method, f"{errand.uri}/token", auth=auth) as answer,
        ):
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _LONGEST:
                    raise httpx.DecodingError("the answer is too long", request=answer.request)
            return answer.status_code, body


@cache
def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise BadArgument(f"The certificates of OBMds cannot be read from {ca_file}: {error}.") from error


def _judge(status: int, whose: str) -> None:
    """The original OBMd answers 404 for an unknown node and for wrong credentials alike."""
    if status < 300:
        return
    hint = ": it does not know the node, or not this admin token" if status in (401, 403, 404) else ""
    kind: type[DeviceError] = LostReply if status >= 500 else Refused
    raise kind(f"{whose} answered {status}{hint}.")


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
