"""Makes a new HIL know its data centre, through the API, as any operator would: switches, machines, projects, people.

Passwords are drawn by chance and forgotten; what stays is one API key for each of the three people that a lab has, in a
profile file that only its owner may read.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from hil.cli.session import Fault
from hil.client import Client, Port
from hil.client.profile import Profile, profile_save
from hil.lab.site import NIC, OPERATOR, PROJECTS, Place, Site

PATIENCE: Final = 60.0
KINDS: Final = ("compute", "storage")
_GLANCE: Final = 0.05


def labels(number: int, count: int) -> dict[str, str]:
    """What a node is described by: two thirds are for computing, the rest for storage.

    >>> labels(0, 6), labels(5, 6)
    ({'kind': 'compute', 'rack': 'r1'}, {'kind': 'storage', 'rack': 'r2'})
    """
    return {"kind": KINDS[3 * number >= 2 * count], "rack": f"r{number % 2 + 1}"}


def furnish(
    site: Site,
    endpoint: str,
    password: str,
    driver: str,
    switches: Mapping[str, Mapping[str, Any]],
    wiring: Mapping[str, Place],
    macs: Mapping[str, str],
) -> None:
    """Register everything, make the people and their profiles, and wait until every port was read back as closed."""
    with Client(endpoint, username=OPERATOR, password=password) as hil:
        for switch, config in switches.items():
            hil.switches.register(switch, driver, config, audit="heal")
        for number, (node, (switch, port)) in enumerate(wiring.items()):
            hil.nodes.register(node, labels=labels(number, len(wiring)))
            hil.nodes.add_nic(node, NIC, macs[node])
            hil.ports.register(switch, port)
            hil.ports.wire(switch, port, node, NIC)
        key = hil.keys.create("lab", operator=True)
        profile_save(site.profiles, OPERATOR, Profile(endpoint=endpoint, token=key.token, key=key.id))
        for project in PROJECTS:
            _project(hil, site, endpoint, project)
        _settled(hil, list(switches))


def _project(hil: Client, site: Site, endpoint: str, project: str) -> None:
    """A project with one member, who goes by its name."""
    password = secrets.token_urlsafe(18)
    hil.projects.create(project)
    hil.users.create(project, password)
    hil.projects.set_member(project, project, "member")
    with Client(endpoint, username=project, password=password) as member:
        key = member.keys.create("lab", project=project, role="member")
    profile = Profile(endpoint=endpoint, token=key.token, key=key.id, project=project)
    profile_save(site.profiles, project, profile)


def _settled(hil: Client, switches: list[str]) -> None:
    end = time.monotonic() + PATIENCE
    while unsettled := [port for switch in switches for port in hil.ports.list(switch) if not settled(port)]:
        if time.monotonic() > end:
            raise Fault(f"port {unsettled[0].name} does not settle", unsettled[0].error or "see hil.log")
        time.sleep(_GLANCE)


def settled(port: Port) -> bool:
    """Whether a port was read back as it is wished."""
    return port.applied > 0 and port.applied == port.wanted and not port.tainted and not port.drifted
