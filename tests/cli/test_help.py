"""The shape of the command line: everything has help and an example, nothing takes a password, nothing is slow."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

import hil.main
from hil.cli.app import NOUNS, VERBS, app
from hil.cli.lazy import Command, Group
from tests.cli.terminal import clean, run

assert hil.main.app is app
OURS = {**NOUNS, **VERBS}


def walk(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield ctx.command_path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            if ctx.parent is not None or name in OURS:
                child = command.get_command(ctx, name)
                assert child is not None
                yield from walk(child, click.Context(child, info_name=name, parent=ctx))


COMMANDS = dict(walk(app, click.Context(app, info_name="hil")))
LEAVES = {path: command for path, command in COMMANDS.items() if not isinstance(command, click.Group)}


def test_every_noun_and_verb_that_was_promised_is_there() -> None:
    promised = """
    node list|show|allocate|release|register|delete|label|metadata|quarantine|maintenance|return
    node power|boot|sensors|events|identify|media|firmware|console
    node recording list|recording show|recording search|recording replay
    node obm show|obm enable|obm disable|obm set|obm unset
    network create|list|show|delete|connect|detach|grant|revoke|publish|unpublish|attachments
    project list|show|create|delete|quota|enable|disable
    nic list|add|delete
    switch list|show|register|update|delete|drivers
    port list|show|register|delete|wire|unwire|lock|unlock|unquarantine|revert|give-up
    user list|show|create|delete|password|promote|demote
    key list|create|delete|ssh list|ssh add|ssh delete
    member list|set|remove
    operation list|show|wait|cancel
    pool show|set
    event follow
    """
    lines = (line.strip().split(" ", 1) for line in promised.strip().splitlines())
    paths = {f"hil {noun} {verb}" for noun, verbs in lines for verb in verbs.split("|")}
    assert paths | {f"hil {verb}" for verb in VERBS} == set(LEAVES)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_explains_itself_and_every_leaf_has_an_example(path: str) -> None:
    ran = run(f"{path.removeprefix('hil')} --help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: {path}")
    command = COMMANDS[path]
    assert command.help
    if path in LEAVES:
        assert isinstance(command, Command)
        assert command.examples
        assert "Example" in ran.out
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    "example", sorted({example for c in LEAVES.values() for example in getattr(c, "examples", ())})
)
def test_every_example_is_a_command_line_that_is_understood(example: str) -> None:
    """Parse it as `hil` would, and stop before anything is done."""
    stages = [stage.split("#")[0] for stage in example.replace("<(", "| ").replace(")", "").split("|")]
    words = next(shlex.split(stage) for stage in stages if stage.strip().startswith("hil "))
    words = ["-" if word.endswith((".yaml", ".pub")) else word for word in words]
    ctx, command, rest = click.Context(app, info_name="hil"), app, words[1:]
    while isinstance(command, Group):
        ctx = command.make_context(ctx.info_name, rest, parent=ctx.parent)
        name, found, rest = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert found is not None
        command, ctx = found, click.Context(found, info_name=name, parent=ctx)  # type: ignore[assignment]  # the last is a leaf
    with CliRunner().isolation(input="host: x\n"):
        command.make_context(ctx.info_name, rest, parent=ctx.parent)


@pytest.mark.parametrize("name", OURS)
def test_the_line_that_a_group_keeps_is_the_commands_own(name: str) -> None:
    command = app.get_command(click.Context(app), name)
    assert command is not None
    words = " ".join((command.help or "").split())
    assert words == app.line(name) or words.startswith((f"{app.line(name)} ", f"{app.line(name)[:-1]}, "))


def test_no_password_or_token_is_ever_an_argument() -> None:
    def words(parameter: Any) -> list[str]:
        return [*parameter.opts, *parameter.secondary_opts]

    secret = [
        (path, words(parameter))
        for path, command in COMMANDS.items()
        for parameter in command.params
        if any(part in " ".join(words(parameter)) for part in ("password", "token", "secret"))
        and not getattr(parameter, "is_flag", False)
    ]
    assert secret == []


def test_help_waits_for_no_library() -> None:
    program = (
        "import sys\nfrom hil.main import app\ntry: app(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True, env=clean()
    )
    slow = {"httpx", "rich", "yaml", "sqlalchemy", "fastapi", "pydantic", "asyncio", "hil.client"}
    assert slow & set(done.stderr.split()) == set()
    assert "node" in done.stdout


def test_others_can_add_their_commands() -> None:
    group = Group("x", lazy={"json": ("json:dumps", "Loaded when called.")})
    group.add_lazy("other", "hil.cli.commands.pool:pool", "The pool.")
    ctx = click.Context(group)
    assert group.list_commands(ctx) == ["json", "other"]
    assert group.line("other") == "The pool."
    other = group.get_command(ctx, "other")
    assert other is not None
    assert other.name == "pool"
    assert group.get_command(ctx, "absent") is None
