"""What the tests of obmd over HTTP ask with, and how they look at a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from hil.services.capability import Right
from tests.obmd.serving import EVERYTHING

OnSite = Callable[..., None]
"""The fixture `on_site`: runs a test's coroutine on a running obmd."""

CALLS: list[tuple[str, str, Any, set[Right]]] = [
    ("GET", "power", None, {Right.READ, Right.POWER}),
    ("POST", "power", {"action": "on"}, {Right.POWER}),
    ("GET", "boot", None, {Right.READ, Right.BOOT}),
    ("PUT", "boot", {"device": "pxe"}, {Right.BOOT}),
    ("GET", "sensors", None, {Right.READ, Right.SENSORS}),
    ("GET", "event-log", None, {Right.READ, Right.SENSORS}),
    ("GET", "media", None, {Right.READ, Right.MEDIA}),
    ("PUT", "media/cd", {"image": "http://h/i"}, {Right.MEDIA}),
    ("DELETE", "media/cd", None, {Right.MEDIA}),
    ("POST", "identify", {"seconds": 1}, {Right.IDENTIFY}),
    ("GET", "firmware", None, {Right.READ}),
    ("GET", "capabilities", None, set(EVERYTHING)),
    ("POST", "epoch", {"epoch": 1, "enabled": True}, {Right.EPOCH}),
]
"""Every request of a tenant about a node, with the rights of which any one is enough."""


def problem(answer: httpx.Response, status: int, kind: str) -> str:
    """Check that an answer is a problem of this kind; answers its words."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    found = answer.json()
    assert (found["type"], found["status"]) == (f"/errors/{kind}", status)
    return str(found["detail"])
