"""The root command, `hil`: its options, its nouns, and the one place where an error becomes a line and an exit code.

Others add their commands with `app.add_lazy(name, "module:attribute", "one line of help")` and call `app()`. Nothing
but click is imported until a command is known: `hil --help` must not wait for an HTTP library.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from os import environ
from typing import Any

import click

from hil import __version__
from hil.cli.lazy import Group
from hil.cli.session import Session

NOUNS = {
    "node": "Machines: take, release, describe and look after them.",
    "nic": "Network cards of a node.",
    "project": "Projects: who owns nodes and networks.",
    "member": "Who belongs to a project, and as what.",
    "network": "Networks: make, share, connect nodes to them.",
    "switch": "Switches that HIL configures.",
    "port": "Ports of a switch, and which NIC is behind each.",
    "pool": "The VLAN ids that HIL may hand out.",
    "user": "People and programs that may log in.",
    "key": "API keys: tokens that act for a user.",
    "operation": "Accepted changes: watch, wait for, cancel.",
    "event": "What happens, as it happens.",
}
VERBS = {
    "plan": ("hil.cli.commands.watch:plan", "Show what pending work would send to the switches."),
    "trouble": ("hil.cli.commands.watch:trouble", "Show what does not settle: ports, switches, nodes that wait."),
    "journal": ("hil.cli.commands.watch:journal", "Show the journal: who did what to what."),
    "whoami": ("hil.cli.commands.account:whoami", "Show who HIL takes you for."),
    "login": ("hil.cli.commands.account:login", "Make an API key and keep it in a profile."),
    "logout": ("hil.cli.commands.account:logout", "Revoke a profile's API key and forget it."),
    "completion": ("hil.cli.commands.completion:completion", "Print the completion script of a shell."),
    "version": ("hil.cli.commands.account:version", "Show the versions of this program and of the server."),
}
LAZY = {noun: (f"hil.cli.commands.{noun}:{noun}", line) for noun, line in NOUNS.items()} | VERBS


class App(Group):
    """The root group. Called as a program, it answers every error with one line and a promised exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = "hil",
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if f"_{prog_name}_COMPLETE".upper() in environ:
            from hil.cli import shells

            shells.answer(self, prog_name or "hil")
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        try:
            status = super().main(args, prog_name, complete_var, False, **extra)
        except BaseException as error:
            try:
                from hil.cli.explain import explain

                sys.exit(explain(error))
            except KeyboardInterrupt:  # somebody is in a hurry to leave
                sys.exit(130)
        sys.exit(status if isinstance(status, int) else 0)


@click.group(
    cls=App,
    lazy=LAZY,
    examples=(
        "hil login https://hil.example.org",
        "hil network create lab",
        "hil node allocate node[01-04]",
        "hil network connect lab node[01-04]",
    ),
)
@click.option("--endpoint", metavar="URL", help="Where HIL is.  [env: HIL_ENDPOINT]")
@click.option("--profile", metavar="NAME", help="The profile to use.  [env: HIL_PROFILE]")
@click.option("-v", "--verbose", is_flag=True, help="Show each request on standard error.")
@click.version_option(__version__, "-V", "--version", prog_name="hil", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context, endpoint: str | None, profile: str | None, verbose: bool) -> None:
    """Share the machines of one data centre: nodes, networks, and the wires between them.

    Where HIL is and who you are comes from the environment (HIL_ENDPOINT, HIL_TOKEN, or HIL_USERNAME and
    HIL_PASSWORD), or from the profile that `hil login` writes. NODERANGE names many nodes at once: node[01-16,20],
    a,b, or @label=value for all that carry a label.
    """
    ctx.obj = Session(endpoint=endpoint, profile=profile, verbose=verbose)
    ctx.call_on_close(ctx.obj.close)
