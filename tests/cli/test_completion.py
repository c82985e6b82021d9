"""Completion in bash, zsh and fish, of commands and of live names; and what it must never do."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from hil.cli.complete import SOURCES
from hil.cli.shells import quote, script
from hil.main import app
from tests.cli.terminal import Terminal, clean, run
from tests.client.server import MAIN, Server, World

SHELLS = ["bash", "zsh", "fish"]
BREAKS = " \t\n\"'@><=;|&(:"


def complete(shell: str, line: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Ask as the script of a shell does, for the end of a line; answers the values that it would offer."""
    words = line.split(" ")
    asked = {"_HIL_COMPLETE": f"{shell}_complete"}
    if shell == "bash":
        asked |= {"COMP_LINE": line, "COMP_BREAKS": BREAKS, "COMP_NAME": "hil"}
    elif shell == "zsh":
        asked |= {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    else:
        asked |= {"COMP_WORDS": line, "COMP_CWORD": words[-1]}
    ran = run("", {**(environ or {}), **asked})
    assert ran.code == 0, ran
    assert ran.err == ""
    if shell == "zsh":
        return ran.out.splitlines()[1::3]
    return [row.partition(",")[2].split("\t")[0] for row in ran.out.splitlines() if row]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("hil no", ["node"]),
        ("hil network ", None),
        ("hil network con", ["connect"]),
        ("hil network connect --no", ["--no-wait"]),
        ("hil node list --state fr", ["free"]),
        ("hil node list -o ", ["table", "json", "yaml", "csv"]),
        ("hil completion ", ["bash", "zsh", "fish"]),
        ("hil -v --profile x member set ann man", ["manager"]),
        ("hil bogus ", None),
    ],
)
def test_commands_options_and_choices_are_completed(shell: str, line: str, offers: list[str] | None) -> None:
    found = complete(shell, line)
    if offers is not None:
        assert found == offers
    elif "network" in line:
        assert {"connect", "detach", "grant", "publish"} <= set(found)
    else:
        assert "node" not in found or line == "hil bogus "


def test_completing_commands_speaks_to_nobody_and_loads_no_library() -> None:
    program = (
        f"import sys\ntry:\n {MAIN.replace('; ', chr(10) + ' ')}\nfinally: print(*sys.modules, file=sys.__stderr__)"
    )
    environ = clean({"_HIL_COMPLETE": "bash_complete", "COMP_LINE": "hil no", "COMP_NAME": "hil"})
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout == "plain,node\n"
    assert {"httpx", "rich", "hil.client"} & set(done.stderr.split()) == set()


@pytest.mark.net
@pytest.mark.parametrize("shell", SHELLS)
def test_live_names_of_every_kind_are_completed(shell: str, world: World) -> None:
    environ = world.server.environ()
    network = world.network()
    operation = world.operator.ports.revert(world.switch, "gi1/0/1").wait(30)
    begin = {
        f"hil node show {world.prefix[:-1]}": world.nodes,
        f"hil network show {network[:-1]}": [network],
        f"hil project show {world.project[:-1]}": [world.project],
        f"hil network create x -p {world.project[:-1]}": [world.project],
        f"hil switch show {world.switch}": [world.switch],
        f"hil port show {world.switch} gi1/0/": [f"gi1/0/{at}" for at in range(1, 5)],
        f"hil nic delete {world.nodes[0]} e": ["eth0"],
        "hil user show ro": ["root"],
        f"hil member remove -p {world.project} a": ["ann"],
        f"hil operation show {operation.id[:-1]}": [operation.id],
        "hil switch register x --driver emu": ["emulated"],
        f"hil node release {world.nodes[0]},{world.prefix}": [f"{world.nodes[0]},{node}" for node in world.nodes],
        f"hil network connect {network} {world.prefix}[1-2],{world.nodes[2]}": [
            f"{world.prefix}[1-2],{world.nodes[2]}"
        ],
    }
    for line, names in begin.items():
        found = complete(shell, line, environ)
        if shell == "bash":
            found = [shlex.split(value)[0] for value in found]
        assert set(names) <= set(found), line


@pytest.mark.net
def test_labels_are_completed_in_noderanges(world: World) -> None:
    environ = world.server.environ()
    assert "@world" in complete("zsh", "hil node list @wo", environ)
    # Bash cuts words at `=` and replaces what follows; it leaves `@` with its word.
    assert "@world" in complete("bash", "hil node list @wo", environ)
    assert complete("bash", f"hil node list @world={world.label}", environ)[0] == world.label
    assert complete("bash", f"hil node list {world.nodes[0]},@world={world.label}", environ)[0] == world.label
    assert complete("zsh", "hil node list n[01-", environ) == []


