"""The machine behind a node: its power, boot device, sensors, media, light.

A call judges and signs in one short transaction and asks obmd with none open; nothing is cached here. What changes the
machine is not repeated and takes no Idempotency-Key: whoever lost the answer reads the state.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from hil.api.v1 import replies_obm, views
from hil.api.v1.door import Answer, Call, Plain, gone, noun, shown
from hil.api.v1.shapes import BootSet, IdentifySet, ImageSet, InPath, PowerByName, PowerBySelector, PowerSet, Slot
from hil.core.errors import HilError, LostReply
from hil.core.policy import Act
from hil.services.capability import Right
from hil.services.context import Context
from hil.services.obm_grant import Grant, Note, obm_failed, obm_grant, obm_selected
from hil.services.select import Selector

routes = noun("power")
SIDE_BY_SIDE: Final = 32
"""Nodes of one request that are asked at once."""
MaxAge = Annotated[float | None, Query(ge=0, le=3600, description="How old the state may be, in seconds.")]
Newest = Annotated[int, Query(ge=1, le=1000, description="Most entries.")]
_LINE: Final = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("PowerResult", "PowerSummary")]}
_LINES: Final[dict[int | str, dict[str, Any]]] = {202: {"content": {"application/x-ndjson": {"schema": _LINE}}}}


async def _granted(call: Call, node: str, *rights: Right, note: Note | None = None) -> Grant:
    """A capability for the caller, who looks or, with a note, acts."""
    act, edge = Act.READ if note is None else Act.MODIFY, call.desk.edge

    def work(ctx: Context) -> Grant:
        return obm_grant(ctx, edge.store, node, *rights, act=act, note=note)

    return await run_in_threadpool(edge.read if note is None else edge.change, call.caller, work)


async def _read(call: Call, node: str, *path: str, params: dict[str, Any] | None = None) -> Any:
    grant = await _granted(call, node, Right.READ)
    return _checked(await call.desk.machines.ask("GET", grant.at(*path), node, grant.token, params=params))


async def _act(call: Call, node: str, right: Right, note: Note, method: str, *path: str, body: Any = None) -> None:
    grant = await _granted(call, node, right, note=note)
    try:
        await call.desk.machines.ask(method, grant.at(*path), node, grant.token, body=body)
    except HilError as error:
        failed = error
    else:
        return
    await run_in_threadpool(call.desk.edge.store.change, lambda unit: obm_failed(unit, grant, failed))
    raise failed


def _checked(found: Any) -> Any:
    if not isinstance(found, dict):
        raise LostReply("The obmd answered something that is no JSON object.")
    return found


def _items(found: Any, *names: str) -> list[dict[str, Any]]:
    """Chosen fields of each item, as v1 shows them."""
    try:
        return [{name: item[name] for name in names} for item in found["items"]]
    except (KeyError, TypeError):
        raise LostReply("The obmd answered a list that cannot be read.") from None


@routes.get("/nodes/{node}/power", response_model=replies_obm.Power)
async def power_show(call: Plain, node: InPath, max_age: MaxAge = None) -> Response:
    """Whether a node has power, and how old that knowledge is."""
    seen = await _read(call, node, "power", params=None if max_age is None else {"max_age": max_age})
    word, age = seen.get("power"), seen.get("age")
    if word not in ("on", "off"):
        raise LostReply("The obmd answered no power state.")
    return shown({"power": word, "read_at": views.moment(seen.get("read_at")), "age": age}).render()


@routes.post("/nodes/{node}/power", response_model=replies_obm.PowerAsked, status_code=202)
async def power_set(call: Plain, node: InPath, body: PowerSet) -> Response:
    """Switch a node on or off, or restart it; answers when its controller has taken the order."""
    await _power(call, node, body.action)
    return Answer({"node": node, "action": body.action}, 202).render()


async def _power(call: Call, node: str, action: str) -> None:
    note = Note("node_power", {"action": action})
    await _act(call, node, Right.POWER, note, "POST", "power", body={"action": action})


@routes.post("/power", response_class=StreamingResponse, responses=_LINES, status_code=202)
async def power_set_many(call: Plain, body: PowerByName | PowerBySelector) -> Response:
    """Do the same to many nodes: one line of JSON for each as it ends, and a last one with how many were and failed.

    A selector means the nodes whose machines the caller may change and whose OBM is enabled. One node that fails keeps
    no other from being asked. An answer without its last line is not whole; a caller who hangs up stops what was not
    yet begun.
    """
    if isinstance(body, PowerBySelector):
        chosen = Selector.parse(body.selector)
        names = await run_in_threadpool(call.desk.edge.read, call.caller, lambda ctx: obm_selected(ctx, chosen))
    else:
        names = [*dict.fromkeys(body.nodes)]
        await run_in_threadpool(call.desk.edge.read, call.caller, _known)
    return StreamingResponse(_lines(call, names, body.action), 202, media_type="application/x-ndjson")


def _known(ctx: Context) -> None:
    """Raise for a caller who is nobody before the answer begins; each node is judged in its turn."""
    obm_selected(ctx, Selector())


async def _lines(call: Call, names: list[str], action: str) -> AsyncIterator[bytes]:
    gate = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(name: str) -> dict[str, Any]:
        async with gate:
            try:
                await _power(call, name, action)
            except HilError as error:
                fault = {"type": f"/errors/{error.type}", "detail": error.message, "retry": error.retry}
                return {"node": name, "ok": False, "error": fault}
            return {"node": name, "ok": True, "error": None}

    tasks = [asyncio.ensure_future(one(name)) for name in names]
    failed = 0
    try:
        for ended in asyncio.as_completed(tasks):
            result = await ended
            failed += not result["ok"]
            yield _line(result)
        yield _line({"asked": len(names), "failed": failed})
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _line(shown: dict[str, Any]) -> bytes:
    return json.dumps(shown, separators=(",", ":")).encode() + b"\n"


@routes.get("/nodes/{node}/boot", response_model=replies_obm.Boot)
async def boot_show(call: Plain, node: InPath) -> Response:
    """What a node will boot from, if its order is overridden."""
    seen = await _read(call, node, "boot")
    return shown({key: seen.get(key) for key in ("device", "persistent", "uefi")}).render()


@routes.put("/nodes/{node}/boot", status_code=204)
async def boot_set(call: Plain, node: InPath, body: BootSet) -> Response:
    """Choose what a node boots from: next time, or from now on."""
    wanted = body.model_dump()
    await _act(call, node, Right.BOOT, Note("node_boot", wanted), "PUT", "boot", body=wanted)
    return gone().render()


@routes.get("/nodes/{node}/sensors", response_model=replies_obm.SensorList)
async def sensor_list(call: Plain, node: InPath) -> Response:
    """Temperatures, fans, voltages and whatever else the controller measures."""
    return shown({"items": _items(await _read(call, node, "sensors"), "name", "value", "unit", "state")}).render()


@routes.get("/nodes/{node}/event-log", response_model=replies_obm.HardwareEventList)
async def event_log_list(call: Plain, node: InPath, limit: Newest = 100) -> Response:
    """The newest entries of the hardware's own log, oldest first."""
    found = _items(await _read(call, node, "event-log", params={"limit": limit}), "id", "at", "severity", "message")
    return shown({"items": [entry | {"at": views.moment(entry["at"])} for entry in found]}).render()


