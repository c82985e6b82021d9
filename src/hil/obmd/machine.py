"""What the holder of a capability does to its node: power, boot device, sensors, event log, media, identify, firmware.

Each call is judged by its right, runs inside the node's term, and is measured. A change answers once the controller has
taken the order; whoever wants to know what became of it reads the state.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hil.core.errors import BadArgument, HilError, Refused
from hil.core.obms import BootChoice, BootDevice, ObmCapabilities, PowerAction
from hil.obmd.admin import power_word
from hil.obmd.gate import Gate, body, number
from hil.obmd.metrics import Metrics
from hil.obmd.node import Node
from hil.services.capability import Right

T = TypeVar("T")
MOST_ENTRIES: Final = 1000
LONGEST_LIGHT: Final = 86400


class Machine:
    """The endpoints below `/v1/nodes/{node}` that need a capability."""

    def __init__(self, gate: Gate, metrics: Metrics) -> None:
        self._gate, self._metrics = gate, metrics

    def routes(self) -> list[Route]:
        listed = [
            ("GET", "power", self.power),
            ("POST", "power", self.power_set),
            ("GET", "boot", self.boot),
            ("PUT", "boot", self.boot_set),
            ("GET", "sensors", self.sensors),
            ("GET", "event-log", self.event_log),
            ("GET", "media", self.media),
            ("PUT", "media/{slot}", self.media_insert),
            ("DELETE", "media/{slot}", self.media_eject),
            ("POST", "identify", self.identify),
            ("GET", "firmware", self.firmware),
            ("GET", "capabilities", self.capabilities),
        ]
        return [Route(f"/v1/nodes/{{node}}/{path}", call, methods=[method]) for method, path, call in listed]

    async def _do(
        self,
        request: Request,
        operation: str,
        rights: tuple[Right, ...],
        work: Callable[[Node], Coroutine[Any, Any, T]],
        able: Callable[[ObmCapabilities], bool] = lambda _: True,
    ) -> T:
        """Judge, then work inside the term. Raises what the gate, the term or the controller says."""
        node, tenure = self._gate.admitted(request, *rights)
        if not able(node.capabilities):
            raise Refused(f"The controller of node {node.name!r} cannot do this ({operation}).")
        begun, outcome = time.monotonic(), "failed"
        try:
            found = await tenure.term.run(work(node))
            outcome = "ok"
            return found
        except HilError as error:
            outcome = error.type
            raise
        finally:
            self._metrics.observe(operation, outcome, time.monotonic() - begun)

    async def power(self, request: Request) -> Response:
        """The power state and its age; `max_age` says how old it may be (seconds)."""
        oldest = number(request, "max_age", self._gate.nodes.limits.power_age, 3600)
        seen = await self._do(request, "power-read", (Right.READ, Right.POWER), lambda node: node.power(oldest))
        age = max(0.0, self._gate.nodes.clock.now() - seen.at)
        return JSONResponse({"power": power_word(seen.on), "read_at": seen.at, "age": round(age, 3)})

    async def power_set(self, request: Request) -> Response:
        """`{"action": "on" | "off" | "soft-off" | "cycle" | "reset"}`; 202, since the machine takes its time."""
        self._gate.admitted(request, Right.POWER)
        action = _one_of(PowerAction, (await body(request, {"action": str}))["action"], "action")
        await self._do(
            request, "power", (Right.POWER,), lambda node: node.power_set(action), lambda can: action in can.actions
        )
        return JSONResponse({"action": str(action)}, 202)

    async def boot(self, request: Request) -> Response:
        choice = await self._do(
            request,
            "boot-read",
            (Right.READ, Right.BOOT),
            lambda node: node.ask(lambda session: session.boot(), reads=True),
            lambda can: can.boot_read,
        )
        return JSONResponse({"device": str(choice.device), "persistent": choice.persistent, "uefi": choice.uefi})

    async def boot_set(self, request: Request) -> Response:
        """`{"device": …, "persistent": false, "uefi": null}`."""
        self._gate.admitted(request, Right.BOOT)
        given = await body(
            request, {"device": str, "persistent": bool, "uefi": (bool, type(None))}, "persistent", "uefi"
        )
        device = _one_of(BootDevice, given["device"], "device")
        choice = BootChoice(device, given.get("persistent", False), given.get("uefi"))
        await self._do(
            request,
            "boot",
            (Right.BOOT,),
            lambda node: node.ask(lambda session: session.boot_set(choice)),
            lambda can: _bootable(can, choice),
        )
        return Response(status_code=204)

    async def sensors(self, request: Request) -> Response:
        found = await self._list(request, "sensors", lambda node: node.ask(lambda s: s.sensors(), reads=True))
        return JSONResponse({"items": [asdict(each) for each in found]})

    async def event_log(self, request: Request) -> Response:
        """The newest `limit` entries, oldest first."""
        limit = int(number(request, "limit", 100, MOST_ENTRIES))
        found = await self._list(
            request, "event_log", lambda node: node.ask(lambda session: session.event_log(limit), reads=True)
        )
        return JSONResponse({"items": [asdict(each) for each in found]})

    async def media(self, request: Request) -> Response:
        found = await self._list(request, "media", lambda node: node.ask(lambda s: s.media(), reads=True))
        return JSONResponse({"items": [asdict(each) | {"kinds": list(each.kinds)} for each in found]})

    async def firmware(self, request: Request) -> Response:
        found = await self._list(request, "firmware", lambda node: node.ask(lambda s: s.firmware(), reads=True))
        return JSONResponse({"items": [asdict(each) for each in found]})

    async def _list(self, request: Request, what: str, work: Callable[[Node], Coroutine[Any, Any, list[T]]]) -> list[T]:
        own = {"sensors": Right.SENSORS, "event_log": Right.SENSORS, "media": Right.MEDIA}.get(what, Right.READ)
        return await self._do(request, what, (Right.READ, own), work, lambda can: bool(getattr(can, what)))

    async def media_insert(self, request: Request) -> Response:
        """`{"image": URL}`: http or https."""
        self._gate.admitted(request, Right.MEDIA)
        image = _image((await body(request, {"image": str}))["image"])
        return await self._medium(request, lambda slot: lambda session: session.media_insert(slot, image))

    async def media_eject(self, request: Request) -> Response:
        return await self._medium(request, lambda slot: lambda session: session.media_eject(slot))

    async def _medium(self, request: Request, work: Callable[[str], Callable[[Any], Awaitable[None]]]) -> Response:
        slot = request.path_params["slot"]
        await self._do(request, "media", (Right.MEDIA,), lambda node: node.ask(work(slot)), lambda can: can.media)
        return Response(status_code=204)

    async def identify(self, request: Request) -> Response:
        """`{"seconds": N}`; 0 puts the light out."""
        self._gate.admitted(request, Right.IDENTIFY)
        seconds = (await body(request, {"seconds": int}))["seconds"]
        if not 0 <= seconds <= LONGEST_LIGHT:
            raise BadArgument(f"seconds is from 0 to {LONGEST_LIGHT}.")
        await self._do(
            request,
            "identify",
            (Right.IDENTIFY,),
            lambda node: node.ask(lambda session: session.identify(seconds)),
            lambda can: can.identify,
        )
        return Response(status_code=204)

    async def capabilities(self, request: Request) -> Response:
        """What a controller of this kind can do; nobody is asked."""
        node, _ = self._gate.admitted(request, *(right for right in Right if right is not Right.EPOCH))
        can = asdict(node.capabilities)
        del can["max_sessions"]
        return JSONResponse(
            can | {key: sorted(map(str, can[key])) for key in ("actions", "devices")} | {"driver": node.spec.name}
        )


def _one_of(kind: Any, text: str, what: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise BadArgument(f"{text[:40]!a} is no {what}: use one of {', '.join(map(str, kind))}.") from None


def _bootable(can: ObmCapabilities, choice: BootChoice) -> bool:
    lasting = can.boot_persistent if choice.persistent else can.boot_once
    return (
        choice.device in can.devices
        and (lasting or choice.device is BootDevice.NONE)
        and (choice.uefi is None or can.uefi)
    )


def _image(text: str) -> str:
    """Check the URL of an image: it goes to the controller, so nothing else may ride along. Raises BadArgument."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or len(text) > 2000 or not text.isascii() or not text.isprintable() or " " in text:
        raise BadArgument("An image is a URL that begins with http:// or https://, without spaces.")
    return text
