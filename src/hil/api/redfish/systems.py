"""Systems: the caller's nodes, their power, their boot override, their NICs and processors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import select

from hil.api.redfish import shapes
from hil.api.redfish.door import Look, Shown, Visit, absent
from hil.api.redfish.front import same, tag_of
from hil.api.redfish.words import Refusal, told
from hil.core.errors import DeviceError, HilError, Unavailable
from hil.core.policy import Act, Kind
from hil.services.capability import Right
from hil.services.context import Context
from hil.services.obm_grant import Note
from hil.store.tables import Node

PAGE: Final = 1000
"""Members of a collection in one answer."""
_RESET: Final = "ComputerSystem.Reset"
_BOOT: Final = {
    "BootSourceOverrideTarget": str, "BootSourceOverrideEnabled": str, "BootSourceOverrideMode": str,
}  # fmt: skip


def mine(ctx: Context, after: str = "") -> list[str]:
    """The names of the nodes whose machines the caller may look at, one more than a page of them."""
    ctx.require(Act.LIST, Kind.NODE)
    query = select(Node.name).where(Node.name > after).order_by(Node.name).limit(PAGE + 1)
    if not ctx.actor.operator:
        query = query.where(Node.project_id.in_(list(ctx.actor.roles)))
    return list(ctx.session.scalars(query))


async def members(visit: Visit, kind: str, name: str, path: str) -> Shown:
    """A collection with a member for each of the caller's nodes."""
    after = visit.request.query_params.get("$skiptoken", "")
    if not after.isprintable():
        raise Refusal(400, "QueryParameterNotSupported")
    found = await visit.read(lambda ctx: mine(ctx, after))
    made = shapes.collection(kind, name, (path,), found[:PAGE])
    if len(found) > PAGE:
        made["Members@odata.nextLink"] = f"{shapes.at(path)}?$skiptoken={quote(found[PAGE - 1], safe='')}"
    return Shown(made)


async def system_list(visit: Visit) -> Shown:
    return await members(visit, "ComputerSystemCollection", "Systems", "Systems")


async def system_show(visit: Visit) -> Shown:
    return Shown(await _system(await visit.look()))


async def _system(look: Look) -> shapes.Resource:
    if look.grant is None:
        return shapes.system(look.seen, None, reachable=True)
    try:
        machine = await _machine(look)
    except (DeviceError, Unavailable):
        return shapes.system(look.seen, None, reachable=False)
    return shapes.system(look.seen, machine, reachable=True)


async def _machine(look: Look) -> dict[str, Any]:
    """What a machine can do, its power, and its override if it can be read. Raises HilError."""
    can = await look.ask("capabilities")
    boot = look.ask("boot") if can.get("boot_read") else asyncio.sleep(0, None)
    seen = await asyncio.gather(look.ask("power"), boot, return_exceptions=True)
    for each in seen:
        if isinstance(each, BaseException):
            raise each
    return {"can": can, "power": seen[0], "boot": seen[1]}


async def system_reset(visit: Visit) -> Shown:
    """Power, as the reset types say."""
    look = await visit.look()
    body = await visit.body()
    for name in body:
        if name != "ResetType":
            raise Refusal(400, "ActionParameterNotSupported", name, _RESET)
    if "ResetType" not in body:
        raise Refusal(400, "ActionParameterMissing", _RESET, "ResetType")
    wanted = body["ResetType"]
    if look.grant is not None and wanted not in shapes.reset_types(await look.ask("capabilities")):
        raise Refusal(400, "ActionParameterValueNotInList", told(wanted), "ResetType", _RESET)
    action = shapes.RESETS.get(wanted, "") if isinstance(wanted, str) else ""
    if not action:
        raise Refusal(400, "ActionParameterValueNotInList", told(wanted), "ResetType", _RESET)
    await visit.act(Right.POWER, Note("node_power", {"action": action}), "POST", "power", body={"action": action})
    return Shown(None, 204)


