"""The obmd inside `hil serve`: a listening address, a database and keys of its own, and nothing to configure.

It is the same obmd as `hil serve obmd`, told HIL's public keys as they are at each moment. Else HIL's side speaks to it
over its address, as to any other: nothing is passed behind its back, and no password of a controller leaves it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.auth.backend import is_loopback
from hil.config import Config
from hil.config.model import Obmd, host_port
from hil.core.errors import BadArgument
from hil.core.secret import Secret
from hil.process.obmd import obmd_parts, obmd_place
from hil.process.run import Part

if TYPE_CHECKING:
    from hil.obmd.trust import Keys

TOKEN: Final = "admin-token"  # noqa: S105 the name of a file
LOOPBACK: Final = "127.0.0.1:0"


@contextmanager
def obmd_inside(config: Config, state: Path | None, named_keys: Keys) -> Iterator[list[Part]]:
    """The parts of it; none if `[obmd] listen` is empty. `named_keys` answers HIL's public keys. Raises BadArgument."""
    if not config.obmd.listen:
        yield []
        return
    where = obmd_place(config, state)
    where.prepare()
    changed = {
        "admin_token": admin_token(config, where.state, make=True),
        "listen": _listen(config),
        "hil_url": config.obmd.hil_url or hil_url(config),
    }
    settings = config.model_copy(update={"obmd": config.obmd.model_copy(update=changed)})
    with obmd_parts(settings, state, named_keys) as parts:
        yield parts


def _listen(config: Config) -> str:
    """Where nothing is configured and the API takes any free port, so does obmd."""
    any_port = host_port(config.server.listen)[1] == 0 and "listen" not in config.obmd.model_fields_set
    return LOOPBACK if any_port else config.obmd.listen


def hil_url(config: Config) -> str:
    """Where this same process serves HIL's API; empty if that cannot be told beforehand."""
    host, port = host_port(config.server.listen)
    if port == 0:
        return ""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 it is compared, not bound
    if not is_loopback(host):
        return config.server.public_url if config.server.public_url.startswith("https:") else ""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def admin_token(config: Config, directory: Path, *, make: bool = False) -> Secret:
    """The token of obmd's operators: as configured, else from obmd's directory. Raises BadArgument if there is none."""
    if config.obmd.admin_token.reveal():
        return config.obmd.admin_token
    path = directory / TOKEN
    if make and not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(16) + "\n")
    try:
        if path.stat().st_mode & 0o077:
            raise BadArgument(f"{path} holds obmd's admin token and may be read by others: run `chmod 600 {path}`.")
        return Secret(path.read_text().strip())
    except OSError as error:
        raise BadArgument(f"obmd's admin token is neither in [obmd] nor in {path} ({error.strerror}).") from None


def obmd_url(config: Obmd) -> str:
    """Under which URL obmd is reached, as far as the configuration says. Raises BadArgument."""
    if config.public_url:
        return config.public_url
    host, port = host_port(config.listen) if config.listen else ("", 0)
    if not port or host in ("0.0.0.0", "::"):  # noqa: S104 it is compared, not bound
        raise BadArgument("Where obmd is cannot be told from [obmd] listen: set public_url, or give --url.")
    scheme = "http" if config.tls_cert is None else "https"
    return f"{scheme}://{config.listen}"
