"""`hil serve`: all in one process with an SQLite file, or API and worker processes on PostgreSQL.

It serves no default password and no stale schema. Split processes refuse SQLite, whose bells do not ring between
processes; the null backend is refused on an address that another machine can reach.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from hil.auth.backend import Backend, check_listen, open_backend
from hil.cli.lazy import Command, Group
from hil.config import Config, load
from hil.config.model import host_port
from hil.core.errors import BadArgument, HilError
from hil.process import compose, log, password
from hil.process.http import HttpPart, listen
from hil.process.metrics import worker_app
from hil.process.obmd_inside import obmd_inside
from hil.process.place import Place, place
from hil.process.run import Part, WorkerPart, run
from hil.services.obm_key import obm_known_keys, obm_public_keys
from hil.store import migrate
from hil.store.unit import Store
from hil.worker.worker import Worker

logger = logging.getLogger(__name__)
_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="The configuration.  [env: HIL_CONFIG]"
)
_LISTEN = click.option("--listen", metavar="HOST:PORT", help="Where the API listens.  [env: HIL_LISTEN]")
_STATE = click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), help="Where database and keys are, if not configured."
)


@contextmanager
def faults_told() -> Iterator[None]:
    """Turn an error of ours into lines on standard error and exit status 1."""
    try:
        yield
    except HilError as error:
        logger.debug("%s", error.detail)
        fail(error.message)


def fail(message: str) -> NoReturn:
    for line in message.splitlines():
        click.echo(f"hil: {line}", err=True)
    raise click.exceptions.Exit(1)


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=("hil serve --first-operator ann", "HIL_VLAN__POOL=100-199 hil serve --state ./state"),
)
@_CONFIG
@_STATE
@_LISTEN
@click.option("--first-operator", metavar="NAME", help="Make this operator, if there is none yet.")
@click.pass_context
def serve(
    ctx: click.Context, config: Path | None, state: Path | None, listen: str | None, first_operator: str | None
) -> None:
    """Run HIL: API, worker and obmd in one process.

    Without a configuration it keeps an SQLite file and its keys in a state directory and listens on loopback. The
    password of a first operator is asked for, or comes from HIL_ADMIN_PASSWORD or standard input.
    """
    if ctx.invoked_subcommand is not None:
        if state is not None or first_operator is not None:
            raise click.UsageError("--state and --first-operator are for `hil serve` alone, all in one process.")
        ctx.obj = (config, listen)
        return
    with faults_told():
        _all_in_one(_settings(config, listen), state, first_operator)


@serve.command("api", cls=Command, examples=("hil serve api --config /etc/hil/hil.toml --listen 127.0.0.1:5001",))
@_CONFIG
@_LISTEN
@click.pass_obj
def api(above: tuple[Path | None, str | None], config: Path | None, listen: str | None) -> None:
    """Run one API process. Any number of them share a PostgreSQL database."""
    with faults_told():
        _split(_settings(config or above[0], listen or above[1]), _api_parts)


@serve.command("worker", cls=Command, examples=("hil serve worker --config /etc/hil/hil.toml",))
@_CONFIG
@click.pass_obj
def worker(above: tuple[Path | None, str | None], config: Path | None) -> None:
    """Run one worker process. Any number of them share a PostgreSQL database and divide the switches."""
    with faults_told():
        _split(_settings(config or above[0], None), _worker_parts)


@serve.command("obmd", cls=Command, examples=("hil serve obmd --config /etc/hil/obmd.toml",))
@_CONFIG
@_STATE
@click.option("--listen", metavar="HOST:PORT", help="Where obmd listens.  [env: HIL_OBMD__LISTEN]")
@click.pass_obj
def obmd(above: tuple[Path | None, str | None], config: Path | None, state: Path | None, listen: str | None) -> None:
    """Run obmd, the one process that speaks to the machines' controllers (BMCs) and knows their passwords.

    It has a database and keys of its own, and needs neither HIL's database nor its keys.
    """
    with faults_told():
        from hil.process.obmd import obmd_parts

        settings = _settings(config or above[0], listen or above[1], "HIL_OBMD__LISTEN")
        with obmd_parts(settings, state) as parts:
            _run(parts)


def _settings(path: Path | None, listen: str | None, variable: str = "HIL_LISTEN") -> Config:
    settings = load(path, {**os.environ, **({variable: listen} if listen else {})})
    log.set_up(settings.log)
    os.umask(0o077)
    return settings


def _all_in_one(settings: Config, state: Path | None, first_operator: str | None) -> None:
    where = place(settings, state)
    where.prepare()
    with where.lock(), closing(compose.open_store(settings, where)) as store:
        if where.sqlite:
            migrate.upgrade(store.engine)
        _begin(store, settings)
        with closing(_backend(settings, store)) as backend:
            if backend.has_users:
                _operator(store, where, first_operator)
            if not compose.has_pool(store):
                click.echo("No VLAN id can be handed out yet. Say which may:  hil pool set 100-199", err=True)
            store.change(obm_public_keys)  # makes the first
            known = partial(obm_known_keys, keyring=store.keys)
            with obmd_inside(settings, state, lambda: store.read(known)) as beside:
                _run([_api_part(settings, store, backend), _worker_part(settings, store), *beside])


def _split(settings: Config, parts: Callable[[Config, Store], AbstractContextManager[list[Part]]]) -> None:
    where = place(settings)
    if where.sqlite:
        raise BadArgument(
            "[database] url is SQLite, which serves one process alone: run `hil serve`, or name a PostgreSQL database."
        )
    with closing(compose.open_store(settings, where)) as store:
        _begin(store, settings)
        with parts(settings, store) as made:
            _run(made)


def _begin(store: Store, settings: Config) -> None:
    compose.usable(store)
    if compose.seed_pool(store, settings.vlan.pool):
        logger.info("VLAN pool of the new database: %s", settings.vlan.pool)


def _backend(settings: Config, store: Store) -> Backend:
    """Open the backend, unless it must not be served where the API listens."""
    backend = open_backend(settings.auth.backend, settings.auth.options, store)
    check_listen(backend, host_port(settings.server.listen)[0])
    return backend


def _api_part(settings: Config, store: Store, backend: Backend) -> Part:
    from hil.api.app import close_streams, create_app
    from hil.api.settings import Settings

    chosen = Settings(
        public_url=settings.server.public_url,
        v0_patience=settings.v0.patience,
        obmd_timeout=settings.v0.obmd_timeout,
        obmd_ca_file=str(settings.v0.obmd_ca_file or ""),
    )
    app = create_app(store, backend, chosen)
    server = settings.server
    return HttpPart(
        "API",
        app,
        listen(server.listen),
        drain=server.drain,
        proxies=server.trusted_proxies,
        let_go=lambda: close_streams(app),
    )


def _worker_part(settings: Config, store: Store) -> Part:
    return WorkerPart(Worker(store, tick=settings.worker.tick, name=settings.worker.name))


@contextmanager
def _api_parts(settings: Config, store: Store) -> Iterator[list[Part]]:
    with closing(_backend(settings, store)) as backend:
        yield [_api_part(settings, store, backend)]


@contextmanager
def _worker_parts(settings: Config, store: Store) -> Iterator[list[Part]]:
    parts = [_worker_part(settings, store)]
    if settings.worker.listen:
        parts.append(HttpPart("metrics", worker_app(), listen(settings.worker.listen), drain=1.0))
    yield parts


def _run(parts: Sequence[Part]) -> None:
    try:
        run(parts)
    except Exception:
        logger.exception("HIL stops because a part of it failed")
        raise click.exceptions.Exit(1) from None


def _operator(store: Store, where: Place, name: str | None) -> None:
    """Make the first operator if it was asked for, or say how to; there is no default password."""
    if compose.has_operator(store):
        return
    if name is not None:
        compose.first_operator(store, name, password.read(name))
    else:
        click.echo(
            f"No operator exists yet. Make one:  hil-admin --state {where.state} user create NAME --operator", err=True
        )
