"""The root command: its options, its nouns, and where an error of ours becomes lines and exit status 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hil import __version__
from hil.admin.here import Here
from hil.cli.lazy import Group
from hil.core.errors import HilError

NOUNS = {
    "db": "The database: bring its schema up to date, check it.",
    "user": "Users: make the first operator, set a lost password.",
    "audit": "The journal: read it, and prove that nobody changed it.",
    "inventory": "Switches, ports, nodes and wiring, from and to one YAML file.",
    "key": "The keys that encrypt secrets in the database.",
    "obm": "Out-of-band management: the key that signs, the keys of obmd's database.",
    "pool": "The VLAN ids that HIL may hand out.",
    "switch": "Try whether a registered switch can be driven.",
    "wiring": "Compare the registered wiring with what the switches see.",
}
LAZY = {noun: (f"hil.admin.{noun}:{noun}", line) for noun, line in NOUNS.items()}
LAZY["inventory"] = ("hil.admin.inventory.command:inventory", NOUNS["inventory"])
LAZY["plan"] = ("hil.admin.plan:plan", "Show what would be sent to the switches, without sending it.")


class Admin(Group):
    """The root group: a refusal of HIL's is told in lines, one for each reason."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HilError as error:
            for line in error.message.splitlines():
                click.echo(f"hil-admin: {line}", err=True)
            raise click.exceptions.Exit(1) from error


@click.group(
    cls=Admin,
    lazy=LAZY,
    examples=(
        "hil-admin --config /etc/hil/hil.toml db upgrade",
        "hil-admin user create ann --operator",
        "hil-admin inventory apply site.yaml",
    ),
)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="The configuration.  [env: HIL_CONFIG]")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where `hil serve` keeps database and keys, if they are not configured.",
)
@click.version_option(__version__, "-V", "--version", prog_name="hil-admin", message="%(prog)s %(version)s")
@click.pass_context
def admin(ctx: click.Context, config: Path | None, state: Path | None) -> None:
    """Look after HIL on the machine that runs it.

    It works on the database itself, with or without a running HIL, and reads the same configuration. Exit status:
    0 done, 1 refused or failed, 2 a command line that cannot be meant.
    """
    ctx.obj = Here(config, state)
