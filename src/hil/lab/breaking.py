"""`hil lab fault`: everything that goes wrong in a data centre, on purpose.

Emulated switches take faults as `hil.lab.faults` reads them; Open vSwitch takes its own three. A crash is HIL's, not a
switch's: the process is killed as by a power cut and started again by the lab.
"""

from __future__ import annotations

import click

from hil.cli import params
from hil.cli.output import emit
from hil.cli.session import Fault
from hil.drivers.switch.mock.faults import FaultKind
from hil.lab.command import LabGroup, lab, site_option
from hil.lab.plain import OFF
from hil.lab.plane import attach, place_of, state_in
from hil.lab.site import Site

fault = LabGroup(
    "fault",
    help=lab.lazy["fault"][1],
    examples=(
        "hil lab fault set sw1 unreachable count=forever",
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
    rows = [{"switch": switch, "fault": words} for switch, words in attach(site).faults()]
    if rows or output != "table":
        emit(rows, "switch fault", output)
    else:
        click.echo("Nothing is broken.")


@fault.verb("kinds", "hil lab fault kinds")
@site_option
@params.output
def kinds(site: Site, output: str) -> None:
    """List what can be broken in this lab."""
    emit([{"fault": name, "meaning": words} for name, words in meanings(site).items()], "fault meaning", output)


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
)
@click.argument("switch")
@click.argument("kind")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@site_option
def fault_set(switch: str, kind: str, settings: tuple[str, ...], site: Site) -> None:
    """Break something: port, op (login, read, write, save), count, after, seconds and words narrow it.

    Without `count=forever` an emulated switch's fault strikes once. Open vSwitch's last until they are cleared.
    """
    attach(site).fault_set(switch, kind, settings)


@fault.verb("clear", "hil lab fault clear", "hil lab fault clear sw1")
@click.argument("switch", required=False)
@site_option
def fault_clear(switch: str | None, site: Site) -> None:
    """Mend a switch, or everything that is broken."""
    attach(site).fault_clear(switch)
    if switch is None:
        site.ask("recover")


@fault.verb("reboot", "hil lab fault reboot sw1")
@click.argument("switch")
@site_option
def reboot(switch: str, site: Site) -> None:
    """Power a switch off and on: sessions die, and what was not saved is lost."""
    attach(site).reboot(switch)


@fault.verb("hand", "hil lab fault hand node01 native=101 tagged=102,105-107", "hil lab fault hand node01 everything")
@click.argument("node")
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
