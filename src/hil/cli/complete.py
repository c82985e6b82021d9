"""Live names for the shell: what HIL knows, asked while somebody types.

A completion that is late or loud is worse than none: the answer is awaited for less than a second, and whatever goes
wrong means that there is nothing to offer. No password is ever asked for here.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from hil.cli import noderange

if TYPE_CHECKING:
    from hil.client import Client

PATIENCE = 0.9
"""Seconds, for everything together."""
MOST = 1000
Source = Callable[["Client", dict[str, Any]], Iterable[str]]


def names(attribute: str, key: str = "name") -> Source:
    return lambda client, given: (getattr(item, key) for item in getattr(client, attribute).list())


def _nics(client: Client, given: dict[str, Any]) -> Iterable[str]:
    return (nic.name for nic in client.nodes.get(given["node"]).nics)


def _labels(client: Client, given: dict[str, Any]) -> Iterable[str]:
    found: dict[str, None] = {}
    for node in islice(client.nodes.list(limit=MOST), MOST):
        for key, value in node.labels.items():
            found |= {f"@{key}": None, f"@{key}={value}": None}
    return sorted(found)


SOURCES: dict[str, Source] = {
    "node": lambda client, given: (node.name for node in client.nodes.list(limit=MOST)),
    "nic": _nics,
    "network": names("networks"),
    "project": names("projects"),
    "switch": names("switches"),
    "port": lambda client, given: (port.name for port in client.ports.list(given["switch"])),
    "user": names("users"),
    "member": lambda client, given: (member.user for member in client.projects.members(given["project"])),
    "key": names("keys", "id"),
    "ssh-key": names("ssh_keys", "id"),
    "operation": names("operations", "id"),
    "driver": lambda client, given: (driver.name for driver in client.switches.drivers()),
    "label": _labels,
}


def live(ctx: click.Context, kind: str, incomplete: str) -> list[CompletionItem]:
    """The names of a kind that begin as typed; none if HIL does not say in time."""
    if kind == "noderange":
        return _noderange(ctx, incomplete)
    return [CompletionItem(name) for name in _ask(ctx, kind) if name.startswith(incomplete)]


def _noderange(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Complete the last item of a noderange, outside of brackets."""
    depth, start, escaped = 0, 0, False
    for at, sign in enumerate(incomplete):
        depth += (sign == "[") - (sign == "]") if not escaped else 0
        if sign == "," and depth == 0 and not escaped:
            start = at + 1
        escaped = sign == "\\" and not escaped
    head, last = incomplete[:start], incomplete[start:]
    if depth:
        return []
    if last.startswith("@"):
        found = _ask(ctx, "label")
    else:
        found = [noderange.escape(name) for name in _ask(ctx, "node")]
    return [CompletionItem(head + name) for name in found if name.startswith(last)]


def _ask(ctx: click.Context, kind: str) -> list[str]:
    answer: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    root = ctx.find_root().params
    threading.Thread(target=_fetch, args=(answer, kind, root, dict(ctx.params)), daemon=True).start()
    try:
        return answer.get(timeout=PATIENCE)
    except queue.Empty:
        return []


def _fetch(answer: queue.SimpleQueue[list[str]], kind: str, root: dict[str, Any], given: dict[str, Any]) -> None:
    try:
        from hil.client import Client, Retry, Settings

        settings = Settings.from_env(endpoint=root.get("endpoint"), profile=root.get("profile"))
        with Client(settings=settings, timeout=PATIENCE, retry=Retry(attempts=1)) as client:
            answer.put([*islice(SOURCES[kind](client, given), MOST)])
    except Exception:
        answer.put([])  # whatever it was, the line that is being typed is no place to say so
