"""Makes a new HIL know its data centre, through the API, as any operator would: switches, machines, projects, people.

People's passwords are drawn by chance and forgotten; what stays is one API key for each of the three people that a lab
has, in a profile file that only its owner may read.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from hil.cli.session import Fault
from hil.client import Client, Port
from hil.client.profile import Profile, profile_save
from hil.lab.bmc.room import Controller
from hil.lab.site import NIC, OPERATOR, PROJECTS, Facts, Place, Site

PATIENCE: Final = 60.0
KINDS: Final = ("compute", "storage")
_GLANCE: Final = 0.05


def labels(number: int, count: int) -> dict[str, str]:
    """What a node is described by: two thirds are for computing, the rest for storage.

    >>> labels(0, 6), labels(5, 6)
    ({'kind': 'compute', 'rack': 'r1'}, {'kind': 'storage', 'rack': 'r2'})
    """
    return {"kind": KINDS[3 * number >= 2 * count], "rack": f"r{number % 2 + 1}"}


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is: switches of one driver, the nodes behind their ports, and each node's controller."""

    driver: str
    switches: Mapping[str, Mapping[str, Any]] = field(repr=False)
    wiring: Mapping[str, Place]
    macs: Mapping[str, str]
    controllers: Mapping[str, Controller]


def furnish(site: Site, facts: Facts, password: str, found: Inventory) -> None:
    """Register everything, make the people and their profiles, and wait until every port was read back as closed.

    Nobody may have a node before its obmd has said that nothing is alive there: that is awaited too.
    """
    endpoint, wiring = facts.endpoint, found.wiring
    with Client(endpoint, username=OPERATOR, password=password) as hil:
        for switch, config in found.switches.items():
            hil.switches.register(switch, found.driver, config, audit="heal")
        for number, (node, (switch, port)) in enumerate(wiring.items()):
            hil.nodes.register(node, labels=labels(number, len(wiring)))
            hil.nodes.add_nic(node, NIC, found.macs[node])
            hil.ports.register(switch, port)
            hil.ports.wire(switch, port, node, NIC)
        _controllers(hil, site, facts.obmd, found.controllers)
        key = hil.keys.create("lab", operator=True)
        profile_save(site.profiles, OPERATOR, Profile(endpoint=endpoint, token=key.token, key=key.id))
        for project in PROJECTS:
            _project(hil, site, endpoint, project)
        _settled(hil, list(found.switches))
        _heard(hil, list(found.controllers))


def _controllers(hil: Client, site: Site, obmd: str, controllers: Mapping[str, Controller]) -> None:
    """Tell obmd alone how each controller is reached, as its operator, and HIL no more than which obmd that is.

    The passwords are kept in one file for the lab's owner, who may want to go to a controller by another way.
    """
    handle = os.open(site.controllers, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(
            {node: {"driver": each.driver, "config": dict(each.config)} for node, each in controllers.items()}, file
        )
    head = {"Authorization": f"Bearer {site.obmd_token.read_text().strip()}"}
    with httpx.Client(base_url=obmd, headers=head, timeout=PATIENCE, trust_env=False) as http:
        for node, controller in controllers.items():
            body = {"driver": controller.driver, "config": dict(controller.config)}
            answer = http.put(f"/v1/nodes/{node}", json=body)
            if answer.status_code != 201:
                raise Fault(f"obmd does not take the controller of {node} ({answer.status_code})", "see hil.log")
            hil.obm.register(node, obmd)


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


def _heard(hil: Client, nodes: list[str]) -> None:
    end = time.monotonic() + PATIENCE
    while waiting := [node for node in nodes if not hil.obm.get(node).settled]:
        if time.monotonic() > end:
            raise Fault(f"obmd does not answer for {waiting[0]}", "see hil.log")
        time.sleep(_GLANCE)


def settled(port: Port) -> bool:
    """Whether a port was read back as it is wished."""
    return port.applied > 0 and port.applied == port.wanted and not port.tainted and not port.drifted
