"""`hil node obm`: whether a node's machine may be reached out of band, and through which obmd."""

from __future__ import annotations

import click

from hil.cli import params, secrets
from hil.cli.bulk import bulk, confirm
from hil.cli.lazy import Group
from hil.cli.output import emit_one
from hil.cli.session import Session

obm = Group("obm", help="Out-of-band management of nodes: enable it, disable it, say where it is.")


@obm.verb("show", "hil node obm show node01")
@params.argument("node")
@params.output
@click.pass_obj
def show(session: Session, node: str, output: str) -> None:
    """Show whether a node's OBM is enabled, and what kind it is."""
    emit_one(session.client.obm.get(node), "kind enabled settled uri", output)


@obm.verb("enable", "hil node obm enable node[01-04]")
@params.noderange
@params.output
@click.pass_obj
def enable(session: Session, noderange: tuple[str, ...], output: str) -> None:
    """Enable it, anew each time: whatever was handed out before is dead, and open consoles are cut."""
    names = session.nodes(noderange)
    bulk(names, session.client.obm.enable, doing="enabling", done=lambda _: "enabled", output=output)


@obm.verb("disable", "hil node obm disable @rack=r1")
@params.noderange
@params.yes
@params.output
@click.pass_obj
def disable(session: Session, noderange: tuple[str, ...], yes: bool, output: str) -> None:
    """Disable it: consoles are cut, and nothing that was handed out works any more."""
    names = session.nodes(noderange)
    confirm(names, "Disable the OBM of", yes)
    bulk(names, session.client.obm.disable, doing="disabling", done=lambda _: "disabled", output=output)


@obm.verb(
    "set",
    "hil node obm set node[01-16] https://obmd.example.org:5002",
    "hil node obm set node01 https://old.example.org/node/m1 --original",
)
@click.argument("noderange", type=params.Live("noderange"))
@click.argument("uri")
@click.option(
    "--original", is_flag=True, help="It speaks the original protocol; its admin token is HIL_OBMD_TOKEN, or asked for."
)
@params.output
@click.pass_obj
def put(session: Session, noderange: str, uri: str, original: bool, output: str) -> None:
    """Say which obmd nodes have. Operators only."""
    token = ""
    if original:
        token = secrets.password("Admin token of the OBMd", stdin=False, variable="HIL_OBMD_TOKEN")
    names = session.nodes([noderange])

    def work(name: str) -> object:
        return session.client.obm.register(name, uri, admin_token=token)

    bulk(names, work, doing="registering", done=lambda _: "registered", output=output)


@obm.verb("unset", "hil node obm unset node16")
@params.noderange
@click.option("--force", is_flag=True, help="The OBMd is gone for good: nothing there can reach the node.")
@params.yes
@params.output
@click.pass_obj
def unset(session: Session, noderange: tuple[str, ...], force: bool, yes: bool, output: str) -> None:
    """Forget which obmd nodes have. Operators only."""
    names = session.nodes(noderange)
    confirm(names, "Forget the obmd of", yes)

    def work(name: str) -> None:
        session.client.obm.remove(name, force=force)

    bulk(names, work, doing="removing", done=lambda _: "removed", output=output)
