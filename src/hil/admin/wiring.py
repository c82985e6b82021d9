"""`hil-admin wiring`: is every cable where the books say. It asks the switches and changes nothing, anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from hil.admin.here import NAME, Here, as_json, table
from hil.admin.switch import OUTPUT
from hil.admin.switch_ask import Sight, sight
from hil.admin.switch_books import Book, switch_books
from hil.admin.wiring_compare import Finding, compare
from hil.cli.lazy import Group
from hil.cli.output import printable
from hil.cli.progress import bar
from hil.core.errors import HilError, NotFound
from hil.process import compose

AT_ONCE: Final = 32
"""Switches asked side by side; a slow one delays only those that wait for its place."""


@click.group("wiring", cls=Group)
def wiring() -> None:
    """Compare the registered wiring with what the switches see."""


@wiring.verb("check", "hil-admin wiring check", "hil-admin wiring check leaf1 leaf2 -o json")
@click.argument("switches", nargs=-1, metavar="[SWITCH]...")
@OUTPUT
@click.pass_obj
def check(here: Here, switches: tuple[str, ...], output: str) -> None:
    """Name every port where LLDP or the MAC table disagrees with the books. Nothing is changed.

    Exit status 1 if anything disagrees or a switch cannot be asked. Warnings, such as a NIC that was not seen because
    its node is off, do not count. What a machine says of itself can be false: look at the cable.
    """
    with here.store() as store:
        books = compose.local_read(store, NAME, lambda ctx: switch_books(ctx, store.keys))
    if missing := sorted(set(switches) - {book.name for book in books}):
        raise NotFound(f"There is no switch {missing[0]!r}: `hil switch list` shows them.")
    asked = [book for book in books if not switches or book.name in switches]
    with bar("asking switches", len(asked)) as advance:
        sights = asyncio.run(_sights(asked, advance))
    findings = compare(books, sights)
    if output == "json":
        as_json(_as_dict(asked, sights, findings))
    else:
        _show(asked, sights, findings)
    if any(not finding.warning for finding in findings):
        raise click.exceptions.Exit(1)


async def _sights(books: Sequence[Book], advance: Callable[[int, str], None]) -> dict[str, Sight]:
    """Ask all of them side by side; one that fails hides none of the others."""
    places = asyncio.Semaphore(AT_ONCE)
    found: dict[str, Sight] = {}

    async def one(book: Book) -> None:
        async with places:
            try:
                found[book.name] = await sight(book)
            except HilError as error:
                found[book.name] = Sight(error=error.message)
        advance(len(found), book.name)

    await asyncio.gather(*(one(book) for book in books))
    return {book.name: found[book.name] for book in books}


def _show(asked: Sequence[Book], sights: dict[str, Sight], findings: Sequence[Finding]) -> None:
    if findings:
        rows = [
            ("warning" if each.warning else "WRONG", each.switch, each.port or "-", each.what, printable(each.words))
            for each in findings
        ]
        table(("", "SWITCH", "PORT", "WHAT", "SEEN"), rows)
        click.echo()
    for book in asked:
        if lacks := _lacks(sights[book.name]):
            click.echo(f"{book.name}: its driver {book.driver} cannot tell {lacks}")
    wired = sum(bool(wire.nic) for book in asked for wire in book.wires)
    wrong = sum(not each.warning for each in findings)
    click.echo(
        f"{_count(len(asked), 'switch', 'switches')} asked, {_count(wired, 'wired port', 'wired ports')}: "
        f"{wrong or 'nothing'} wrong, {_count(len(findings) - wrong, 'warning', 'warnings')}"
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"


def _lacks(sight: Sight) -> str:
    """What a switch was not asked for because its driver cannot."""
    if sight.error:
        return ""
    kinds = [("MAC addresses", sight.macs), ("LLDP neighbours", sight.neighbours)]
    return " or ".join(name for name, found in kinds if found is None)


def _as_dict(asked: Sequence[Book], sights: dict[str, Sight], findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "switches": {
            book.name: {
                "error": sights[book.name].error or None,
                "tells_macs": sights[book.name].macs is not None,
                "tells_neighbours": sights[book.name].neighbours is not None,
                "wired_ports": sum(bool(wire.nic) for wire in book.wires),
            }
            for book in asked
        },
        "findings": [
            {
                "switch": each.switch,
                "port": each.port or None,
                "what": each.what,
                "warning": each.warning,
                "words": each.words,
            }
            for each in findings
        ],
    }
