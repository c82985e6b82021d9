"""`hil node power`, `boot`, `sensors`, `events`, `identify`, `media`, `firmware`: the machine behind a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from hil.cli import params
from hil.cli.bulk import AT_A_TIME, PATIENT, bulk, confirm, each, values
from hil.cli.lazy import Command
from hil.cli.output import emit
from hil.cli.session import Session

T = TypeVar("T")
ACTIONS = ("on", "off", "soft-off", "cycle", "reset")
HARSH = ("off", "soft-off", "cycle", "reset")
DEVICES = ("none", "pxe", "disk", "cdrom", "bios")


@click.command(
    "power",
    cls=Command,
    examples=("hil node power cycle node[01-40] --wait", "hil node power status @rack=r1", "hil node power off node01"),
)
@click.argument("action", type=click.Choice((*ACTIONS, "status")))
@params.noderange
@click.option("--wait", is_flag=True, help="Wait until each machine is on, or off.")
@click.option("--timeout", type=params.Duration(), default="5m", show_default=True, help="How long: 90s, 15m, 1h.")
@params.yes
@params.output
@click.pass_obj
def power(
    session: Session, action: str, noderange: tuple[str, ...], wait: bool, timeout: int, yes: bool, output: str
) -> None:
    """Switch machines on or off, restart them, or say whether they have power.

    off is at once, soft-off asks the operating system, cycle takes the power away for a moment, reset does not.
    """
    names = session.nodes(noderange)
    machine = session.client.power
    if action == "status":
        return bulk(names, machine.get, doing="reading power", done=lambda seen: str(seen.power), output=output)
    if action in HARSH:
        confirm(names, f"Send {action} to", yes)
    on = action not in ("off", "soft-off")

    def work(name: str) -> str:
        machine.set(name, action)
        return machine.wait(name, on, timeout).power if wait else f"{action} sent"

    at_a_time = PATIENT if wait else AT_A_TIME
    bulk(names, work, doing=f"power {action}", done=str, output=output, at_a_time=at_a_time)


@click.command(
    "boot",
    cls=Command,
    examples=("hil node boot node01", "hil node boot node[01-40] pxe", "hil node boot node01 disk --persistent"),
)
@click.argument("noderange", type=params.Live("noderange"))
@click.argument("device", type=click.Choice(DEVICES), required=False)
@click.option("--persistent", is_flag=True, help="From now on, not only the next time.")
@click.option("--uefi/--bios", "uefi", default=None, help="Which firmware to boot with; left as it is, if not said.")
@params.output
@click.pass_obj
def boot(
    session: Session, noderange: str, device: str | None, persistent: bool, uefi: bool | None, output: str
) -> None:
    """Show what machines will boot from, or choose it."""
    names, machine = session.nodes([noderange]), session.client.power
    if device is None:
        rows = [{"node": name, **seen.raw} for name, seen in _each(names, machine.boot)]
        return emit(rows, "node device persistent uefi", output)

    def work(name: str) -> None:
        machine.set_boot(name, str(device), persistent=persistent, uefi=uefi)

    bulk(names, work, doing="setting the boot device", done=lambda _: f"boots from {device}", output=output)


@click.command("sensors", cls=Command, examples=("hil node sensors node01", "hil node sensors node01 -o json"))
@params.argument("node")
@params.output
@click.pass_obj
def sensors(session: Session, node: str, output: str) -> None:
    """Show what a machine measures: temperatures, fans, voltages."""
    emit(session.client.power.sensors(node), "name value unit state", output)


@click.command("events", cls=Command, examples=("hil node events node01 --limit 20",))
@params.argument("node")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Most entries.")
@params.output
@click.pass_obj
def events(session: Session, node: str, limit: int, output: str) -> None:
    """Show the newest entries of the hardware's own log."""
    emit(session.client.power.events(node, limit), "id at severity message", output)


@click.command(
    "identify", cls=Command, examples=("hil node identify node01 --seconds 300", "hil node identify node01 --off")
)
@params.noderange
@click.option("--seconds", type=click.IntRange(1, 86400), default=60, show_default=True, help="How long.")
@click.option("--off", is_flag=True, help="Put it out.")
@params.output
@click.pass_obj
def identify(session: Session, noderange: tuple[str, ...], seconds: int, off: bool, output: str) -> None:
    """Light the identify LED of machines, so that somebody finds them."""
    lit = 0 if off else seconds

    def work(name: str) -> None:
        session.client.power.identify(name, lit)

    done = "is dark" if off else f"is lit for {seconds} s"
    bulk(session.nodes(noderange), work, doing="identifying", done=lambda _: done, output=output)


@click.command(
    "media",
    cls=Command,
    examples=(
        "hil node media node01",
        "hil node media node01 --insert cd=https://images.example.org/install.iso",
        "hil node media node01 --eject cd",
    ),
)
@params.argument("node")
@click.option("--insert", type=params.Pair(), multiple=True, help="SLOT=URL; may be repeated.")
@click.option("--eject", multiple=True, metavar="SLOT", help="Empty this slot; may be repeated.")
@params.output
@click.pass_obj
def media(
    session: Session, node: str, insert: tuple[tuple[str, str], ...], eject: tuple[str, ...], output: str
) -> None:
    """Show a machine's slots for virtual media, after emptying and filling some of them."""
    machine = session.client.power
    for slot in eject:
        machine.eject(node, slot)
    for slot, image in insert:
        machine.insert(node, slot, image)
    emit(machine.media(node), "slot kinds image", output)


@click.command("firmware", cls=Command, examples=("hil node firmware node01",))
@params.argument("node")
@params.output
@click.pass_obj
def firmware(session: Session, node: str, output: str) -> None:
    """Show the versions of a machine's firmware."""
    emit(session.client.power.firmware(node), "name version", output)


def _each(names: list[str], work: Callable[[str], T]) -> list[tuple[str, T]]:
    """What `work` finds of every node, in their order. Raises the first error."""
    found = dict(values(each(names, lambda name: (name, work(name)))))
    return [(name, found[name]) for name in names]