async def system_change(visit: Visit) -> Shown:
    """Set the boot override; nothing else of a system can be written."""
    look = await visit.look()
    asked = _asked(await visit.body())
    if (match := visit.request.headers.get("if-match")) and not same(tag_of(await _system(look)), match):
        raise Refusal(412, "PreconditionFailed")
    if look.trouble is not None:
        raise look.trouble
    can = await look.ask("capabilities")
    _judge(asked, can)
    now = await look.ask("boot") if can.get("boot_read") else {"device": "none", "persistent": False, "uefi": None}
    choice = chosen(asked, now)
    await visit.act(Right.BOOT, Note("node_boot", choice), "PUT", "boot", body=choice)
    return Shown(None, 204)


def _asked(body: dict[str, Any]) -> dict[str, str]:
    """The properties of the override that are to be changed. Raises Refusal for anything else."""
    known = {
        "Id",
        "Name",
        "PowerState",
        "Status",
        "SystemType",
        "Links",
        "Actions",
        "ProcessorSummary",
        "MemorySummary",
    }
    for name in body:
        if name != "Boot":
            raise Refusal(400, "PropertyNotWritable" if name in known else "PropertyUnknown", name[:64], at=[name[:64]])
    boot = body.get("Boot")
    if not isinstance(boot, dict) or not boot:
        raise Refusal(400, "PropertyMissing" if boot is None else "PropertyValueTypeError", "Boot", at=["Boot"])
    for name, value in boot.items():
        where = [f"Boot/{name[:64]}"]
        if name not in _BOOT:
            raise Refusal(400, "PropertyUnknown", name[:64], at=where)
        if not isinstance(value, str):
            raise Refusal(400, "PropertyValueTypeError", name, at=where)
    return boot


def _judge(asked: Mapping[str, str], can: Mapping[str, Any]) -> None:
    """Refuse a value that this controller does not offer. Raises Refusal."""
    offered = {
        "BootSourceOverrideTarget": shapes.boot_targets(can),
        "BootSourceOverrideEnabled": shapes.boot_lives(can),
        "BootSourceOverrideMode": list(shapes.MODES) if can.get("uefi") else [],
    }
    for name, value in asked.items():
        if value not in offered[name]:
            raise Refusal(400, "PropertyValueNotInList", value[:64], name, at=[f"Boot/{name}"])


def chosen(asked: Mapping[str, str], now: Mapping[str, Any]) -> dict[str, Any]:
    """The whole override after a change of some of its properties. Raises Refusal if they cannot hold together."""
    device = now.get("device", "none")
    if (target := asked.get("BootSourceOverrideTarget")) is not None:
        device = shapes.TARGETS[target]
    life = asked.get("BootSourceOverrideEnabled")
    if life == "Disabled":
        device = "none"
    elif life is not None and device == "none":
        raise Refusal(400, "PropertyMissing", "BootSourceOverrideTarget", at=["Boot/BootSourceOverrideTarget"])
    before = now.get("device") != "none" and bool(now.get("persistent"))
    persistent = device != "none" and (before if life is None else life == "Continuous")
    mode = asked.get("BootSourceOverrideMode")
    uefi = now.get("uefi") if mode is None else shapes.MODES[mode]
    return {"device": device, "persistent": persistent, "uefi": uefi}


async def interface_list(visit: Visit) -> Shown:
    node = (await visit.look(machine=False)).seen
    where = ("Systems", node.name, "EthernetInterfaces")
    return Shown(shapes.collection("EthernetInterfaceCollection", "NICs", where, sorted(node.nics)))


async def interface_show(visit: Visit) -> Shown:
    node = (await visit.look(machine=False)).seen
    card = node.nics.get(visit.names["nic"])
    if card is None:
        raise absent()
    return Shown(shapes.interface(node, card))


async def processor_list(visit: Visit) -> Shown:
    node = (await visit.look(machine=False)).seen
    where = ("Systems", node.name, "Processors")
    return Shown(shapes.collection("ProcessorCollection", "Processors", where, shapes.processors(node.labels)))


async def processor_show(visit: Visit) -> Shown:
    node = (await visit.look(machine=False)).seen
    if visit.names["processor"] not in shapes.processors(node.labels):
        raise absent()
    return Shown(shapes.processor(node, visit.names["processor"]))


async def able(look: Look) -> dict[str, Any] | None:
    """What the controller can do; None while it cannot be asked."""
    try:
        return await look.ask("capabilities")
    except HilError:
        return None
