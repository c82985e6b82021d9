"""`hil key ssh`: SSH public keys, with which any ssh opens consoles at obmd."""

from __future__ import annotations

from typing import TextIO

import click

from hil.cli import params
from hil.cli.exits import Exit
from hil.cli.lazy import Group
from hil.cli.output import emit, emit_one
from hil.cli.session import Fault, Session

ssh_key = Group("ssh", help="Your SSH keys, with which ssh opens consoles.")
COLUMNS = "id fingerprint description project role created_at expires_at"
LONGEST = 16384
"""Characters that are read of a file; a public key has fewer."""


@ssh_key.verb("list", "hil key ssh list", "hil key ssh list --user alice")
@params.option("user", "--user", help="Another user's. Operators only.  [default: yours]")
@params.output
@click.pass_obj
def ssh_key_list(session: Session, user: str | None, output: str) -> None:
    """List your SSH keys."""
    emit(session.client.ssh_keys.list(user or ""), COLUMNS, output)


@ssh_key.verb("add", "hil key ssh add ~/.ssh/id_ed25519.pub", "ssh-add -L | head -1 | hil key ssh add -")
@click.argument("file", type=click.File(), metavar="FILE")
@click.option("--description", default="", help="What it is called.  [default: the key's comment]")
@params.output
@click.pass_obj
def add(session: Session, file: TextIO, description: str, output: str) -> None:
    """Register a public key: the file that ends in .pub, or - for standard input.

    It opens the consoles that you may open with the credential that registers it, and ends with that.
    """
    emit_one(session.client.ssh_keys.add(_only_line(file), description), COLUMNS, output)


def _only_line(file: TextIO) -> str:
    """The one key in a file. Raises Fault for a private one, before anything of it is sent anywhere."""
    try:
        lines = [line for line in file.read(LONGEST).splitlines() if line.strip() and not line.startswith("#")]
    except UnicodeDecodeError:
        lines = []
    if any("PRIVATE KEY" in line for line in lines):
        raise Fault(f"{file.name} is a private key", "give the file that ends in .pub", Exit.USAGE)
    if len(lines) != 1:
        raise Fault(f"{file.name} holds {len(lines)} lines, and a public key is one", code=Exit.USAGE)
    return lines[0]


@ssh_key.verb("delete", "hil key ssh delete 3f9a2c0b51d7e846")
@params.argument("ssh-key", "id")
@click.pass_obj
def delete(session: Session, id: str) -> None:
    """Forget a key: nobody gets in with it any more, and consoles that it opened end within minutes."""
    session.client.ssh_keys.delete(id)
