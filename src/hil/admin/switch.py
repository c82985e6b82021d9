"""`hil-admin switch`: try a registered switch from the machine where the worker runs. It writes nothing, anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from hil.admin.here import NAME, Here, as_json, table
from hil.admin.switch_ask import Look, look
from hil.admin.switch_books import Book, Wire, switch_books
from hil.cli.lazy import Group
from hil.cli.output import printable
from hil.core.devices import Capabilities
from hil.core.model import Observed
from hil.core.vlans import fold
from hil.drivers.registry import capabilities_of, switch_spec
from hil.process import compose
from hil.store.claims import observed_json

OUTPUT = click.option(
    "-o", "--output", type=click.Choice(("table", "json")), default="table", show_default=True, help="How to print."
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One registered port beside what the switch says of it; `now` None: the switch has no such port."""

    wire: Wire
    now: Observed | None

    @property
    def verdict(self) -> str:
        """In words: is it as HIL wants it."""
        if self.now is None:
            return "the switch has no such port"
        if self.wire.locked:
            return "locked: left alone"
        if self.wire.want is None:
            return "not wired: left alone"
        if self.now.state == self.wire.want:
            return "as wanted"
        return f"{'pending' if self.wire.pending else 'differs'}: wanted is {self.wire.want}"

    @property
    def wrong(self) -> bool:
        return self.verdict.startswith(("the switch has no", "differs"))


@click.group("switch", cls=Group)
def switch() -> None:
    """Try whether a registered switch can be driven."""


@switch.verb("test", "hil-admin switch test leaf1", "hil-admin switch test leaf1 -o json")
@click.argument("name")
@OUTPUT
@click.pass_obj
def test(here: Here, name: str, output: str) -> None:
    """Log in to a switch, read its ports, and compare them with the books. Nothing is changed.

    Exit status 1 if the switch cannot be asked, lacks a registered port, or has a port that is not as HIL wants it
    although nothing is pending for it.
    """
    with here.store() as store:
        (book,) = compose.local_read(store, NAME, lambda ctx: switch_books(ctx, store.keys, [name]))
    found = asyncio.run(look(book))
    judged = [Judged(wire, found.ports.get(wire.port)) for wire in book.wires]
    unknown = sorted(found.ports.keys() - {wire.port for wire in book.wires})
    if output == "json":
        as_json(_as_dict(book, found, judged, unknown))
    else:
        _show(book, found, judged, unknown)
    if any(each.wrong for each in judged):
        raise click.exceptions.Exit(1)


def _show(book: Book, found: Look, judged: Sequence[Judged], unknown: Sequence[str]) -> None:
    for line in [f"{book.name} answers: {_about(found)}", f"driver {book.driver}: {', '.join(_can(book))}"]:
        click.echo(line)
    if judged:
        click.echo()
        table(
            ("PORT", "NIC", "NOW", "HIL"),
            [(one.wire.port, one.wire.nic or "-", _now(one.now), one.verdict) for one in judged],
        )
        click.echo()
    wrong = sum(one.wrong for one in judged)
    click.echo(f"{_ports(len(judged))} registered, {wrong or 'none'} wrong")
    if unknown:
        some = ", ".join(map(printable, unknown[:8])) + (" …" if len(unknown) > 8 else "")
        click.echo(f"{_ports(len(unknown))} of the switch not known to HIL: {some}")


def _about(found: Look) -> str:
    if found.about is None:
        return "its driver does not tell model and firmware"
    about = found.about
    parts = [about.model, about.firmware and f"firmware {about.firmware}", about.serial and f"serial {about.serial}"]
    return printable(", ".join(part for part in parts if part)) or "it does not say what it is"


def _now(observed: Observed | None) -> str:
    if observed is None:
        return "-"
    return "carries nothing" if observed.state is not None and not observed.state.enabled else printable(str(observed))


def _can(book: Book) -> list[str]:
    """What the driver can do with this switch, in words."""
    can = capabilities_of(switch_spec(book.driver), book.config)
    facts = [
        f"update {can.update}",
        f"atomic per {can.atomicity}" if can.atomicity != "none" else "not atomic",
        f"save {can.save}",
        f"no native: {can.nativeless}",
        f"VLANs {can.vlans[0]}-{can.vlans[1]}",
    ]
    return facts + _own(book, can)


def _own(book: Book, can: Capabilities) -> list[str]:
    own = can.reserved | switch_spec(book.driver).parked(book.config)
    facts = [f"without {fold(own)}"] if own else []
    return facts + ([f"rolls back within {can.confirm_timer[1]} s"] if can.confirm_timer else [])


def _ports(count: int) -> str:
    return f"{count} port" if count == 1 else f"{count} ports"


def _as_dict(book: Book, found: Look, judged: Sequence[Judged], unknown: Sequence[str]) -> dict[str, Any]:
    about = found.about
    can = capabilities_of(switch_spec(book.driver), book.config)
    own = can.reserved | switch_spec(book.driver).parked(book.config)
    return {
        "switch": book.name,
        "driver": book.driver,
        "about": about and {"model": about.model, "firmware": about.firmware, "serial": about.serial},
        "capabilities": {
            "update": can.update,
            "atomicity": can.atomicity,
            "save": can.save,
            "nativeless": can.nativeless,
            "vlans": list(can.vlans),
            "own_vlans": sorted(own),
            "confirm_timer": can.confirm_timer and list(can.confirm_timer),
        },
        "ports": [_port_dict(one) for one in judged],
        "unknown_ports": {port: observed_json(found.ports[port]) for port in unknown},
    }


def _port_dict(judged: Judged) -> dict[str, Any]:
    wire = judged.wire
    return {
        "port": wire.port,
        "nic": wire.nic or None,
        "now": judged.now and observed_json(judged.now),
        "want": wire.want and {"native": wire.want.native, "tagged": sorted(wire.want.tagged)},
        "pending": wire.pending,
        "locked": wire.locked,
        "wrong": judged.wrong,
        "verdict": judged.verdict,
    }
