"""`hil-admin plan`: what the workers would send, and to whom."""

from __future__ import annotations

import click

from hil.admin.here import Here, as_json
from hil.cli.lazy import Command
from hil.services import plan as plans
from hil.services.plan import PlannedSwitch


@click.command("plan", cls=Command, examples=("hil-admin plan",))
@click.option("--json", "json_", is_flag=True, help="For programs.")
@click.pass_obj
def plan(here: Here, json_: bool) -> None:
    """Show, for each switch with pending work, what would be sent to it; nothing is sent.

    It is worked out from what was read back last: a worker reads again before it writes.
    """
    found = here.read(plans.plan)
    if json_:
        return as_json([_as_dict(switch) for switch in found])
    for switch in found:
        click.echo(f"{switch.switch} ({switch.driver})")
        for port in switch.ports:
            click.echo(f"  {port.port}: {'never read' if port.have is None else port.have} -> {port.want}")
        for line in [f"! {switch.error}"] if switch.error else [f"> {line}" for line in switch.lines]:
            click.echo(f"  {line}")
    if not found:
        click.echo("nothing is pending")


def _as_dict(switch: PlannedSwitch) -> dict[str, object]:
    ports = [
        {"port": port.port, "have": None if port.have is None else str(port.have), "want": str(port.want)}
        for port in switch.ports
    ]
    return {
        "switch": switch.switch,
        "driver": switch.driver,
        "read_at": switch.read_at,
        "ports": ports,
        "lines": list(switch.lines),
        "error": switch.error,
    }
