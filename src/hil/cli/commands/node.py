"""`hil node`: machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from hil.cli import noderange as ranges
from hil.cli import params, secrets
from hil.cli.bulk import bulk, confirm, each, values
from hil.cli.exits import Exit
from hil.cli.lazy import Group
from hil.cli.output import emit, emit_one, table, text
from hil.cli.session import Fault, Session
from hil.cli.waiting import finish

if TYPE_CHECKING:
    from hil.client import Node, NodeSummary, Operation

_POWER = "hil.cli.commands.power"
_MACHINE = {
    "power": (f"{_POWER}:power", "Switch machines on or off, restart them, or say whether they have power."),
    "boot": (f"{_POWER}:boot", "Show what machines will boot from, or choose it."),
    "sensors": (f"{_POWER}:sensors", "Show what a machine measures: temperatures, fans, voltages."),
    "events": (f"{_POWER}:events", "Show the newest entries of the hardware's own log."),
    "identify": (f"{_POWER}:identify", "Light the identify LED of machines, so that somebody finds them."),
    "media": (f"{_POWER}:media", "Show a machine's slots for virtual media, after emptying and filling some of them."),
    "firmware": (f"{_POWER}:firmware", "Show the versions of a machine's firmware."),
    "console": ("hil.cli.commands.console:console", "Open the serial console of a machine."),
    "recording": ("hil.cli.commands.recording:recording", "What consoles said: list, read, search and replay it."),
    "obm": ("hil.cli.commands.obm:obm", "Out-of-band management of nodes: enable it, disable it, say where it is."),
}
node = Group("node", help="Machines: take, release, describe and look after them.", lazy=_MACHINE)
COLUMNS = "name state project labels"
FACTS = "name state project reason deadline labels metadata"
AT_ONCE = 200
"""Names in one request: their length in a URL is bounded."""
STATES = ("free", "allocated", "releasing", "maintenance", "quarantined")


@node.verb("list", "hil node list --state free", "hil node list @gpu=a100", "hil node list -p blue -o json")
@click.argument("noderange", type=params.Live("noderange"), nargs=-1)
@click.option("--state", type=click.Choice(STATES), help="Only nodes in this state.")
@params.option("project", "-p", "--project", help="Only nodes of this project.")
@params.output
@click.pass_obj
def node_list(
    session: Session, noderange: tuple[str, ...], state: str | None, project: str | None, output: str
) -> None:
    """List nodes, all of them or those of a NODERANGE."""
    emit(_listed(session, noderange, state, project), COLUMNS, output)


def _listed(session: Session, texts: tuple[str, ...], state: str | None, project: str | None) -> Iterator[NodeSummary]:
    nodes = session.client.nodes
    selector = _selector(texts)
    if selector is not None:
        yield from nodes.list(state=state, project=project, selector=selector or None)
        return
    names = session.nodes(texts)
    for start in range(0, len(names), AT_ONCE):
        yield from nodes.list(state=state, project=project, names=names[start : start + AT_ONCE])


def _selector(texts: tuple[str, ...]) -> str | None:
    """The one selector that these noderanges are, empty for none; None if they are anything else."""
    try:
        items = [item for text in texts for item in ranges.parse(text)]
    except ranges.BadRange as error:
        raise Fault(str(error), code=Exit.USAGE) from error
    if not items:
        return ""
    return items[0].selector if len(items) == 1 and isinstance(items[0], ranges.Labelled) else None


@node.verb("show", "hil node show node01")
@params.argument("node")
@params.output
@click.pass_obj
def node_show(session: Session, node: str, output: str) -> None:
    """Show one node: its state, labels, metadata, NICs and their networks."""
    found = session.client.nodes.get(node)
    emit_one(found, FACTS, output)
    if output == "table" and found.nics:
        click.echo()
        nics_table(found)


def nics_table(found: Node) -> None:
    """Print a node's NICs; where a cable ends is told to operators only."""
    columns = ["nic", "macaddr", "networks"]
    rows = [
        [nic.name, nic.macaddr, text([f"{on.network} ({on.channel}, {on.state})" for on in nic.networks])]
        for nic in found.nics
    ]
    if any(nic.port for nic in found.nics):
        columns += ["switch", "port"]
        rows = [[*row, text(nic.switch), text(nic.port)] for row, nic in zip(rows, found.nics, strict=True)]
    table(columns, rows)


