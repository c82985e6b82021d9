"""The reference of the command line, from the commands themselves."""

from collections.abc import Iterator

import click

from hil.cli.app import NOUNS, VERBS, app
from hil.cli.exits import MEANINGS
from hil.cli.lazy import Command, Group

OUTPUT = "docs/users/cli.md"

HEAD = """\
# The command line

`hil NOUN VERB`, for people and for scripts. Every command has `--help` with examples.

## Where HIL is, and who you are

In this order:

1. `--endpoint` and `--profile` on the command line, before the noun;
2. the environment: `HIL_ENDPOINT`, `HIL_TOKEN`, or `HIL_USERNAME` with `HIL_PASSWORD`, `HIL_CA_FILE`, `HIL_PROJECT`;
3. the profile that `--profile` or `HIL_PROFILE` names, else the profile `default`;
4. `http://127.0.0.1:5000`, where `hil serve` listens.

`hil login` makes an API key and writes it into a profile, in the file that `HIL_PROFILE_FILE` names, else in
`$XDG_CONFIG_HOME/hil/config.toml` or `~/.config/hil/config.toml`. The file is yours alone: one that holds a secret and
that others may read is refused.
Credentials come from one place and are never mixed, and those of a profile go to its own endpoint only.

```toml
[default]
endpoint = "https://hil.example.org"
token = "hil_…"            # or username and password
project = "blue"           # what --project is when you leave it out
ca_file = "/etc/ssl/our-ca.pem"
```

A password is never an argument, which everybody on the machine could read: it is asked for, read from standard input
(`--password-stdin`) or taken from the environment.

## Many nodes at once

Where a command says NODERANGE, it takes any of these, one or more:

| | |
|---|---|
| `node01` | one node |
| `a,b` | several |
| `node[01-16,20]` | numbers, padded as they are written; several brackets multiply |
| `@gpu=a100` | every node with this label; also `@key`, `@!key`, `@key!=value` |
| `@gpu=a100@rack=r1` | every node for which all of it holds |
| `a\\,b` | a backslash takes a sign for itself |

A node whose exact name is `a,b` wins over what the comma would mean. A range means at most 10,000 nodes. Your shell may
want quotes around brackets and exclamation marks: `'node[01-16]'`.

`allocate`, `connect` and `detach` are one request: all nodes or none. The other verbs go node by node, several at a
time; each node gets a line, and one that fails keeps no other from being tried.

## Waiting

A change of wires is accepted at once and done when the switch has confirmed it. Commands wait for that (`--wait`, the
default), with a bar on a terminal, for at most `--timeout`. `--no-wait` prints the operation's id instead, for
`hil operation wait`. An interrupt ends the waiting; the operation goes on.

## Output

`-o table` (the default, or `HIL_OUTPUT`) is for people: coloured on a terminal, plain aligned text in a pipe. `-o json`
and `-o yaml` hold everything that the server says, `-o csv` the columns of the table. What can go wrong is told in one
line on standard error: `hil: what: what to do`. `HIL_DEBUG=1` adds where in the program, `-v` shows each request.

## Exit codes

"""

COMPLETION = """
## Completion

```bash
source <(hil completion bash)     # in ~/.bashrc
source <(hil completion zsh)      # in ~/.zshrc, after compinit
hil completion fish | source      # in ~/.config/fish/config.fish
```

It completes commands, options and live names (nodes, labels, networks, projects, switches, ports, users, keys,
operations). When HIL does not answer within a second, it offers nothing and says nothing.
"""


def usage(ctx: click.Context) -> str:
    return " ".join([ctx.command_path, *ctx.command.collect_usage_pieces(ctx)])


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def options(ctx: click.Context) -> Iterator[str]:
    """The rows of a table of a command's options, as its help shows them."""
    for parameter in ctx.command.params:
        record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield f"| `{cell(record[0])}` | {cell(record[1])} |\n"


def leaf(ctx: click.Context) -> Iterator[str]:
    command = ctx.command
    yield f"\n### {ctx.command_path}\n\n```\n{usage(ctx)}\n```\n\n{click.unstyle(command.help or '')}\n"
    rows = list(options(ctx))
    if rows:
        yield "\n| option | |\n|---|---|\n" + "".join(rows)
    if isinstance(command, Command) and command.examples:
        yield "\n```bash\n" + "".join(f"{example}\n" for example in command.examples) + "```\n"


def commands(group: Group, ctx: click.Context, names: list[str]) -> Iterator[str]:
    for name in names:
        command = group.get_command(ctx, name)
        if command is None:
            raise SystemExit(f"{ctx.command_path} {name} cannot be loaded")
        inner = click.Context(command, info_name=name, parent=ctx)
        if isinstance(command, Group):
            yield f"\n## hil {name}\n\n{command.help}\n"
            yield from commands(command, inner, command.list_commands(inner))
        else:
            yield from leaf(inner)


def text() -> str:
    codes = "| code | meaning |\n|---|---|\n" + "".join(f"| {int(code)} | {MEANINGS[code]} |\n" for code in MEANINGS)
    root = click.Context(app, info_name="hil")
    body = "".join(commands(app, root, sorted(NOUNS)))
    rest = "\n## Others\n" + "".join(commands(app, root, sorted(VERBS)))
    return HEAD + codes + COMPLETION + body + rest
