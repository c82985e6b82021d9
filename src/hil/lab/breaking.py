"""`hil lab fault`: everything that goes wrong in a data centre, on purpose.

Emulated switches take faults as `hil.lab.faults` reads them; Open vSwitch takes its own three; the controller behind a
node takes those of its kind. A crash is HIL's: the process is killed as by a power cut and started again by the lab.
"""

from __future__ import annotations

import click

from hil.cli import params
from hil.cli.output import emit
from hil.cli.session import Fault
from hil.drivers.switch.mock.faults import FaultKind
from hil.lab import life
from hil.lab.command import NODE, SWITCH, LabGroup, Named, lab, site_option
from hil.lab.plain import OFF
from hil.lab.plane import attach, place_of, state_in, unknown
from hil.lab.site import Site
from hil.lab.view import faults_of

TARGET = Named("target", "switch", "node")
fault = LabGroup(
    "fault",
    help=lab.lazy["fault"][1],
    examples=(
        "hil lab fault set sw1 unreachable count=forever",
        "hil lab fault set node01 hang count=forever",
        "hil lab fault hand node01 native=101",
        "hil lab fault crash",
        "hil lab fault clear",
    ),
)


@fault.verb("list", "hil lab fault list")
@site_option
@params.output
def fault_list(site: Site, output: str) -> None:
    """List the faults that are in force."""
    rows = faults_of(attach(site), site.ask("machines"))
    if rows or output != "table":
        emit(rows, "broken fault", output)
    else:
        click.echo("Nothing is broken.")


@fault.verb("kinds", "hil lab fault kinds")
@site_option
@params.output
def kinds(site: Site, output: str) -> None:
    """List what can be broken in this lab."""
    rows = [{"of": "switch", "fault": name, "meaning": words} for name, words in meanings(site).items()]
    kinds = site.ask("kinds")
    rows += [{"of": "controller", "fault": name, "meaning": words} for name, words in kinds.items()]
    emit(rows, "of fault meaning", output)


def meanings(site: Site) -> dict[str, str]:
    """Every fault of this lab's switches, with a line about each."""
    if site.facts.kind == "ovs":
        from hil.lab.real import FAULTS

        return dict(FAULTS)
    return {**{str(kind): words for kind, words in EMULATED.items()}, OFF: "the switch is off; on again, it has booted"}


EMULATED: dict[FaultKind, str] = {
    FaultKind.UNREACHABLE: "nothing gets through, and sessions die",
    FaultKind.WRONG_PASSWORD: "log-ins are refused",
    FaultKind.SLOW: "every operation takes `seconds` longer",
    FaultKind.BUSY: "another session holds the configuration",
    FaultKind.REFUSE: "a write is refused with `words`",
    FaultKind.LIE: "a write is answered as done and not done",
    FaultKind.LOSE_REQUEST: "the session dies before the operation is done",
    FaultKind.LOSE_REPLY: "the session dies after the operation was done",
    FaultKind.HALF: "the session dies with a port narrowed and not widened",
    FaultKind.FAIL_SAVE: "saving is refused with `words`",
}


@fault.verb(
    "set",
    "hil lab fault set sw1 unreachable count=forever",
    "hil lab fault set sw1 refuse port=sw1p1 'words=% No such VLAN'",
    "hil lab fault set node01 wrong-password count=forever",
)
@click.argument("target", type=TARGET)
@click.argument("kind")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@site_option
def fault_set(target: str, kind: str, settings: tuple[str, ...], site: Site) -> None:
    """Break a switch, or the controller (BMC) behind a node.

    port (of a switch), op (login, read, write; save of a switch, console of a controller), count, after, seconds and
    words narrow it. Without `count=forever` a fault of what is emulated strikes once; others last until cleared.
    """
    if target not in site.facts.wiring:
        _switch_or_node(site, target)
        return attach(site).fault_set(target, kind, settings)
    pairs = dict(word.partition("=")[::2] for word in settings)
    site.ask("fault", node=target, kind=kind, settings=pairs, patience=life.PATIENCE)


def _switch_or_node(site: Site, name: str) -> None:
    """Raise Fault if there is neither."""
    switches = sorted({switch for switch, _ in site.facts.wiring.values()})
    if name not in (*switches, *site.facts.wiring):
        unknown(name, "switch or node", [*switches, *site.facts.wiring])


@fault.verb("clear", "hil lab fault clear", "hil lab fault clear sw1", "hil lab fault clear node01")
@click.argument("target", required=False, type=TARGET)
@site_option
def fault_clear(target: str | None, site: Site) -> None:
    """Mend a switch, the controller behind a node, or everything that is broken."""
    plane = attach(site)
    if target is not None:
        _switch_or_node(site, target)
    if target not in site.facts.wiring:
        plane.fault_clear(target)
    for node in site.facts.wiring if target is None else {target} & set(site.facts.wiring):
        site.ask("clear", node=node, patience=life.PATIENCE)
    if target is None:
        site.ask("recover")


@fault.verb("reboot", "hil lab fault reboot sw1")
@click.argument("switch", type=SWITCH)
@site_option
def reboot(switch: str, site: Site) -> None:
    """Power a switch off and on: sessions die, and what was not saved is lost."""
    attach(site).reboot(switch)


@fault.verb("hand", "hil lab fault hand node01 native=101 tagged=102,105-107", "hil lab fault hand node01 everything")
@click.argument("node", type=NODE)
@click.argument("state", nargs=-1, required=True)
@site_option
def hand(node: str, state: tuple[str, ...], site: Site) -> None:
    """Change the port behind a node at the switch, without HIL: native=ID, tagged=IDS, closed, everything."""
    plane = attach(site)
    plane.by_hand(place_of(plane.facts, node), state_in(state))


@fault.verb("crash", "hil lab fault crash", "hil lab fault crash --hold")
@click.option("--hold", is_flag=True, help="It stays dead until `hil lab fault recover`.")
@site_option
def crash(hold: bool, site: Site) -> None:
    """Kill HIL with SIGKILL, whatever it is doing. The lab starts it again."""
    pid = site.ask("crash", hold=hold)
    if pid is None:
        raise Fault("HIL is dead already", "`hil lab fault recover` starts it again")
    click.echo(f"hil serve, process {pid}, was killed.")


@fault.verb("recover", "hil lab fault recover")
@site_option
def recover(site: Site) -> None:
    """Start a HIL again that a crash left dead."""
    site.ask("recover")
