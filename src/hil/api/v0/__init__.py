"""HIL's original API, translated call by call, so that its clients work unchanged.

It adds nothing to what the services do and refuses what they refuse; only names, shapes and statuses are its own. Where
the original was wrong it is not followed: docs/users/v0.md lists every difference. Who writes something new uses v1.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from hil.api.edge import Edge
from hil.api.settings import Settings
from hil.api.v0 import extensions, headnodes, networks, nodes, obm, people, projects, switches
from hil.api.v0.call import Table
from hil.api.v0.desk import Desk
from hil.api.v0.door import Original


def table(edge: Edge, settings: Settings) -> Table:
    """Every call of this installation; those about users exist only where HIL keeps the users."""
    auth = settings.v0_auth or ("database" if edge.backend.has_users else "null")
    return Table(
        [
            *projects.CALLS,
            *nodes.CALLS,
            *obm.calls(edge.store.keys),
            *networks.CALLS,
            *switches.CALLS,
            *headnodes.CALLS,
            *extensions.calls(auth),
            *(people.CALLS if edge.backend.has_users else ()),
        ]
    )


def routes(edge: Edge, settings: Settings | None = None) -> list[BaseRoute]:
    """What to put in front of an application's own routes: everything under /v0, its own errors included."""
    chosen = settings or Settings()
    return [Original(Desk(edge, chosen), table(edge, chosen))]
