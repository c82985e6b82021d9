"""The console of a node over WebSocket: bytes are binary messages, everything else is JSON in text messages.

To the viewer: `{"event": "hello" | "viewers" | "writer", "viewers": […], "writer": {…} | null}`, `{"event": "gap",
"bytes": N}` for output that was lost, `{"event": "refused", …}` for input that was not taken, and at last `{"event":
"end", "type": …, "detail": …}`. From the viewer: `{"do": "take"}` and `{"do": "give"}` to hand the writing over, and
`{"do": "renew", "capability": …}`: when the capability has expired and no newer one has come, the viewer is put out.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any, Final

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from hil.core.errors import HilError, Unauthenticated
from hil.obmd.gate import Gate
from hil.obmd.hub import Hub, NotWriting, Viewer
from hil.obmd.term import Term
from hil.services.capability import SKEW, Capability, Right

PROTOCOL: Final = "hil.console.1"
_CODES: Final = {401: 4401, 403: 4403, 404: 4404, 409: 4409}
_OTHER: Final = 4500
"""Close codes are 4000 + the status that the error would have over HTTP."""


class Console:
    """The endpoint `/v1/nodes/{node}/console`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute("/v1/nodes/{node}/console", self.console)]

    async def console(self, socket: WebSocket) -> None:
        """Admit, attach, carry; whatever ends it is told in a last message and in the close code."""
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(PROTOCOL if PROTOCOL in offered else None)
        try:
            name = socket.path_params["node"]
            capability = self._gate.capability(socket)
            _, tenure = self._gate.nodes.admit(name, capability, Right.WATCH, Right.CONSOLE)
            seat = Seat(self._gate, socket, tenure.hub, tenure.term, name, capability)
            await tenure.term.run(seat.sit())
        except HilError as error:
            self._gate.nodes.tally.refused["websocket", error.type] += 1
            await _close(socket, error)
        except WebSocketDisconnect:
            return


class Seat:
    """One viewer's place at a console."""

    def __init__(self, gate: Gate, socket: WebSocket, hub: Hub, term: Term, name: str, capability: Capability) -> None:
        self._gate, self._socket, self._hub, self._term = gate, socket, hub, term
        self._name, self._capability = name, capability
        self._renewed = asyncio.Event()

    async def sit(self) -> None:
        """Carry both ways until one side ends it. Raises HilError for an end that has a reason."""
        viewer = await self._hub.attach(self._capability.user)
        tasks = [asyncio.ensure_future(work) for work in (self._show(viewer), self._listen(viewer), self._expire())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            self._hub.detach(viewer)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _show(self, viewer: Viewer) -> None:
        while items := await viewer.take():
            for item in items:
                if not self._term.alive:
                    return
                if isinstance(item, bytes):
                    await self._socket.send_bytes(item)
                else:
                    await self._socket.send_text(json.dumps(item))
        await self._socket.close(1000)

    async def _listen(self, viewer: Viewer) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                if (data := message.get("bytes")) is not None:
                    await self._type(viewer, data)
                else:
                    self._told(viewer, message.get("text") or "")
            except NotWriting as error:
                viewer.tell({"event": "refused", "type": error.type, "detail": error.message})

    async def _type(self, viewer: Viewer, data: bytes) -> None:
        self._must_write()
        await self._hub.write(viewer, data)

    def _must_write(self) -> None:
        if Right.CONSOLE not in self._capability.rights:
            self._hub.tally.input_refused["watching"] += 1
            raise NotWriting("The capability lets you watch this console, not type on it.")

    def _told(self, viewer: Viewer, text: str) -> None:
        match _json(text):
            case {"do": "take"}:
                self._must_write()
                self._hub.take_over(viewer)
            case {"do": "give"}:
                self._hub.give_up(viewer)
            case {"do": "renew", "capability": str() as token}:
                self._renew(token)
                if Right.CONSOLE not in self._capability.rights:
                    self._hub.give_up(viewer)
            case _:
                detail = 'Send {"do": "take" | "give"}, or {"do": "renew", "capability": …}.'
                viewer.tell({"event": "refused", "type": "validation", "detail": detail})

    def _renew(self, token: str) -> None:
        """Go on under a newer capability of the same user. Raises Unauthenticated, Denied."""
        newer = self._gate.capability(self._socket, token)
        self._gate.nodes.admit(self._name, newer, Right.WATCH, Right.CONSOLE)
        if (newer.user, newer.project) != (self._capability.user, self._capability.project):
            raise Unauthenticated("The capability is another user's.")
        self._capability = newer
        self._renewed.set()

    async def _expire(self) -> None:
        """Raises Unauthenticated when the capability has run out."""
        while (left := self._capability.expires + SKEW - self._gate.nodes.clock.now()) > 0:
            self._renewed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._renewed.wait(), left)
        raise Unauthenticated("The capability has expired: send a newer one in time.")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


async def _close(socket: WebSocket, error: HilError) -> None:
    """Say why, and close; a peer that is gone hears nothing."""
    with suppress(RuntimeError, WebSocketDisconnect, OSError):
        if socket.application_state is WebSocketState.CONNECTED:
            event = {"event": "end", "type": error.type, "detail": error.message, "retry": error.retry}
            await socket.send_text(json.dumps(event))
            await socket.close(_CODES.get(error.status, _OTHER), error.type)
