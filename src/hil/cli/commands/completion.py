"""`hil completion`: the script that makes a shell complete commands and live names."""

from __future__ import annotations

import click

from hil.cli.lazy import Command


@click.command(
    "completion",
    cls=Command,
    examples=(
        "source <(hil completion bash)          # in ~/.bashrc",
        "source <(hil completion zsh)           # in ~/.zshrc, after compinit",
        "hil completion fish | source           # in ~/.config/fish/config.fish",
    ),
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands and options, and the names of nodes, networks, projects, switches, ports, users and
    operations, which it asks HIL for. It waits for less than a second and stays silent when HIL does not answer.
    """
    from hil.cli.shells import script

    root = ctx.find_root()
    click.echo(script(shell, root.info_name or "hil", root.command), nl=False)
