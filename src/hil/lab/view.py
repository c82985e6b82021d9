"""What `hil lab status` and `hil lab hears` show, gathered afresh: processes, switches, nodes,
machines, faults, who hears whom.

Each part is asked of who knows it: the operating system, HIL, the data plane. A HIL that is dead is shown as dead, and
the rest is shown all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import click

from hil.cli.output import table, text
from hil.client import Client, HilClientError, Retry, Settings
from hil.core.vlans import unfold
from hil.lab.furnish import settled
from hil.lab.hearing import SILENT, Hearing
from hil.lab.plane import Plane
from hil.lab.site import OPERATOR, Site

Row = dict[str, Any]
WIDEST: Final = 12
"""Most nodes in a matrix that a person still reads."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that there is to be seen of a lab at one moment. `why`: what kept HIL from answering."""

    lab: Row
    processes: list[Row]
    switches: list[Row]
    nodes: list[Row]
    machines: list[Row]
    faults: list[Row]
    hearing: Hearing
    why: str = ""

    def raw(self) -> Row:
        heard = [entry._asdict() for entry in sorted(self.hearing.heard)]
        hears = {"basis": self.hearing.basis, "frames": self.hearing.frames, "heard": heard}
        return {
            "lab": self.lab,
            "processes": self.processes,
            "switches": self.switches,
            "nodes": self.nodes,
            "machines": self.machines,
            "faults": self.faults,
            "hears": hears,
        }


@dataclass(slots=True)
class Books:
    """What HIL says: its switches, where each node is in its life, every VLAN id in use."""

    switches: list[Row] = field(default_factory=list)
    nodes: Mapping[str, Row] = field(default_factory=dict)
    vlans: frozenset[int] = frozenset()
    why: str = ""


def client(site: Site, profile: str = OPERATOR, *, attempts: int = 4) -> Client:
    """A client of the lab's HIL as one of its people."""
    settings = Settings.from_env(site.environment(profile))
    return Client(settings=settings, retry=Retry(attempts=attempts), timeout=10.0)


def look(site: Site, plane: Plane) -> View:
    """Gather everything."""
    told = site.ask("status")
    books = _books(site)
    facts = plane.facts
    seen = site.ask("machines")
    nodes = [_node(plane, node, books.nodes.get(node, {})) for node in facts.wiring]
    return View(
        {
            "directory": str(site.directory),
            "kind": plane.title,
            "endpoint": facts.endpoint,
            "profiles": str(site.profiles),
        },
        _processes(plane, told),
        books.switches or [{"switch": name} for name in dict.fromkeys(place[0] for place in facts.wiring.values())],
        nodes,
        [_machine(node, each) for node, each in seen.items()],
        faults_of(plane, seen),
        plane.hearing(unfold(facts.vlans) | books.vlans),
        books.why,
    )


def vlans_in_use(site: Site, plane: Plane) -> frozenset[int]:
    """The ids of the pool, and those of every network beside it."""
    return unfold(plane.facts.vlans) | _books(site).vlans


def _books(site: Site) -> Books:
    try:
        with client(site, attempts=1) as hil:
            networks = [network.net_id for network in hil.networks.list()]
            nodes = {node.name: dict(node.raw) for node in hil.nodes.list()}
            switches = []
            for switch in hil.switches.list():
                ports = list(hil.ports.list(switch.name))
                done = sum(map(settled, ports))
                error = str(switch.lane.get("error") or "")
                switches.append(
                    {"switch": switch.name, "driver": switch.driver, "settled": f"{done}/{len(ports)}", "error": error}
                )
    except HilClientError as error:
        return Books(why=error.message)
    return Books(switches, nodes, frozenset(int(net_id) for net_id in networks if net_id.isdigit()))


def _processes(plane: Plane, told: Row) -> list[Row]:
    starts = told["starts"] - 1
    again = f", started again {'once' if starts == 1 else f'{starts} times'}" if starts else ""
    state = "serving" if told["serving"] else "starting" if told["hil"] else "dead"
    switches = "with the switches" if not plane.programs() else ""
    return [
        {"process": "lab", "pid": told["lab"], "note": switches},
        {"process": "hil serve", "pid": told["hil"], "note": state + again},
        *({"process": name, "pid": pid, "note": note} for name, pid, note in plane.programs()),
    ]


def _node(plane: Plane, node: str, kept: Row) -> Row:
    switch, port = plane.facts.wiring[node]
    mac, address = plane.addresses(node)
    row = {"node": node, "state": kept.get("state"), "project": kept.get("project"), "labels": kept.get("labels")}
    return {**row, "switch": switch, "port": port, "mac": mac, "address": address}


def _machine(node: str, seen: Mapping[str, Any]) -> Row:
    """A machine, as it says itself; HIL is not asked."""
    row = {"node": node, "power": "on" if seen["power"] else "off", "controller": seen["protocol"]}
    return {**row, "at": seen["address"], "boots": seen["starts"], "runs": seen["source"] or None}


def faults_of(plane: Plane, seen: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Everything that is broken: what it is, and how."""
    found = [*plane.faults(), *((node, words) for node, each in seen.items() for words in each["faults"])]
    return [{"broken": name, "fault": words} for name, words in found]


def show(view: View) -> None:
    """Print everything for a person."""
    click.echo(f"{view.lab['kind']} in {view.lab['directory']}, HIL at {view.lab['endpoint']}")
    if view.why:
        click.echo(f"HIL does not answer: {view.why}")
    tables = (view.processes, view.switches, view.nodes, view.machines)
    for title, rows in (*(("", rows) for rows in tables), ("Faults", view.faults)):
        if rows:
            click.echo(f"\n{title}:" if title else "")
            rows_table(rows)
    click.echo()
    show_hearing(view.hearing)


def rows_table(rows: list[Row]) -> None:
    """Print rows under those of their keys that any of them fills."""
    columns = [key for key in rows[0] if any(row.get(key) not in (None, "", {}) for row in rows)]
    table(columns, [[text(row.get(key)) for key in columns] for row in rows])


def _listed(rows: list[list[str]]) -> Iterator[str]:
    (_, *senders), *others = rows
    silent = 0
    for receiver, *cells in others:
        heard = [f"{sender} ({cell})" for sender, cell in zip(senders, cells, strict=True) if cell not in ("", SILENT)]
        silent += not heard
        if heard:
            yield f"{receiver} hears {', '.join(heard)}"
    yield f"{silent} of {len(others)} hear nobody"


def show_hearing(hearing: Hearing) -> None:
    """Print who hears whom, and what that rests on."""
    for line in hearing_lines(hearing):
        click.echo(line)


def hearing_lines(hearing: Hearing) -> Iterator[str]:
    """A matrix as lines, or what is heard where a matrix would be too wide, and below it what that rests on."""
    rows = list(hearing.table())
    if len(hearing.nodes) <= WIDEST:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    else:
        yield from _listed(rows)
    rests = f"{hearing.frames} frames were sent" if hearing.frames else f"computed from {hearing.basis}"
    yield f"({rests}; native: heard untagged; a number: heard with that tag; {SILENT}: silence)"
