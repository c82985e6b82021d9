"""`hil switch`: the switches that HIL configures."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import click

from hil.cli import params
from hil.cli.exits import Exit
from hil.cli.lazy import Group
from hil.cli.output import emit, emit_one
from hil.cli.session import Fault, Session

switch = Group("switch", help="Switches that HIL configures.")
COLUMNS = "name driver audit error contact_at pending oldest_taint"
FACTS = "name driver audit config. lane. capabilities."
MODES = ("report", "heal", "quarantine")


def config_option(required: bool) -> Callable[[params.F], params.F]:
    return click.option(
        "--config",
        type=click.File("r"),
        required=required,
        help="A file with the driver's settings as JSON or YAML; - is standard input.",
    )


def config_read(file: IO[str]) -> dict[str, Any]:
    """Read a switch's settings. They hold a password, which is why they are no arguments."""
    import yaml

    try:
        data = yaml.safe_load(file)
    except yaml.YAMLError as error:
        raise Fault(f"{file.name} is neither JSON nor YAML: {error}", code=Exit.USAGE) from error
    if not isinstance(data, dict):
        raise Fault(f"{file.name} holds no settings", "write `host: …` and so on", Exit.USAGE)
    return data


@switch.verb("list", "hil switch list")
@params.output
@click.pass_obj
def switch_list(session: Session, output: str) -> None:
    """List switches, and how HIL gets on with each."""
    found = session.client.switches.list()
    if output in ("table", "csv"):
        emit([{**entry.lane, **entry.raw} for entry in found], COLUMNS, output)
    else:
        emit(found, COLUMNS, output)


@switch.verb("show", "hil switch show sw1")
@params.argument("switch")
@params.output
@click.pass_obj
def show(session: Session, switch: str, output: str) -> None:
    """Show one switch: settings without secrets, state of its lane, capabilities."""
    emit_one(session.client.switches.get(switch), FACTS, output)


@switch.verb("drivers", "hil switch drivers")
@params.output
@click.pass_obj
def drivers(session: Session, output: str) -> None:
    """List the kinds of switch that this HIL can configure; -o json shows the settings of each."""
    emit(session.client.switches.drivers(), "name title", output)


@switch.verb("register", "hil switch register sw1 --driver ovs --config sw1.yaml --audit heal")
@click.argument("name")
@params.option("driver", "--driver", required=True, help="What kind of switch it is.")
@config_option(required=True)
@click.option("--audit", type=click.Choice(MODES), help="What to do about changes by hand.")
@params.output
@click.pass_obj
def register(session: Session, name: str, driver: str, config: IO[str], audit: str | None, output: str) -> None:
    """Make a switch known to HIL. Operators only."""
    made = session.client.switches.register(name, driver, config_read(config), audit=audit)
    emit_one(made, FACTS, output)


@switch.verb("update", "hil switch update sw1 --audit quarantine")
@params.argument("switch")
@config_option(required=False)
@click.option("--audit", type=click.Choice(MODES), help="What to do about changes by hand.")
@params.output
@click.pass_obj
def update(session: Session, switch: str, config: IO[str] | None, audit: str | None, output: str) -> None:
    """Replace a switch's settings, or what is done about drift. Operators only."""
    if config is None and audit is None:
        raise click.UsageError("Say --config or --audit.", click.get_current_context())
    settings = None if config is None else config_read(config)
    emit_one(session.client.switches.change(switch, config=settings, audit=audit), FACTS, output)


@switch.verb("delete", "hil switch delete sw1")
@params.argument("switch")
@click.pass_obj
def delete(session: Session, switch: str) -> None:
    """Forget a switch that has no ports. Operators only."""
    session.client.switches.delete(switch)
