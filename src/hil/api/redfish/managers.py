"""Managers and Chassis: what stands for a node's controller, and the virtual media where it has them.

Nothing of the controller itself is here: no address, no account, no log-in, no update.
"""

from __future__ import annotations

from typing import Any

from hil.api.redfish import shapes
from hil.api.redfish.door import Look, Shown, Visit, absent
from hil.api.redfish.systems import able, members
from hil.api.redfish.words import Refusal, told
from hil.core.errors import LostReply
from hil.services.capability import Right
from hil.services.obm_grant import Note

_INSERT = "VirtualMedia.InsertMedia"
_TAKEN = {"Image", "Inserted", "WriteProtected", "TransferMethod", "TransferProtocolType"}
"""Parameters of InsertMedia. Tools send the others with the values that are always so here."""


async def manager_list(visit: Visit) -> Shown:
    return await members(visit, "ManagerCollection", "Managers", "Managers")


async def manager_show(visit: Visit) -> Shown:
    look = await visit.look()
    return Shown(shapes.manager(look.seen, await able(look)))


async def chassis_list(visit: Visit) -> Shown:
    return await members(visit, "ChassisCollection", "Chassis", "Chassis")


async def chassis_show(visit: Visit) -> Shown:
    return Shown(shapes.chassis((await visit.look(machine=False)).seen))


async def _slots(look: Look) -> dict[str, dict[str, Any]]:
    """The slots by name; none where the controller has no virtual media. Raises HilError."""
    if look.grant is None or not (await look.ask("capabilities")).get("media"):
        raise absent()
    found = await look.ask("media")
    try:
        return {item["slot"]: {key: item[key] for key in ("slot", "kinds", "image")} for item in found["items"]}
    except (KeyError, TypeError):
        raise LostReply("The obmd answered a list that cannot be read.") from None


async def _slot(visit: Visit) -> dict[str, Any]:
    found = (await _slots(await visit.look())).get(visit.names["slot"])
    if found is None:
        raise absent()
    return found


async def media_list(visit: Visit) -> Shown:
    slots = await _slots(await visit.look())
    where = ("Managers", visit.node, "VirtualMedia")
    return Shown(shapes.collection("VirtualMediaCollection", "Virtual media", where, sorted(slots)))


async def media_show(visit: Visit) -> Shown:
    found = await _slot(visit)
    return Shown(shapes.medium(visit.node, found["slot"], found["kinds"], found["image"]))


async def media_insert(visit: Visit) -> Shown:
    """Put an image into a slot; its URL must be reachable for the controller."""
    slot = (await _slot(visit))["slot"]
    body = await visit.body()
    for name in body.keys() - _TAKEN:
        raise Refusal(400, "ActionParameterNotSupported", name[:64], _INSERT)
    if "Image" not in body:
        raise Refusal(400, "ActionParameterMissing", _INSERT, "Image")
    for name, value in (("Inserted", True), ("WriteProtected", True), ("TransferMethod", "Stream")):
        if body.get(name, value) not in (value, None):
            raise Refusal(400, "ActionParameterValueNotInList", told(body[name]), name, _INSERT)
    image = body["Image"]
    if not isinstance(image, str) or not image.isascii() or not image.isprintable():
        raise Refusal(400, "ActionParameterValueFormatError", "Image", _INSERT)
    await visit.act(Right.MEDIA, Note("node_media_insert", {"slot": slot}), "PUT", "media", slot, body={"image": image})
    return Shown(None, 204)


async def media_eject(visit: Visit) -> Shown:
    """Take the image out of a slot."""
    slot = (await _slot(visit))["slot"]
    if await visit.request.body():
        for name in await visit.body():
            raise Refusal(400, "ActionParameterNotSupported", name[:64], "VirtualMedia.EjectMedia")
    await visit.act(Right.MEDIA, Note("node_media_eject", {"slot": slot}), "DELETE", "media", slot)
    return Shown(None, 204)
