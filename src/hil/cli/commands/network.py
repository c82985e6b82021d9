"""`hil network`: networks, and the nodes on them."""

from __future__ import annotations

import click

from hil.cli import noderange as ranges
from hil.cli import params
from hil.cli.bulk import each, values
from hil.cli.exits import Exit
from hil.cli.lazy import Group
from hil.cli.output import emit, emit_one
from hil.cli.session import Fault, Session
from hil.cli.waiting import settle
from hil.client import Change, Node

network = Group("network", help="Networks: make, share, connect nodes to them.")
COLUMNS = "name owner public net_id access"
FACTS = "name owner public access net_id channels"
NATIVE = "vlan/native"


@network.verb("list", "hil network list")
@params.output
@click.pass_obj
def network_list(session: Session, output: str) -> None:
    """List the networks that you may see."""
    emit(session.client.networks.list(), COLUMNS, output)


@network.verb("show", "hil network show lab")
@params.argument("network")
@params.output
@click.pass_obj
def show(session: Session, network: str, output: str) -> None:
    """Show one network: whose it is, who may use it, on which channels."""
    emit_one(session.client.networks.get(network), FACTS, output)


@network.verb(
    "create",
    "hil network create lab",
    "hil network create storage --no-owner --access blue --access red --net-id 300",
)
@click.argument("name")
@params.project
@click.option("--no-owner", is_flag=True, help="An operator's network, of no project.")
@click.option("--public", is_flag=True, help="Every project may use it. Operators only.")
@params.option("project", "--access", multiple=True, help="Another project that may use it; may be repeated.")
@click.option("--net-id", metavar="ID", help="The VLAN id, instead of one from the pool. Operators only.")
@params.output
@click.pass_obj
def create(
    session: Session,
    name: str,
    project: str | None,
    no_owner: bool,
    public: bool,
    access: tuple[str, ...],
    net_id: str | None,
    output: str,
) -> None:
    """Make a network of your project."""
    if no_owner and project:
        raise click.UsageError("--no-owner and --project exclude each other.", click.get_current_context())
    owner = None if no_owner else session.project(project)
    made = session.client.networks.create(name, owner, public=public, access=access, net_id=net_id)
    emit_one(made, FACTS, output)


@network.verb("delete", "hil network delete lab")
@params.argument("network")
@click.pass_obj
def delete(session: Session, network: str) -> None:
    """Delete a network that nothing is attached to."""
    session.client.networks.delete(network)


@network.verb(
    "connect",
    "hil network connect lab node[01-04]",
    "hil network connect storage @rack=r1 --nic eth1 --channel tagged",
)
@params.argument("network")
@params.noderange
@click.option("--nic", metavar="NIC", help="Which NIC.  [default: the only wired one]")
@click.option(
    "--channel",
    metavar="native|tagged|vlan/ID",
    default="native",
    show_default=True,
    help="Untagged, tagged with the network's own id, or spelled out.",
)
@params.waiting
@params.output
@click.pass_obj
def connect(
    session: Session,
    network: str,
    noderange: tuple[str, ...],
    nic: str | None,
    channel: str,
    wait: bool,
    timeout: int,
    output: str,
) -> None:
    """Connect nodes to a network: all of them are accepted, or none."""
    names = session.nodes(noderange)
    on = _channel(session, network, channel)
    nics = dict.fromkeys(names, nic) if nic else _only_nics(session, names)
    operation = session.client.networks.change(Change.connect(name, nics[name] or "", network, on) for name in names)
    doing = f"connecting {ranges.fold(names)} to {network}"
    settle(operation, doing=doing, wait=wait, timeout=timeout, output=output)


def _channel(session: Session, network: str, word: str) -> str:
    if word == "native":
        return NATIVE
    if word != "tagged":
        return f"vlan/{word}" if word.isdigit() else word
    tagged = [channel for channel in session.client.networks.get(network).channels if channel != NATIVE]
    if len(tagged) != 1:
        raise Fault(f"network {network} has the channels {', '.join(tagged)}", "name one", Exit.USAGE)
    return tagged[0]


def _only_nics(session: Session, names: list[str]) -> dict[str, str | None]:
    """The NIC that is meant when none is named. Raises Fault unless each node has exactly one that can be meant."""
    return {node.name: _only_nic(node) for node in values(each(names, session.client.nodes.get))}


def _only_nic(node: Node) -> str:
    wired = [nic.name for nic in node.nics if nic.switch or nic.port]
    # Tenants are not told which NICs are wired: they must have only one.
    names = wired or [nic.name for nic in node.nics]
    if len(names) == 1:
        return names[0]
    if not names:
        raise Fault(f"node {node.name} has no NIC", "an operator can add one: `hil nic add`", Exit.NOT_FOUND)
    raise Fault(f"node {node.name} has the NICs {', '.join(names)}", f"say which: --nic {names[0]}", Exit.USAGE)


@network.verb("detach", "hil network detach lab node[01-04]", "hil network detach lab @rack=r1 --nic eth1")
@params.argument("network")
@params.noderange
@click.option("--nic", metavar="NIC", help="Only this NIC.  [default: every one that is on the network]")
@params.waiting
@params.output
@click.pass_obj
def detach(
    session: Session,
    network: str,
    noderange: tuple[str, ...],
    nic: str | None,
    wait: bool,
    timeout: int,
    output: str,
) -> None:
    """Take nodes off a network: all of them are accepted, or none."""
    names = session.nodes(noderange)
    places = [entry for entry in session.client.networks.attachments(network) if nic in (None, entry.nic)]
    here = [entry for entry in places if entry.node in set(names) and entry.state != "detaching"]
    missing = set(names) - {entry.node for entry in here}
    if missing:
        hint = f"`hil network attachments {network}` shows who is"
        raise Fault(f"{ranges.fold(missing)} is not on network {network}", hint, Exit.NOT_FOUND)
    changes = [Change.detach(entry.node, entry.nic, network, entry.channel) for entry in here]
    doing = f"detaching {ranges.fold(names)} from {network}"
    operation = session.client.networks.change(changes)
    settle(operation, doing=doing, wait=wait, timeout=timeout, output=output)


@network.verb("attachments", "hil network attachments lab")
@params.argument("network")
@params.output
@click.pass_obj
def attachments(session: Session, network: str, output: str) -> None:
    """List the NICs on a network: its owner sees all, others their own."""
    emit(session.client.networks.attachments(network), "node nic channel state project", output)


@network.verb("grant", "hil network grant lab red")
@params.argument("network")
@params.argument("project")
@click.pass_obj
def grant(session: Session, network: str, project: str) -> None:
    """Let another project's nodes join a network."""
    session.client.networks.grant(network, project)


@network.verb("revoke", "hil network revoke lab red")
@params.argument("network")
@params.argument("project")
@click.pass_obj
def revoke(session: Session, network: str, project: str) -> None:
    """Take a project off a network's access list; its nodes must have left."""
    session.client.networks.revoke(network, project)


@network.verb("publish", "hil network publish storage")
@params.argument("network")
@params.output
@click.pass_obj
def publish(session: Session, network: str, output: str) -> None:
    """Open an operator's network to every project. Operators only."""
    emit_one(session.client.networks.set_public(network, True), FACTS, output)


@network.verb("unpublish", "hil network unpublish storage")
@params.argument("network")
@params.output
@click.pass_obj
def unpublish(session: Session, network: str, output: str) -> None:
    """Close it again to all but its access list. Operators only."""
    emit_one(session.client.networks.set_public(network, False), FACTS, output)
