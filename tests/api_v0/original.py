"""A stand-in for the original's client library, which runs on a Python of long ago.

As that one did: JSON as text without a Content-Type, labels pasted into the path and checked for odd characters,
redirects followed with method and body, an answer decoded if it is JSON, else None, and an exception with the class
name and the message of an error, both of which must be there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

_GOOD = re.compile(r"[A-Za-z0-9 $_.+!*'(),/-]*")


class FailedAPICallException(Exception):
    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message


class Client:
    """Speaks to HIL through `transport`, and to whatever it is sent to over the network."""

    def __init__(self, transport: httpx.AsyncBaseTransport, user: str, password: str) -> None:
        self._http = httpx.AsyncClient(
            mounts={"all://hil.test": transport}, auth=(user, password), follow_redirects=True, trust_env=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, *path: str, body: Mapping[str, Any] | None = None, query: str = "") -> Any:
        answer = await self._send(method, path, body, query)
        if 200 <= answer.status_code < 300:
            try:
                return json.loads(answer.content)
            except ValueError:
                return None
        try:
            error = json.loads(answer.content)
        except ValueError:
            raise FailedAPICallException("unknown", answer.text) from None
        raise FailedAPICallException(error["type"], error["msg"])

    async def console(self, node: str) -> bytes:
        """The raw bytes of `show_console`."""
        return (await self._send("GET", ("node", node, "console"), None, "")).content

    async def _send(
        self, method: str, path: tuple[str, ...], body: Mapping[str, Any] | None, query: str
    ) -> httpx.Response:
        assert all(_GOOD.fullmatch(part) for part in path)
        url = "http://hil.test/v0/" + "/".join(quote(part, safe="/") for part in path) + query
        data = None if method == "GET" else json.dumps(body or {})
        return await self._http.request(method, url, content=data)


async def wait_for_action(client: Client, status_id: str) -> str:
    """Poll without a pause, as the original's command line does."""
    while True:
        action = await client.call("GET", "networking_action", status_id)
        if action["status"] != "PENDING":
            return str(action["status"])


async def force_remove(client: Client, project: str, node: str) -> None:
    """`hil project node remove --force`: OBM off, every port reverted, every action awaited, the node released."""
    await client.call("PUT", "node", node, "obm", body={"enabled": False})
    actions = []
    for nic in (await client.call("GET", "node", node))["nics"]:
        done = await client.call("POST", "switch", nic["switch"], "port", nic["port"], "revert")
        actions.append(done["status_id"])
    for status_id in actions:
        await wait_for_action(client, status_id)
    await client.call("POST", "project", project, "detach_node", body={"node": node})


async def end_lease(client: Client, node: str) -> None:
    """The leasing script's release: revert every wired port, then try, as long as work is pending, to release."""
    shown = await client.call("GET", "node", node)
    for nic in shown["nics"]:
        if nic["port"]:
            await client.call("POST", "switch", nic["switch"], "port", nic["port"], "revert")
    while True:
        try:
            await client.call("POST", "project", shown["project"], "detach_node", body={"node": node})
            return
        except FailedAPICallException as error:
            if error.message != "Node has pending network actions":
                raise
