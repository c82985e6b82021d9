"""obmd as a process: its own place in the state directory, its own keys, its own listening address.

It is given nothing of HIL but public keys. It refuses to speak plain HTTP where another machine can hear it, and to run
twice on one database.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hil.auth.backend import is_loopback
from hil.config import Config
from hil.config.model import Obmd, host_port
from hil.core.errors import BadArgument
from hil.core.secret import Secret
from hil.obmd.limits import ObmdLimits
from hil.obmd.recording import Recordings, RecordLimits
from hil.obmd.store import ObmdStore
from hil.process.http import HttpPart, listen
from hil.process.place import Place, place
from hil.process.run import Part

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from hil.obmd.trust import Keys

DIRECTORY: Final = "obmd"
DATABASE: Final = "obmd.db"
RECORDINGS: Final = "recordings"


def obmd_place(config: Config, state: Path | None = None) -> Place:
    """Work out where obmd's database and keys are; touches nothing."""
    directory = place(config, state).state / DIRECTORY
    url = config.obmd.url if config.obmd.url.reveal() else Secret(f"sqlite:///{directory / DATABASE}")
    return Place(url, directory, config.obmd.key_file, Secret(""))


def open_obmd_store(where: Place) -> ObmdStore:
    """Open obmd's database with its keys, and bring it to this version. Raises BadArgument."""
    store = ObmdStore(where.url.reveal(), where.keyring())
    try:
        store.prepare()
    except BaseException:
        store.close()
        raise
    return store


@contextmanager
def obmd_parts(config: Config, state: Path | None = None, named_keys: Keys | None = None) -> Iterator[list[Part]]:
    """Everything that an obmd consists of, for as long as it runs; `named_keys`: of a HIL beside it.

    Raises BadArgument.
    """
    check_obmd_listen(config.obmd)
    more_files()
    where = obmd_place(config, state)
    if not where.sqlite and where.key_file is None:
        raise BadArgument("[obmd] key_file: with PostgreSQL, name the file of obmd's keys: it belongs to the database.")
    where.prepare()
    with ExitStack() as held:
        held.enter_context(where.lock())
        store = held.enter_context(closing(open_obmd_store(where)))
        held.enter_context(store.alone())
        yield _parts(config.obmd, store, where.state, named_keys)


def _parts(config: Obmd, store: ObmdStore, state: Path, named_keys: Keys | None) -> list[Part]:
    from hil.obmd.app import ObmdSettings, create_app

    settings = ObmdSettings(
        public_keys=config.hil_public_keys,
        named_keys=named_keys,
        admin_token=config.admin_token,
        limits=obmd_limits(config),
        recordings=Recordings(state / RECORDINGS, record_limits(config), store.clock),
    )
    app = create_app(store, settings)
    parts = [_http_part(config, app)]
    if config.ssh_listen:
        parts.append(_ssh_part(config, app, state))
    return parts


def _http_part(config: Obmd, app: Starlette) -> Part:
    from hil.obmd.app import close_consoles

    certificate = None
    if config.tls_cert is not None and config.tls_key is not None:
        certificate = (config.tls_cert, config.tls_key)
    return HttpPart(
        "obmd",
        app,
        listen(config.listen),
        drain=config.drain,
        let_go=lambda: close_consoles(app),
        websockets=True,
        certificate=certificate,
    )


def _ssh_part(config: Obmd, app: Starlette, state: Path) -> Part:
    """Consoles over SSH. Raises BadArgument."""
    from hil.obmd.ssh import Hil, SshPart, host_key

    try:
        key = host_key(state)
    except (OSError, ValueError) as error:
        raise BadArgument(f"[obmd] ssh_listen: the host key in {state} cannot be used: {error}.") from error
    hil = Hil(config.hil_url, str(config.hil_ca_file or ""))
    return SshPart(app.state.gate, hil, listen(config.ssh_listen), key)


def record_limits(config: Obmd) -> RecordLimits:
    """How much of consoles is kept."""
    return RecordLimits(size=config.recording_bytes, age=config.recording_age, always=config.record == "always")


def obmd_limits(config: Obmd) -> ObmdLimits:
    """The times and sizes by which controllers are treated."""
    return ObmdLimits(
        deadline=config.deadline,
        per_second=config.per_second,
        logins_per_minute=config.logins_per_minute,
        sessions=config.sessions,
        warm=config.warm,
        power_age=config.power_age,
        pause_first=config.login_pause_first,
        pause_most=config.login_pause_most,
        linger=config.console_linger,
    )


def more_files() -> None:
    """Open as many files as this process may at most: the usual 1,024 are fewer than the controllers of a room."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a sandbox may forbid it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def check_obmd_listen(config: Obmd) -> None:
    """Raise BadArgument if capabilities and consoles would cross a network in clear."""
    host = host_port(config.listen)[0]
    if config.tls_cert is None and not config.insecure and not is_loopback(host):
        raise BadArgument(
            f"[obmd] listen: obmd would speak plain HTTP on {host!a}: give it tls_cert and tls_key, listen on a "
            f"loopback address, or say insecure = true if a proxy in front of it speaks TLS."
        )
    asked = urlsplit(config.hil_url)
    if asked.scheme == "http" and not is_loopback(asked.hostname or ""):
        raise BadArgument("[obmd] hil_url: API keys would cross the network in clear: give a URL of https://.")
    for path in (config.tls_cert, config.tls_key, config.hil_ca_file):
        if path is not None and not path.is_file():
            raise BadArgument(f"[obmd]: {path} is no file that can be read.")