@routes.get("/nodes/{node}/media", response_model=replies_obm.MediumList)
async def media_list(call: Plain, node: InPath) -> Response:
    """The slots for virtual media, and what is in them."""
    return shown({"items": _items(await _read(call, node, "media"), "slot", "kinds", "image")}).render()


@routes.put("/nodes/{node}/media/{slot}", status_code=204)
async def media_insert(call: Plain, node: InPath, slot: Slot, body: ImageSet) -> Response:
    """Put an image into a slot; its URL must be reachable for the controller."""
    note = Note("node_media_insert", {"slot": slot})
    await _act(call, node, Right.MEDIA, note, "PUT", "media", slot, body={"image": body.image})
    return gone().render()


@routes.delete("/nodes/{node}/media/{slot}", status_code=204)
async def media_eject(call: Plain, node: InPath, slot: Slot) -> Response:
    """Take the image out of a slot."""
    await _act(call, node, Right.MEDIA, Note("node_media_eject", {"slot": slot}), "DELETE", "media", slot)
    return gone().render()


@routes.post("/nodes/{node}/identify", status_code=204)
async def identify_light(call: Plain, node: InPath, body: IdentifySet) -> Response:
    """Light a node's identify LED for so many seconds; 0 puts it out."""
    wanted = {"seconds": body.seconds}
    await _act(call, node, Right.IDENTIFY, Note("node_identify", wanted), "POST", "identify", body=wanted)
    return gone().render()


@routes.get("/nodes/{node}/firmware", response_model=replies_obm.FirmwareList)
async def firmware_list(call: Plain, node: InPath) -> Response:
    """The versions of a node's firmware."""
    return shown({"items": _items(await _read(call, node, "firmware"), "name", "version")}).render()


@routes.get("/nodes/{node}/capabilities", response_model=replies_obm.ObmAbilities)
async def ability_list(call: Plain, node: InPath) -> Response:
    """What a node's controller can do."""
    seen = await _read(call, node, "capabilities")
    return shown({key: seen.get(key) for key in replies_obm.ObmAbilities.model_fields}).render()
