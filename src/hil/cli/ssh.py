"""The ssh command that opens a console at obmd, and nothing but that console.

The host key came from obmd over TLS, to the holder of a capability: it is pinned, and no file of known hosts is read
or written. The password is never an argument: ssh asks a program for it, which finds it in its environment.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.cli.exits import Exit
from hil.cli.session import Fault

if TYPE_CHECKING:
    from hil.client import SshAddress

VARIABLE: Final = "HIL_SSH_PASSWORD"
NO_CONNECTION: Final = 255
"""What ssh itself exits with (ssh(1), EXIT STATUS)."""


def ssh_command(node: str, address: SshAddress, proofs: str = "publickey,password") -> list[str]:
    """The words of the command, for these ways to log in.

    OpenSSH 8.5 or later, for KnownHostsCommand (ssh_config(5)).
    """
    options = (
        f"KnownHostsCommand=/bin/echo %H {address.host_keys[0]}",
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        f"PreferredAuthentications={proofs}",
        "NumberOfPasswordPrompts=1",
    )
    chosen = [word for option in options for word in ("-o", option)]
    return ["ssh", "-e", "none", "-p", str(address.port), "-l", node, *chosen, address.host]


def ssh_line(node: str, address: SshAddress) -> str:
    """The command as a line for a shell."""
    return shlex.join(ssh_command(node, address))


def ssh_run(node: str, address: SshAddress, password: str, environ: Mapping[str, str]) -> None:
    """Run it until it ends. Raises Fault for every end but a good one."""
    with tempfile.TemporaryDirectory(prefix="hil-") as place:
        asker = Path(place) / "askpass"
        asker.write_text(f'#!/bin/sh\nprintf "%s\\n" "${VARIABLE}"\n')
        asker.chmod(0o700)
        command = ssh_command(node, address, "password")
        asking = {"SSH_ASKPASS": str(asker), "SSH_ASKPASS_REQUIRE": "force", VARIABLE: password}
        try:
            status = subprocess.run(command, env={**environ, **asking}, check=False).returncode
        except FileNotFoundError:
            raise Fault("there is no ssh on this machine", "leave --ssh out") from None
        except KeyboardInterrupt:
            raise Fault("interrupted", code=Exit.INTERRUPTED) from None
    if status == NO_CONNECTION:
        raise Fault("the console over SSH could not be had, or was cut", "leave --ssh out", Exit.UNREACHABLE)
    if status:
        raise Fault("the console has ended", code=Exit.FAILURE)


def environment() -> dict[str, str]:
    """This program's own, without its credentials: ssh needs none of them."""
    secret = ("HIL_TOKEN", "HIL_PASSWORD")
    return {name: value for name, value in os.environ.items() if name not in secret}