@pytest.mark.net
@pytest.mark.parametrize("shell", SHELLS)
def test_who_may_not_ask_and_who_is_not_there_offer_nothing_in_silence(
    shell: str, server: Server, tmp_path: Path
) -> None:
    line = "hil node show "
    assert complete(shell, line, {"HIL_ENDPOINT": server.endpoint}) == []
    assert complete(shell, line, {"HIL_ENDPOINT": "http://127.0.0.1:9"}) == []
    assert complete(shell, line, {"HIL_ENDPOINT": "nonsense"}) == []
    assert complete(shell, line, {"HIL_USERNAME": "ann", "HIL_ENDPOINT": server.endpoint}) == []
    (tmp_path / "hil").mkdir()
    (tmp_path / "hil" / "config.toml").write_text("nonsense")
    assert complete(shell, line, {"XDG_CONFIG_HOME": str(tmp_path)}) == []


@pytest.mark.net
def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    """It accepts connections and says nothing, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        environ = clean({"_HIL_COMPLETE": "zsh_complete", "COMP_WORDS": "hil node show ", "COMP_CWORD": "3"})
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", MAIN], env={**environ, "HIL_ENDPOINT": endpoint}, capture_output=True, check=True
        )
        assert done.stdout.strip() == done.stderr == b""
        assert time.monotonic() - begun < 10  # a client's own patience is 30 s, and four times that


def test_completion_never_asks_for_a_password() -> None:
    ran = run("", {"_HIL_COMPLETE": "bash_complete", "COMP_LINE": "hil login ", "HIL_USERNAME": "ann"}, stdin="x\n")
    assert (ran.out.strip(), ran.err) == ("", "")


@pytest.mark.parametrize(
    ("value", "typed", "quoted"),
    [
        ("node01", "", "node01"),
        ("a b", "", r"a\ b"),
        ("$(reboot)", "", r"\$\(reboot\)"),
        ("it's", "", r"it\'s"),
        ("n[01-02],x", "", r"n\[01-02\],x"),
        ("@gpu=a100", "", "@gpu=a100"),
        ("a!b*c", "", r"a\!b\*c"),
        ("a b", "'a", "a b"),
        ("it's", "'i", None),
        ("a b", '"a', "a b"),
        ("$(reboot)", '"$', None),
        ("a\nb", "", None),
        ("a\x1bb", "", None),
    ],
)
def test_a_name_is_quoted_so_that_bash_takes_it_for_itself(value: str, typed: str, quoted: str | None) -> None:
    assert quote(value, typed) == quoted
    if quoted is not None and typed == "":
        echoed = subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, text=True, check=True)
        assert echoed.stdout == value


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(shell: str) -> None:
    ran = run(f"completion {shell}")
    assert ran.code == 0
    assert ran.out == script(shell, "hil", app)
    assert "_HIL_COMPLETE" in ran.out


def program(directory: Path) -> str:
    """A `hil` in a directory; answers a PATH that begins with it."""
    path = directory / "hil"
    path.write_text(f"#!{sys.executable}\n{MAIN}\n")
    path.chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


@pytest.mark.net
def test_a_real_bash_completes_while_somebody_types(world: World, tmp_path: Path) -> None:
    network = world.operator.networks.create(f"$(touch {world.prefix})", None, public=True).name
    environ = {**world.server.environ(), "PATH": program(tmp_path), "TERM": "dumb", "PS1": "$ ", "HOME": str(tmp_path)}
    bash = Terminal(["bash", "--norc", "--noprofile", "-i"], environ)
    try:
        bash.type(
            f"cd {tmp_path}; bind 'set bell-style none'; source <(hil completion bash); echo rea''dy\n", "ready\n"
        )
        bash.type("hil netw\tsho\t", "network show ")
        bash.type("\\$\\(touch\\ " + world.prefix[:-1] + "\t", f"{world.prefix}\\) ")
        shown = bash.type("-o json\n", '"channels"')
        assert network in shown
        bash.type(f"hil node list @world={world.label}\t -o csv\n", world.nodes[3])
        bash.type(f"hil node show {world.nodes[0]}\t -o csv\n", f"{world.nodes[0]},free")
    finally:
        bash.close()
    assert not (tmp_path / world.prefix).exists()


@pytest.mark.net
def test_bash_runs_the_sourced_function(world: World, tmp_path: Path) -> None:
    text = f"""
        source <(hil completion bash)
        complete -p hil
        compopt() {{ :; }}
        COMP_LINE="hil node show {world.prefix}"; COMP_POINT=${{#COMP_LINE}}
        _hil_completion hil "{world.prefix}" show
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environ = clean({**world.server.environ(), "PATH": program(tmp_path)})
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True, env=environ)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["complete -o nosort -F _hil_completion hil", *world.nodes]


def test_every_kind_of_name_in_the_commands_has_a_source() -> None:
    from tests.cli.test_help import COMMANDS

    kinds = {
        parameter.type.name
        for command in COMMANDS.values()
        for parameter in command.params
        if type(parameter.type).__name__ == "Live"
    }
    assert kinds - {"noderange"} <= SOURCES.keys()
    assert SOURCES.keys() - {"label"} == kinds - {"noderange"}