@node.verb(
    "allocate",
    "hil node allocate node01 node[05-08]",
    "hil node allocate --count 2 @gpu=a100 -p blue",
)
@click.argument("noderange", type=params.Live("noderange"), nargs=-1)
@click.option(
    "--count", type=click.IntRange(1), metavar="N", help="Take so many free nodes that match a label, or any."
)
@params.project
@params.output
@click.pass_obj
def allocate(session: Session, noderange: tuple[str, ...], count: int | None, project: str | None, output: str) -> None:
    """Take free nodes into a project: all of them or none."""
    owner = session.project(project)
    if count is None:
        if not noderange:
            raise click.UsageError("Say which nodes, or how many with --count.", click.get_current_context())
        taken = session.client.nodes.allocate(owner, session.nodes(noderange))
    else:
        selector = _selector(noderange)
        if selector is None:
            raise click.UsageError("With --count goes one label, as @gpu=a100.", click.get_current_context())
        taken = session.client.nodes.allocate_matching(owner, selector, count)
    emit(taken, COLUMNS, output)


@node.verb("release", "hil node release node[01-04]", "hil node release --no-wait @rack=r1")
@params.noderange
@params.yes
@params.waiting
@params.output
@click.pass_obj
def release(session: Session, noderange: tuple[str, ...], yes: bool, wait: bool, timeout: int, output: str) -> None:
    """Give nodes back: ports closed, console dropped, cleaned, free."""
    names = session.nodes(noderange)
    confirm(names, "Release", yes)
    if len(names) == 1 and wait:
        _release_one(session, names[0], timeout, output)
        return

    def work(name: str) -> Operation:
        begun = session.client.nodes.release(name)
        return begun.wait(timeout) if wait else begun

    bulk(names, work, doing="releasing", done=lambda op: "free" if wait else op.id, output=output)


def _release_one(session: Session, name: str, timeout: int, output: str) -> None:
    """With a bar that shows how far this one is; otherwise as for many."""
    ended = finish(session.client.nodes.release(name), f"releasing {name}", timeout)
    if output == "table":
        click.echo(f"{name}  free")
    else:
        emit([{"node": name, "ok": True, "error": None, "result": ended.raw}], "node ok error", output)


@node.verb("register", "hil node register node[01-16] --label cpu=64 --label rack=r1")
@params.noderange
@click.option("--label", "labels", type=params.Pair(), multiple=True, help="KEY=VALUE; may be repeated.")
@click.option("--metadata", type=params.Pair(), multiple=True, help="KEY=JSON; may be repeated.")
@click.option("--obmd-uri", help="Where the node's OBMd is; its admin token is HIL_OBMD_TOKEN, or asked for.")
@params.output
@click.pass_obj
def register(
    session: Session,
    noderange: tuple[str, ...],
    labels: tuple[tuple[str, str], ...],
    metadata: tuple[tuple[str, str], ...],
    obmd_uri: str | None,
    output: str,
) -> None:
    """Make nodes known to HIL. Operators only."""
    names = session.nodes(noderange)
    obmd = None
    if obmd_uri:
        token = secrets.password("Admin token of the OBMd", stdin=False, variable="HIL_OBMD_TOKEN")
        obmd = {"uri": obmd_uri, "admin_token": token}
    facts: dict[str, Any] = {"labels": dict(labels), "metadata": {k: json_value(v) for k, v in metadata}}

    def work(name: str) -> Node:
        return session.client.nodes.register(name, obmd=obmd, **facts)

    bulk(names, work, doing="registering", done=lambda made: "registered", output=output)


