"""Out-of-band calls: enabling and disabling through the node's OBMd, and redirects to it.

The OBMd is asked between two short transactions, never inside one. A redirect carries the token in its URL, because
that is the protocol: its body is empty and no cache may keep it.
"""

from __future__ import annotations

from collections.abc import Callable

from hil.api.edge import Caller
from hil.api.errand import obm_enabled_set
from hil.api.v0.call import Call, Reply
from hil.api.v0.desk import Desk
from hil.api.v0.shapes import Record, boolean, text
from hil.services.context import Context
from hil.services.obm import node_obm_use, obm_url
from hil.store.keys import Keyring


async def set_obm(desk: Desk, caller: Caller, node: str, enabled: bool) -> None:
    """Enable with a new token, each time, or disable. What a foreign OBMd refuses changes nothing here."""
    await obm_enabled_set(desk.edge, desk.obmd, caller, node, enabled, desk.settings.obmd_timeout)


def _redirect(url: str) -> Reply:
    """307, because with 301 and 302 the original client would turn its POST into a GET."""
    return Reply(307, location=url)


def _used(operation: str) -> Callable[..., Reply]:
    def use(ctx: Context, node: str, **_: object) -> Reply:
        return _redirect(node_obm_use(ctx, node, operation))

    return use


def calls(keys: Keyring) -> tuple[Call, ...]:
    """The calls of one installation: its keys decrypt the tokens."""

    def power_status(ctx: Context, node: str) -> Reply:
        return _redirect(obm_url(ctx, keys, node, "power_status"))

    cycle, device = Record({}, {"force": boolean}), Record({"bootdev": text})
    return (
        Call(method="PUT", path="node/{node}/obm", work=set_obm, body=Record({"enabled": boolean}), flow=True),
        Call(method="POST", path="node/{node}/power_cycle", work=_used("power_cycle"), body=cycle),
        Call(method="POST", path="node/{node}/power_on", work=_used("power_on")),
        Call(method="POST", path="node/{node}/power_off", work=_used("power_off")),
        Call(method="PUT", path="node/{node}/boot_device", work=_used("boot_device"), body=device),
        Call(method="GET", path="node/{node}/power_status", work=power_status),
        Call(method="GET", path="node/{node}/console", work=_used("console"), notes=True),
    )
