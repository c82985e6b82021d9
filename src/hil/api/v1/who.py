"""What this service is, and who it takes the caller for."""

from __future__ import annotations

from starlette.responses import Response

from hil import __version__
from hil.api.v1 import replies, views
from hil.api.v1.door import Answer, Plain, noun, shown
from hil.core.errors import Unauthenticated
from hil.services.context import Context
from hil.services.facts import project_names

routes = noun("service")
_NOUNS = (
    "projects",
    "nodes",
    "networks",
    "operations",
    "switches",
    "drivers",
    "users",
    "keys",
    "ssh-keys",
    "journal",
    "events",
)


@routes.get("", response_model=replies.Root)
def root_show(call: Plain) -> Response:
    """Name, version and where things are; needs no credentials."""
    links = {noun: f"/v1/{noun}" for noun in _NOUNS}
    links |= {"pool": "/v1/pools/vlan", "whoami": "/v1/whoami", "openapi": "/v1/openapi.json", "docs": "/docs"}
    return shown({"name": "HIL", "version": __version__, "links": links}).render()


@routes.get("/whoami", response_model=replies.WhoAmI)
def whoami_show(call: Plain) -> Response:
    """Who the caller is, with its roles; the cheapest way to try credentials."""

    def work(ctx: Context) -> Answer:
        actor = ctx.actor
        if actor.anonymous:
            raise Unauthenticated("Say who you are: this needs credentials.")
        roles = views.roles(project_names(ctx.session, list(actor.roles)), actor.roles)
        return shown({"user": actor.name, "operator": actor.operator, "via": actor.via, "projects": roles})

    return call.read(work)
