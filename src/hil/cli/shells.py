"""Completion in bash, zsh and fish: the scripts that `hil completion` prints, and the answers that they ask for.

Names come from other people, and a shell would run what stands in `$(…)`: everything that bash inserts is quoted here
(zsh and fish quote by themselves). Bash also cuts words at signs like `=` and `:`, and replaces only what follows; it
is therefore given the rest of a word from there, and the words are read from the line itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Any, ClassVar, NoReturn

import click
from click.shell_completion import (
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

BASH = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain) COMPREPLY+=("$value") ;;
            open) COMPREPLY+=("$value"); compopt -o nospace ;;
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" COMP_NAME="$1" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

FISH = """\
function %(complete_func)s
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect --allow-empty) \\
        COMP_CWORD=(commandline -ct | string collect --allow-empty) %(prog_name)s 2>/dev/null)
    for line in $response
        set -l parts (string split --max 1 "," -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories
            case file
                __fish_complete_path
            case plain
                echo -- $parts[2]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""

SAFE = re.compile(r"[\w@%+=:,./~-]*", re.ASCII)


class Bash(ShellComplete):
    """Bash 4.4 and later."""

    name: ClassVar[str] = "bash"
    source_template: ClassVar[str] = BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        self.typed = _last_word(line)
        words = split_arg_string(line[: len(line) - len(self.typed)])
        command = os.environ.get("COMP_NAME", self.prog_name)
        words = words[words.index(command) + 1 :] if command in words else words[1:]
        return words, (split_arg_string(self.typed) or [""])[0]

    def format_completion(self, item: CompletionItem[str]) -> str:
        if item.type != "plain":
            return f"{item.type},"
        kept = _kept(self.typed, os.environ.get("COMP_BREAKS", ""))
        value = quote(item.value[kept:], self.typed)
        return "" if value is None else f"{'open' if item.value.endswith('=') else 'plain'},{value}"

    def complete(self) -> str:
        return "\n".join(filter(None, super().complete().split("\n")))


class Fish(FishComplete):
    """As click's, but a value may hold commas."""

    source_template: ClassVar[str] = FISH

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_WORDS"])
        typed = os.environ.get("COMP_CWORD", "")
        return words[1:-1] if typed else words[1:], (split_arg_string(typed) or [""])[0]


def quote(value: str, typed: str) -> str | None:
    """Write a completion so that bash takes every sign of it for itself; None if that cannot be done."""
    if not value.isprintable():
        return None
    if typed.startswith("'"):
        return None if "'" in value else value
    if typed.startswith('"'):
        return value if SAFE.fullmatch(value.replace(" ", "")) else None
    return re.sub(r"([^\w@%+=:,./-])", r"\\\1", value, flags=re.ASCII)


def _last_word(line: str) -> str:
    """What has been typed of the last word, quotes and all."""
    start, quoted, escaped = 0, "", False
    for at, sign in enumerate(line):
        if escaped:
            escaped = False
        elif sign == "\\" and quoted != "'":
            escaped = True
        elif quoted:
            quoted = "" if sign == quoted else quoted
        elif sign in "'\"":
            quoted = sign
        elif sign in " \t\n":
            start = at + 1
    return line[start:]


def _kept(typed: str, breaks: str) -> int:
    """How many signs of the word stay as they are: those up to the last one at which bash cut it."""
    if typed[:1] in ("'", '"'):
        return 0
    kept, length, escaped = 0, 0, False
    for sign in typed:
        if sign == "\\" and not escaped:
            escaped = True
            continue
        length += 1
        if sign in breaks and not escaped:
            # Readline leaves `@` and `$` with the word that follows (bashline.c, rl_special_prefixes).
            kept = length - (sign in "@$")
        escaped = False
    return kept


def script(shell: str, prog_name: str, cli: click.Command) -> str:
    """The script that a shell sources."""
    kind: type[ShellComplete] = {"bash": Bash, "zsh": ZshComplete, "fish": Fish}[shell]
    return kind(cli, {}, prog_name, f"_{prog_name}_COMPLETE".upper()).source()


def answer(cli: click.Command, prog_name: str, classes: Sequence[type[ShellComplete]] = (Bash, Fish)) -> NoReturn:
    """Answer the shell and leave, in silence whatever happens."""
    from click.shell_completion import shell_complete

    for kind in classes:
        add_completion_class(kind)
    variable = f"_{prog_name}_COMPLETE".upper()
    context: dict[str, Any] = {}
    with redirect_stderr(StringIO()):
        try:
            status = shell_complete(cli, context, prog_name, variable, os.environ[variable])
        except Exception:
            status = 1  # the line that is being typed is no place to say why
    sys.exit(status)
