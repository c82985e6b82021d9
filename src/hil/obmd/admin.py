"""What an operator tells obmd (how nodes are reached), and what HIL tells it (the epoch of a node)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hil.core.errors import BadArgument
from hil.obmd.gate import Gate, body


class Administration:
    """The endpoints below `/v1/nodes` that need the admin token, and the one that needs HIL's own capability."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._nodes = gate, gate.nodes

    def routes(self) -> list[Route]:
        return [
            Route("/v1/nodes", self.nodes, methods=["GET"]),
            Route("/v1/nodes/{node}", self.node, methods=["GET"]),
            Route("/v1/nodes/{node}", self.put, methods=["PUT"]),
            Route("/v1/nodes/{node}", self.delete, methods=["DELETE"]),
            Route("/v1/nodes/{node}/test", self.test, methods=["POST"]),
            Route("/v1/nodes/{node}/epoch", self.epoch, methods=["POST"]),
        ]

    async def nodes(self, request: Request) -> Response:
        self._gate.admin(request)
        return JSONResponse({"items": self._nodes.shown()})

    async def node(self, request: Request) -> Response:
        self._gate.admin(request)
        return JSONResponse(self._nodes.shown(request.path_params["node"])[0])

    async def put(self, request: Request) -> Response:
        """Register a node: `{"driver": …, "config": {…}}`; 201 if it is new."""
        self._gate.admin(request)
        name = request.path_params["node"]
        given = await body(request, {"driver": str, "config": dict})
        new = await self._nodes.put(name, given["driver"], given["config"])
        return JSONResponse(self._nodes.shown(name)[0], 201 if new else 200)

    async def delete(self, request: Request) -> Response:
        self._gate.admin(request)
        await self._nodes.delete(request.path_params["node"])
        return Response(status_code=204)

    async def test(self, request: Request) -> Response:
        """Log in and read the power state, as a tenant's request would."""
        self._gate.admin(request)
        node = self._nodes.node(request.path_params["node"])
        begun = self._nodes.clock.now()
        seen = await node.power(0.0)
        return JSONResponse({"power": power_word(seen.on), "seconds": round(self._nodes.clock.now() - begun, 3)})

    async def epoch(self, request: Request) -> Response:
        """Begin an epoch: `{"epoch": N, "enabled": bool, "return": …}`; the capability is of that same epoch.

        What stands in `return` is shown to HIL whenever it is asked about this epoch.
        """
        capability = self._gate.epoch(request)
        given = await body(request, {"epoch": int, "enabled": bool, "return": str}, "return")
        if given["epoch"] != capability.epoch:
            raise BadArgument("The capability was signed for another epoch.")
        name = request.path_params["node"]
        await self._nodes.raise_epoch(name, given["epoch"], enabled=given["enabled"], returned=given.get("return", ""))
        return JSONResponse({"node": name, "epoch": given["epoch"], "enabled": given["enabled"]})


def power_word(on: bool) -> str:
    return "on" if on else "off"
