"""Requests to a Redfish service: who we are, what an answer means, and changes that do not overwrite another's.

A session is made with the service and ended with it; where it has none, every request carries HTTP Basic. A session
that the service has forgotten is made anew once: a request that was answered 401 changed nothing. A PATCH carries the
ETag of what was read. Links lead to paths of the same service only, so that credentials go nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, LostReply, Refused, Unreachable
from hil.drivers.obm.redfish import read
from hil.drivers.obm.redfish.quirks import Quirk
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.http import Answer, Web, basic, connect

ROOT: Final = "/redfish/v1/"
SESSIONS: Final = "/redfish/v1/SessionService/Sessions"
NO_SESSIONS: Final = frozenset({404, 405, 501})
HEADERS: Final = {"Authorization": "", "OData-Version": "4.0", "Accept": "application/json"}
"""Those of every request; who we are is added to each."""
GOODBYE: Final = 3.0
MANY: Final = 500
"""Members of a collection that are read; a log may have more, of which the newest pages are not first everywhere."""


class Service:
    """A service to which we are logged in. Made by `log_in`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._web: Web = connect(config, headers=HEADERS)
        self.device = self._web.device
        self.root: read.Resource = {}
        self.identity: dict[str, str] = {}
        """The headers of who we are."""
        self._session: str | None = None

    async def log_in(self) -> None:
        """Raises Unreachable, LoginRefused, DeviceBusy, Refused."""
        self.root = self._object(await self._web.ask("GET", ROOT, login=True))
        if self._config["login"] == "basic" or not await self._begin():
            self.identity = {"Authorization": basic(self._config["username"], self._config["password"])}

    async def _begin(self) -> bool:
        """Make a session; answer False if the service has none and may do without."""
        with mapped(self.device, sent=False):
            where = read.link(self.root, "Links", "Sessions")
        if where is None and self._config["login"] == "auto":
            return False
        who = {"UserName": self._config["username"], "Password": self._config["password"]}
        answer = await self._web.ask("POST", where or SESSIONS, data=who, login=True)
        token, location = answer.headers.get("X-Auth-Token"), answer.headers.get("Location")
        if not answer.ok or token is None:
            if self._config["login"] == "auto" and (answer.status in NO_SESSIONS or answer.ok):
                return False
            raise self._error(answer)
        with mapped(self.device, sent=False):
            self._session = read.path(location or self._object(answer).get("@odata.id"))
        self.identity = {"X-Auth-Token": token}
        return True

    async def get(self, path: str) -> read.Resource:
        """Read a resource. Raises Refused (404 and the like)."""
        return self._object(await self._ask("GET", path))

    async def members(self, path: str, *, most: int = MANY) -> list[Any]:
        """The members of a collection, as it holds them: whole, or as links; page after page."""
        found: list[Any] = []
        following: str | None = path
        while following is not None and len(found) < most:
            page = await self.get(following)
            members = page.get("Members")
            found += members if isinstance(members, list) else []
            onward = page.get("Members@odata.nextLink")
            with mapped(self.device, sent=False):
                following = _with_query(onward) if onward and members else None
        return found[:most]

    async def each(self, path: str, *, most: int = MANY) -> list[read.Resource]:
        """The members of a collection, read one by one where it holds links."""
        found = []
        for member in await self.members(path, most=most):
            if isinstance(member, Mapping) and set(member) == {"@odata.id"}:
                with mapped(self.device, sent=False):
                    where = read.path(member["@odata.id"])
                found.append(await self.get(where))
            elif isinstance(member, Mapping):
                found.append(member)
        return found

    async def post(self, path: str, data: Mapping[str, Any]) -> None:
        """Ask for an action, once. Raises Refused, DeviceBusy, LostReply."""
        await self._ask("POST", path, data)

    async def patch(self, path: str, data: Mapping[str, Any], quirks: frozenset[Quirk]) -> None:
        """Change a resource, if nobody else did since it was read; a second time if somebody did."""
        answer = await self._send("PATCH", path, data, await self._etag(path, quirks))
        if answer.status == 412:
            answer = await self._send("PATCH", path, data, await self._etag(path, quirks))
        if answer.status == 412:
            raise DeviceBusy(f"{self.device} changes under our hands (HTTP 412): {path} was not changed.")
        if not answer.ok:
            raise self._error(answer)

    async def _etag(self, path: str, quirks: frozenset[Quirk]) -> dict[str, str]:
        if Quirk.NO_ETAG in quirks:
            return {}
        if Quirk.ANY_ETAG in quirks:
            return {"If-Match": "*"}
        answer = await self._ask("GET", path)
        etag = answer.headers.get("ETag") or self._object(answer).get("@odata.etag")
        return {"If-Match": etag} if isinstance(etag, str) and etag.isascii() and etag.isprintable() else {}

    async def _ask(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Answer:
        answer = await self._send(method, path, data, {})
        if not answer.ok:
            raise self._error(answer)
        return answer

    async def _send(self, method: str, path: str, data: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
        login = method == "GET"
        answer = await self._web.ask(
            method, path, data=data, headers={**headers, **self.identity}, login=login, judge=False
        )
        if answer.status == 401 and self._session is not None:
            self._session, self.identity = None, {}
            await self.log_in()
            answer = await self._web.ask(
                method, path, data=data, headers={**headers, **self.identity}, login=login, judge=False
            )
        return answer

    def _object(self, answer: Answer) -> read.Resource:
        if not answer.ok:
            raise self._error(answer)
        with mapped(self.device, sent=False):
            found = json.loads(answer.body)
            if not isinstance(found, dict):
                raise ValueError("the answer is no JSON object")
        return found

    def _error(self, answer: Answer) -> DeviceError:
        said = ""
        with suppress(ValueError, RecursionError):
            said = read.words(json.loads(answer.body))
        told = f"{said.rstrip('.') or 'no reason given'} (HTTP {answer.status})."
        if answer.status == 401:
            return LoginRefused(f"{self.device} refuses the user name or password (HTTP 401).", detail=said)
        if answer.status in (423, 429, 503):
            return DeviceBusy(f"{self.device} is busy: {told}")
        if answer.status in (502, 504):
            return LostReply(f"{self.device} had no answer in time from its own parts: {told}")
        return Refused(f"{self.device} says no: {told}")

    async def close(self) -> None:
        """End the session at the service; never raises."""
        session, self._session = self._session, None
        if session is not None:
            if self._web.ended:  # a session that nobody ends may be one of very few, for half an hour
                await self._web.close()
                self._web = connect(self._config, headers=HEADERS)
            with suppress(DeviceError):
                await self._web.ask("DELETE", session, headers=self.identity, patience=GOODBYE, judge=False)
        await self._web.close()


def _with_query(found: Any) -> str:
    """A link to the next page, which may carry a query. Raises ValueError."""
    parts = urlsplit(found if isinstance(found, str) else "")
    return read.path(parts.path) + (f"?{parts.query}" if parts.query else "")


async def log_in(config: Mapping[str, Any]) -> Service:
    """Raises Unreachable, LoginRefused, IdentityChanged, DeviceBusy, Refused."""
    service = Service(config)
    try:
        await service.log_in()
    except LostReply as error:
        await service.close()
        raise Unreachable(error.message, detail=error.detail) from error
    except BaseException:
        await service.close()
        raise
    return service
