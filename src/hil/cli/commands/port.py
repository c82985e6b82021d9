"""`hil port`: ports of a switch, and which NIC is behind each."""

from __future__ import annotations

import time

import click

from hil.cli import noderange as ranges
from hil.cli import params
from hil.cli.exits import Exit
from hil.cli.lazy import Group
from hil.cli.output import emit, emit_one
from hil.cli.progress import bar
from hil.cli.session import Fault, Session
from hil.cli.waiting import settle

port = Group("port", help="Ports of a switch, and which NIC is behind each.")
COLUMNS = "name node nic networks observed state error"
FACTS = "switch name node nic networks wish observed read_at wanted applied locked quarantined drifted tainted error"
STATES = ("locked", "quarantined", "drifted", "tainted")


@port.verb("list", "hil port list sw1")
@params.argument("switch")
@params.output
@click.pass_obj
def port_list(session: Session, switch: str, output: str) -> None:
    """List the ports of a switch."""
    found = session.client.ports.list(switch)
    if output in ("table", "csv"):
        rows = [
            {**entry.raw, "state": ",".join(word for word in STATES if getattr(entry, word)) or "settled"}
            for entry in found
        ]
        emit(rows, COLUMNS, output)
    else:
        emit(found, COLUMNS, output)


@port.verb("show", "hil port show sw1 Ethernet1/7")
@params.argument("switch")
@params.argument("port")
@params.output
@click.pass_obj
def show(session: Session, switch: str, port: str, output: str) -> None:
    """Show one port: what it shall carry, and what the switch said that it carries."""
    emit_one(session.client.ports.get(switch, port), FACTS, output)


@port.verb("register", "hil port register sw1 'Ethernet1/[1-48]'")
@params.argument("switch")
@click.argument("ports", nargs=-1, required=True, metavar="PORTRANGE...")
@params.output
@click.pass_obj
def register(session: Session, switch: str, ports: tuple[str, ...], output: str) -> None:
    """Make ports known to HIL; brackets count, as in a noderange. Operators only."""
    try:
        names = [name for text in ports for name in ranges.expand(text)]
    except ranges.BadRange as error:
        raise Fault(str(error), code=Exit.USAGE) from error
    made = [session.client.ports.register(switch, name) for name in dict.fromkeys(names)]
    emit(made, "switch name", output)


@port.verb("delete", "hil port delete sw1 Ethernet1/7")
@params.argument("switch")
@params.argument("port")
@click.option("--force", is_flag=True, help="I know that the port carries nothing: the switch is gone.")
@click.pass_obj
def delete(session: Session, switch: str, port: str, force: bool) -> None:
    """Forget a port that is wired to no NIC. Operators only."""
    session.client.ports.delete(switch, port, force=force)


@port.verb("wire", "hil port wire sw1 Ethernet1/7 node07 eth0")
@params.argument("switch")
@params.argument("port")
@params.argument("node")
@params.argument("nic")
@params.waiting
@click.pass_obj
def wire(session: Session, switch: str, port: str, node: str, nic: str, wait: bool, timeout: int) -> None:
    """Say that a node's NIC is behind a port, and wait until the port was read back as closed. Operators only."""
    session.client.ports.wire(switch, port, node, nic)
    if wait:
        _wait_settled(session, switch, port, timeout)


def _wait_settled(session: Session, switch: str, port: str, timeout: float) -> None:
    """Wait until a port was read back; its node cannot be allocated before."""
    end = time.monotonic() + timeout
    with bar(f"closing {switch} {port}", 1) as advance:
        while (now := session.client.ports.get(switch, port)).applied < now.wanted:
            why = now.error or session.client.switches.get(switch).lane.get("error") or "it was not read back yet"
            if time.monotonic() >= end:
                raise Fault(f"port {port} of {switch} is wired and not settled: {why}", code=Exit.TIMED_OUT)
            advance(0, why)
            time.sleep(0.2)


@port.verb("unwire", "hil port unwire sw1 Ethernet1/7")
@params.argument("switch")
@params.argument("port")
@click.pass_obj
def unwire(session: Session, switch: str, port: str) -> None:
    """Forget which NIC is behind a port; the node must be free. Operators only."""
    session.client.ports.unwire(switch, port)


@port.verb("lock", "hil port lock sw1 Ethernet1/48")
@params.argument("switch")
@params.argument("port")
@click.pass_obj
def lock(session: Session, switch: str, port: str) -> None:
    """Declare a port infrastructure: HIL never writes it. Operators only."""
    session.client.ports.lock(switch, port, True)


@port.verb("unlock", "hil port unlock sw1 Ethernet1/48")
@params.argument("switch")
@params.argument("port")
@click.pass_obj
def unlock(session: Session, switch: str, port: str) -> None:
    """Take that back. Operators only."""
    session.client.ports.lock(switch, port, False)


@port.verb("unquarantine", "hil port unquarantine sw1 Ethernet1/7")
@params.argument("switch")
@params.argument("port")
@click.pass_obj
def unquarantine(session: Session, switch: str, port: str) -> None:
    """Let HIL make a quarantined port what it shall be. Operators only."""
    session.client.ports.end_quarantine(switch, port)


@port.verb("revert", "hil port revert sw1 Ethernet1/7")
@params.argument("switch")
@params.argument("port")
@params.waiting
@params.output
@click.pass_obj
def revert(session: Session, switch: str, port: str, wait: bool, timeout: int, output: str) -> None:
    """Detach everything from a wired port. Operators only."""
    operation = session.client.ports.revert(switch, port)
    settle(operation, doing=f"reverting {switch} {port}", wait=wait, timeout=timeout, output=output)


@port.verb("give-up", "hil port give-up sw1 Ethernet1/7 --reason 'the switch burnt'")
@params.argument("switch")
@params.argument("port")
@click.option("--reason", required=True, help="Why; people will read it.")
@click.pass_obj
def give_up(session: Session, switch: str, port: str, reason: str) -> None:
    """Forget the wiring of a port whose switch is gone for good. Operators only.

    Its node must be quarantined before, since nobody knows what the port carries.
    """
    session.client.ports.give_up(switch, port, reason)