def json_value(text: str) -> Any:
    """Read a value as JSON; what is none is a string."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@node.verb("delete", "hil node delete node16")
@params.noderange
@params.yes
@params.output
@click.pass_obj
def delete(session: Session, noderange: tuple[str, ...], yes: bool, output: str) -> None:
    """Forget free nodes that have no NICs. Operators only."""
    names = session.nodes(noderange)
    confirm(names, "Delete", yes)
    bulk(names, session.client.nodes.delete, doing="deleting", done=lambda _: "deleted", output=output)


@node.verb("label", "hil node label node[01-16] rack=r1 gpu=a100", "hil node label node01 --remove gpu")
@click.argument("noderange", type=params.Live("noderange"))
@click.argument("labels", type=params.Pair(), nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--remove", multiple=True, metavar="KEY", help="Take this label off; may be repeated.")
@params.output
@click.pass_obj
def label(
    session: Session, noderange: str, labels: tuple[tuple[str, str], ...], remove: tuple[str, ...], output: str
) -> None:
    """Set labels of nodes, and remove others. Operators only."""
    if not labels and not remove:
        raise click.UsageError("Say what to set, as KEY=VALUE, or what to --remove.", click.get_current_context())

    def work(name: str) -> None:
        for key, value in labels:
            session.client.nodes.label(name, key, value)
        for key in remove:
            session.client.nodes.unlabel(name, key)

    bulk(session.nodes([noderange]), work, doing="labelling", done=lambda _: "labelled", output=output)


@node.verb(
    "metadata",
    "hil node metadata node01",
    """hil node metadata node[01-04] 'disks=["sda","sdb"]' owner=ops""",
    "hil node metadata node01 --remove owner",
)
@click.argument("noderange", type=params.Live("noderange"))
@click.argument("entries", type=params.Pair(), nargs=-1, metavar="[KEY=JSON]...")
@click.option("--remove", multiple=True, metavar="KEY", help="Remove this entry; may be repeated.")
@params.output
@click.pass_obj
def metadata(
    session: Session, noderange: str, entries: tuple[tuple[str, str], ...], remove: tuple[str, ...], output: str
) -> None:
    """Show metadata of nodes, or set and remove entries (operators only). What is no JSON is a string."""
    names = session.nodes([noderange])
    if not entries and not remove:
        _metadata_shown(session, names, output)
        return

    def work(name: str) -> None:
        for key, value in entries:
            session.client.nodes.set_metadata(name, key, json_value(value))
        for key in remove:
            session.client.nodes.remove_metadata(name, key)

    bulk(names, work, doing="writing metadata", done=lambda _: "written", output=output)


def _metadata_shown(session: Session, names: list[str], output: str) -> None:
    found = {node.name: node.metadata for node in values(each(names, session.client.nodes.get))}
    rows = [{"node": name, "key": key, "value": value} for name in names for key, value in found[name].items()]
    shown = [{**row, "value": json.dumps(row["value"])} for row in rows] if output in ("table", "csv") else rows
    emit(shown, "node key value", output)


@node.verb("quarantine", "hil node quarantine node07 --reason 'smells of smoke'")
@params.noderange
@click.option("--reason", required=True, help="Why; people will read it.")
@params.yes
@params.output
@click.pass_obj
def quarantine(session: Session, noderange: tuple[str, ...], reason: str, yes: bool, output: str) -> None:
    """Force nodes out of whatever they wait in: nobody's, not free, ports closed. Operators only."""
    names = session.nodes(noderange)
    confirm(names, "Quarantine", yes)
    _states(session, names, lambda name: session.client.nodes.quarantine(name, reason), output)


@node.verb("maintenance", "hil node maintenance node07 --reason 'new disks'")
@params.noderange
@click.option("--reason", required=True, help="Why; people will read it.")
@params.output
@click.pass_obj
def maintenance(session: Session, noderange: tuple[str, ...], reason: str, output: str) -> None:
    """Take free nodes out of service. Operators only."""
    _states(session, session.nodes(noderange), lambda name: session.client.nodes.maintenance(name, reason), output)


@node.verb("return", "hil node return node07")
@params.noderange
@params.output
@click.pass_obj
def put_back(session: Session, noderange: tuple[str, ...], output: str) -> None:
    """Put nodes from maintenance or quarantine back among the free. Operators only."""
    _states(session, session.nodes(noderange), session.client.nodes.put_back, output)


def _states(session: Session, names: list[str], work: Any, output: str) -> None:
    bulk(names, work, doing="changing", done=lambda changed: str(changed.state), output=output)
