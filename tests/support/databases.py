"""Databases for tests, as a pytest plugin: SQLite files, and a private PostgreSQL that is reachable by no network.

An area of tests loads it from its conftest.py:

    def pytest_configure(config): config.pluginmanager.import_plugin("tests.support.databases")

`store` runs a test twice, on SQLite and on PostgreSQL, each time with the migrated schema in a database of its own.
One PostgreSQL runs for each pytest process, as an unprivileged user where the tests run as root, and dies with it.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from hil.core.secret import Secret
from hil.store.keys import Keyring
from hil.store.migrate import upgrade
from hil.store.passwords import Passwords
from hil.store.unit import Store

KEYS = Keyring([Secret(Fernet.generate_key().decode())])
CHEAP = Passwords(time_cost=1, memory_kib=8)
"""Hashes that cost microseconds, for tests that are not about their cost."""
OpenStore = Callable[..., Store]
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",  # its worker in the template would hold up CREATE DATABASE
    "max_connections": "300",
    "log_min_messages": "fatal",
}


class Cluster:
    """A PostgreSQL of our own, on a socket in a directory of our own."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="hil-pg-", dir=roomy_memory()))
        self._numbers = itertools.count()
        self._account = unprivileged()
        if self._account is not None:
            shutil.chown(self.directory, self._account)
        data = f"--pgdata={self.directory}/data"
        make = ["initdb", data, "-A", "trust", "-U", "hil", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(self._command(make), check=True, capture_output=True)
        serve = ["postgres", "-D", f"{self.directory}/data", "-k", str(self.directory)]
        serve += [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        self._log = (self.directory / "log").open("wb")
        self._process = subprocess.Popen(self._command(serve), stdout=self._log, stderr=subprocess.STDOUT)
        self._wait()
        self._execute("CREATE DATABASE template_hil")
        upgrade(self.url("template_hil"))

    def url(self, database: str) -> str:
        return f"postgresql://hil@/{database}?host={self.directory}"

    def create(self) -> str:
        """Make a fresh database with the migrated schema; answers its name."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template_hil")
        return name

    def drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown"
        self._process.wait(timeout=30)
        self._log.close()
        shutil.rmtree(self.directory)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                return self._execute("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    words = (self.directory / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL does not start:\n{words}") from None
                time.sleep(0.02)

    def _command(self, command: list[str]) -> list[str]:
        program = [program_path(command[0]), *command[1:]]
        # setpriv, unlike su and runuser, starts no session; the server ends with whoever started it.
        drop = ["setpriv", "--pdeathsig=INT"]
        if self._account is not None:
            group = pwd.getpwnam(self._account).pw_gid
            drop += [f"--reuid={self._account}", f"--regid={group}", "--clear-groups"]
        return drop + program


def roomy_memory() -> str | None:
    """A file system in memory, where a database of 300 files is made in a fifth of the time; None if there is none."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2**30 else None


def unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: answer who runs it then; None if we are not root."""
    if os.geteuid() != 0:
        return None
    return next(name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()})


def program_path(name: str) -> str:
    """Find a PostgreSQL program; Debian keeps servers out of the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    assert found, f"{name} is missing: `make test` installs PostgreSQL"
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The PostgreSQL of this pytest process."""
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """A fresh PostgreSQL database, for what only PostgreSQL can show."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copyfile(sqlite_template, tmp_path / "hil.db")
    return f"sqlite:///{tmp_path}/hil.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def open_store() -> Iterator[OpenStore]:
    """Open stores, as several processes would; keyword arguments are those of Store. All are closed at the end."""
    opened: list[Store] = []

    def opener(url: str, **options: Any) -> Store:
        store = Store(url, KEYS, **{"passwords": CHEAP} | options)
        opened.append(store)
        return store

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def store(database_url: str, open_store: OpenStore) -> Store:
    """A store on each kind of database."""
    return open_store(database_url)


@pytest.fixture
def postgres_store(postgres_url: str, open_store: OpenStore) -> Store:
    return open_store(postgres_url)
