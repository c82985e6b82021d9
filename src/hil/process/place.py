"""Where an installation keeps what no configuration names: the state directory with database, keys and a lock.

It makes the directory for its owner alone, and makes keys only together with a new database: a key made beside an old
one would open nothing and hide that the right key is lost.
"""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from hil.config import Config
from hil.core.errors import BadArgument
from hil.core.secret import Secret
from hil.store.keys import Keyring

DATABASE: Final = "hil.db"
KEYS: Final = "keys"
LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class Place:
    """The database and the keys that the configuration means."""

    url: Secret
    state: Path
    key_file: Path | None
    keys: Secret

    @property
    def sqlite(self) -> bool:
        return self._backend() == "sqlite"

    @property
    def file(self) -> Path | None:
        """The database's file, if it is one."""
        name = make_url(self.url.reveal()).database if self.sqlite else None
        return Path(name) if name and name != ":memory:" else None

    def _backend(self) -> str:
        try:
            name = make_url(self.url.reveal()).get_backend_name()
        except ArgumentError:
            raise BadArgument(
                "[database] url cannot be read: write sqlite:///PATH or postgresql://USER@HOST/NAME."
            ) from None
        if name not in ("sqlite", "postgresql"):
            raise BadArgument(f"[database] url: HIL runs on SQLite and PostgreSQL, not on {name!a}.")
        return name

    def keyring(self) -> Keyring:
        """Read the keys. Raises BadArgument that says where they should be."""
        if words := self.keys.reveal().split():
            return Keyring([Secret(word) for word in words])
        path = self.key_file or self.state / KEYS
        try:
            return Keyring.from_file(path)
        except FileNotFoundError:
            raise BadArgument(f"The key file {path} is missing: {self._key_remedy()}.") from None
        except OSError as error:
            raise BadArgument(f"The key file {path} cannot be read ({error.strerror}).") from error

    def _key_remedy(self) -> str:
        if self.key_file is None and not self.sqlite:
            return (
                "with PostgreSQL, name it as `key_file` in [secrets]; it is the same for all processes of one database"
            )
        if self.file is not None and self.file.exists():
            return "restore it from the backup of this database, without it the stored secrets are lost"
        return "for a new database make one with `hil-admin key new >FILE`"

    def owned(self) -> None:
        """Raise BadArgument if the database is another user's file: what we made beside it would lock that one out."""
        if self.file is None or not self.file.exists() or self.file.stat().st_uid == os.geteuid():
            return
        owner = user_name(self.file.stat().st_uid)
        raise BadArgument(f"{self.file} belongs to {owner}: run this as that user, as in `sudo -u {owner} …`.")

    def prepare(self) -> None:
        """Make the state directory, and keys for a database that is only about to be made."""
        self.owned()
        for directory in {self.state, *([self.file.parent] if self.file else [])}:
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise BadArgument(
                    f"The directory {directory} cannot be made ({error.strerror}): name another with --state."
                ) from error
        new = self.file is not None and not self.file.exists()
        if new and self.key_file is None and not self.keys.reveal():
            Keyring.made_at(self.state / KEYS)

    def lock(self) -> IO[bytes]:
        """Hold the state directory until the process ends. Raises BadArgument if another process does."""
        handle = (self.state / LOCK).open("wb")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise BadArgument(
                f"Another `hil serve` runs on {self.state}: stop it, or give this one another --state DIR."
            ) from None
        return handle


def place(config: Config, state: Path | None = None, environ: Mapping[str, str] = os.environ) -> Place:
    """Work out what is where; touches nothing."""
    directory = (state or state_directory(environ)).absolute()
    url = config.database.url if config.database.url.reveal() else Secret(f"sqlite:///{directory / DATABASE}")
    return Place(url, directory, config.secrets.key_file, config.secrets.keys)


def user_name(number: int) -> str:
    """The name of a Unix user; its number if it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def state_directory(environ: Mapping[str, str]) -> Path:
    """systemd's StateDirectory; /var/lib/hil for root; else below the user's own state."""
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/hil")
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "hil"
