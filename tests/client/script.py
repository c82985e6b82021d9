"""A transport that plays a script: what a server, or the lack of one, does with each request in turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from hil.client import Client, Retry

Step = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
ENDPOINT = "http://hil.test"


class Script(httpx.BaseTransport):
    """Answers requests with the steps, in order, and keeps what was asked. The last step is repeated if `forever`."""

    def __init__(self, steps: Iterable[Step], *, forever: bool = False) -> None:
        self.steps = [*steps]
        self.forever = forever
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        assert self.steps, f"nobody expected {request.method} {request.url}"
        step = self.steps[0] if self.forever and len(self.steps) == 1 else self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, httpx.Response) else step(request)

    @property
    def asked(self) -> list[str]:
        """What was asked, as `GET /v1/nodes?limit=500`."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


def said(data: Any, status: int = 200, **headers: str) -> httpx.Response:
    """An answer in JSON."""
    return httpx.Response(status, json=data, headers={name.replace("_", "-"): value for name, value in headers.items()})


def done() -> httpx.Response:
    return httpx.Response(204)


def problem(status: int, kind: str, detail: str = "No.", **more: Any) -> httpx.Response:
    """A refusal as HIL words it."""
    document = {"type": f"/errors/{kind}", "title": kind, "status": status, "detail": detail, "instance": "r1"}
    headers = {"Content-Type": "application/problem+json", "X-Request-ID": "r1"}
    if "retry_after" in more:
        headers["Retry-After"] = str(more.pop("retry_after"))
    return httpx.Response(status, content=json.dumps({**document, "retry": False, **more}), headers=headers)


class Played:
    """A client that speaks to a script; `slept` are the pauses that it made, without making them."""

    def __init__(self, *steps: Step, forever: bool = False, **settings: Any) -> None:
        self.script = Script(steps, forever=forever)
        self.slept: list[float] = []
        retry = settings.pop("retry", Retry())
        self.client = Client(ENDPOINT, transport=self.script, retry=retry, **settings)
        self.client._connection.sleep = self.slept.append

    @property
    def asked(self) -> list[str]:
        return self.script.asked


def operation(status: str = "PENDING", identity: str = "op1", **facts: Any) -> dict[str, Any]:
    """An operation as the API shows it."""
    shown = {"id": identity, "kind": "network_change", "status": status, "reason": "", "node": "n1", "actor": "alice"}
    return {**shown, "created_at": "2030-01-01T00:00:00Z", "deadline": None, "project": "blue", "actions": [], **facts}
