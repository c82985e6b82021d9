"""Nodes, their NICs and metadata, and what their NICs are connected to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from hil.api.v0.call import Call, Reply
from hil.api.v0.shapes import Record, anything, entries, text, uri
from hil.api.v0.shown import baseline, networks_on, project_name, queued
from hil.core.model import NodeState
from hil.core.policy import Act, Kind
from hil.core.secret import Secret
from hil.services.attach import node_connect_network, node_detach_network
from hil.services.context import Context
from hil.services.nic import nic_delete, nic_register
from hil.services.node import node_delete, node_metadata_remove, node_metadata_set, node_register
from hil.services.obm import node_obmd_set
from hil.store.tables import Nic, Node, NodeMetadata


def list_nodes(ctx: Context, which: str) -> list[str]:
    """`free` means the free ones, every other word all."""
    ctx.require(Act.LIST, Kind.NODE)
    query = select(Node.name).order_by(Node.name)
    if which == "free":
        query = query.where(Node.state == NodeState.FREE)
    return list(ctx.session.scalars(query))


def register(ctx: Context, node: str, obmd: dict[str, str], metadata: dict[str, Any] | None = None) -> None:
    row = node_register(ctx, node, {}, metadata or {})
    node_obmd_set(ctx, row, obmd["uri"], Secret(obmd["admin_token"]))


def delete(ctx: Context, node: str) -> None:
    node_delete(ctx, node)


def show(ctx: Context, node: str) -> dict[str, Any]:
    """Its NICs with their networks; switch and port for operators only."""
    row = ctx.node(node, Act.READ)
    kept = select(NodeMetadata.key, NodeMetadata.value).where(NodeMetadata.node_id == row.id).order_by(NodeMetadata.key)
    return {
        "metadata": dict(ctx.session.execute(kept).all()),
        "name": row.name,
        "nics": _nics(ctx, row),
        "project": project_name(ctx, row.project_id),
    }


def _nics(ctx: Context, node: Node) -> list[dict[str, Any]]:
    """A node in quarantine is nobody's and may still be leaving its last tenant's networks: no tenant sees them."""
    nics = sorted(ctx.nics([node]), key=lambda nic: nic.name)
    insider = ctx.actor.operator or node.project_id is not None
    networks = networks_on(ctx.session, [nic.id for nic in nics] if insider else [])
    return [_nic(ctx, nic, networks.get(nic.id, {})) for nic in nics]


def _nic(ctx: Context, nic: Nic, networks: dict[str, str]) -> dict[str, Any]:
    shown: dict[str, Any] = {"label": nic.name, "macaddr": nic.macaddr, "networks": networks}
    if ctx.actor.operator:
        shown["port"] = nic.port.name if nic.port else None
        shown["switch"] = nic.port.switch.name if nic.port else None
    return shown


def register_nic(ctx: Context, node: str, nic: str, macaddr: str) -> None:
    nic_register(ctx, node, nic, macaddr)


def delete_nic(ctx: Context, node: str, nic: str) -> None:
    with baseline(ctx, node):
        nic_delete(ctx, node, nic)


def connect_network(ctx: Context, node: str, nic: str, network: str, channel: str = "") -> Reply:
    """An empty channel means the default one: the original command line sends it when the user gives none."""
    _all_there(ctx, node, nic, network)
    return queued(node_connect_network(ctx, node, nic, network, channel))


def detach_network(ctx: Context, node: str, nic: str, network: str) -> Reply:
    _all_there(ctx, node, nic, network)
    return queued(node_detach_network(ctx, node, nic, network))


def _all_there(ctx: Context, node: str, nic: str, network: str) -> None:
    """Judge the caller, then say what is missing before anything is said of states, as the original did."""
    row = ctx.node(node, Act.MODIFY)
    ctx.nic(row, nic)
    ctx.network(network, Act.READ)


def set_metadata(ctx: Context, node: str, label: str, value: Any) -> None:
    node_metadata_set(ctx, node, label, value)


def delete_metadata(ctx: Context, node: str, label: str) -> None:
    node_metadata_remove(ctx, node, label)


_OBMD = Record({"uri": uri, "admin_token": text})
_NIC = "node/{node}/nic/{nic}"

CALLS = (
    Call(method="GET", path="nodes/{which}", work=list_nodes),
    Call(method="PUT", path="node/{node}", work=register, body=Record({"obmd": _OBMD}, {"metadata": entries})),
    Call(method="GET", path="node/{node}", work=show),
    Call(method="DELETE", path="node/{node}", work=delete),
    Call(method="PUT", path=_NIC, work=register_nic, body=Record({"macaddr": text})),
    Call(method="DELETE", path=_NIC, work=delete_nic),
    Call(
        method="POST",
        path=f"{_NIC}/connect_network",
        work=connect_network,
        body=Record({"network": text}, {"channel": text}),
    ),
    Call(method="POST", path=f"{_NIC}/detach_network", work=detach_network, body=Record({"network": text})),
    Call(method="PUT", path="node/{node}/metadata/{label}", work=set_metadata, body=Record({"value": anything})),
    Call(method="DELETE", path="node/{node}/metadata/{label}", work=delete_metadata),
)
