"""Headnodes, the original's virtual machines: there are none, and no image to make one from.

Each call answers what the original answered in that situation, so that clients which ask go on working.
"""

from __future__ import annotations

from hil.api.v0.call import Call
from hil.api.v0.shapes import Record, text
from hil.core.errors import BadArgument, NotFound
from hil.core.policy import Act, Kind
from hil.services.context import Context


def list_images(ctx: Context) -> list[str]:
    ctx.require(Act.LIST, Kind.NODE)
    return []


def create(ctx: Context, headnode: str, project: str, base_img: str) -> None:
    ctx.project(project, Act.ALLOCATE)
    raise BadArgument(f"The image {base_img[:64]!a} is not configured: this HIL runs no headnodes.")


def absent(ctx: Context, headnode: str, **_: str) -> None:
    """Every call on a headnode, for whoever is authenticated."""
    ctx.require(Act.LIST, Kind.NODE)
    raise NotFound(f"There is no headnode {headnode!r}.")


_HEADNODE = "headnode/{headnode}"
_HNIC = f"{_HEADNODE}/hnic/{{hnic}}"

CALLS = (
    Call(method="GET", path="headnode_images", work=list_images),
    Call(method="GET", path="headnode_images/", work=list_images),
    Call(method="PUT", path=_HEADNODE, work=create, body=Record({"project": text, "base_img": text})),
    Call(method="GET", path=_HEADNODE, work=absent),
    Call(method="DELETE", path=_HEADNODE, work=absent),
    Call(method="POST", path=f"{_HEADNODE}/start", work=absent),
    Call(method="POST", path=f"{_HEADNODE}/stop", work=absent),
    Call(method="PUT", path=_HNIC, work=absent),
    Call(method="DELETE", path=_HNIC, work=absent),
    Call(method="POST", path=f"{_HNIC}/connect_network", work=absent, body=Record({"network": text})),
    Call(method="POST", path=f"{_HNIC}/detach_network", work=absent),
)
