"""Who is asking: `hil login`, `hil logout`, `hil whoami`, and `hil version`."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import replace

import click

from hil import __version__
from hil.cli import params, secrets
from hil.cli.explain import say
from hil.cli.lazy import Command
from hil.cli.output import emit_one
from hil.cli.session import Fault, Session, connect
from hil.client import (
    Client,
    HilClientError,
    Key,
    NotFound,
    Settings,
    Unauthenticated,
)
from hil.client.profile import DEFAULT, Profile, profile_load, profile_path, profile_save


@click.command("whoami", cls=Command, examples=("hil whoami",))
@params.output
@click.pass_obj
def whoami(session: Session, output: str) -> None:
    """Show who HIL takes you for, and your role in each project."""
    found = session.client.whoami()
    if output == "table":
        roles = {entry.project: entry.role for entry in found.projects}
        emit_one({**found.raw, "projects": roles}, "user operator via projects", output)
    else:
        emit_one(found, "user operator via projects", output)


@click.command("login", cls=Command, examples=("hil login https://hil.example.org", "hil --profile lab login -u alice"))
@click.argument("endpoint", required=False)
@click.option("-u", "--username", help="Who you are.  [default: HIL_USERNAME, or asked for]")
@params.option("project", "-p", "--project", help="Your usual project, kept in the profile.")
@click.option("--expires", type=params.Duration(), default="30d", show_default=True, help="How long the key lives.")
@click.option(
    "--operator/--no-operator", default=None, help="With your power as an operator.  [default: if you have it]"
)
@params.password_stdin
@click.pass_obj
def login(
    session: Session,
    endpoint: str | None,
    username: str | None,
    project: str | None,
    expires: int,
    operator: bool | None,
    password_stdin: bool,
) -> None:
    """Make an API key and keep it in a profile, so that later commands need no password.

    The password is asked for, or HIL_PASSWORD, or read from standard input. It is not kept.
    """
    name = session.profile or os.environ.get("HIL_PROFILE") or DEFAULT
    path = profile_path(os.environ)
    old = profile_load(path, name) or Profile()
    where = _where(session, endpoint, old)
    user = username or os.environ.get("HIL_USERNAME") or click.prompt("User name", err=True)
    password = secrets.password(f"Password of {user}", stdin=password_stdin, variable="HIL_PASSWORD")
    if not where.encrypted and not where.loopback:
        say(f"the connection to {where.endpoint} is not encrypted: others may read what is sent")
    with connect(replace(where, username=user, password=password)) as client:
        made = _key(client, expires, operator)
        kept = replace(
            old,
            endpoint=where.endpoint,
            ca_file=where.ca_file,
            username=user,
            password="",
            token=made.token,
            key=made.id,
            project=project or old.project,
        )
        try:
            profile_save(path, name, kept)
        except HilClientError:
            client.keys.delete(made.id)
            raise
        if old.key and old.endpoint == where.endpoint:
            with suppress(HilClientError):  # the one that is replaced; it may be dead already
                client.keys.delete(old.key)
    until = f" until {made.expires_at:%Y-%m-%d}" if made.expires_at else ""
    click.echo(f"Logged in to {where.endpoint} as {user}{until} (profile {name}, in {path}).", err=True)


def _where(session: Session, endpoint: str | None, old: Profile) -> Settings:
    asked = endpoint or session.endpoint or os.environ.get("HIL_ENDPOINT") or old.endpoint
    ca_file = os.environ.get("HIL_CA_FILE") or old.ca_file
    if ca_file:
        ca_file = os.path.abspath(ca_file)
    return Settings(**({"endpoint": asked.rstrip("/")} if asked else {}), ca_file=ca_file)


def _key(client: Client, expires: int, operator: bool | None) -> Key:
    caller = client.whoami()
    if operator and not caller.operator:
        raise Fault(f"{caller.user} is no operator", "log in without --operator")
    power = caller.operator if operator is None else operator
    return client.keys.create(f"hil login on {platform.node()}"[:100], expires_in=expires, operator=power)


@click.command("logout", cls=Command, examples=("hil logout",))
@click.pass_obj
def logout(session: Session) -> None:
    """Revoke a profile's API key and forget it."""
    name = session.profile or os.environ.get("HIL_PROFILE") or DEFAULT
    path = profile_path(os.environ)
    profile = profile_load(path, name)
    if profile is None or not (profile.token or profile.password):
        raise Fault(f"profile {name} holds no login")
    if profile.key and profile.token:
        where = Settings(endpoint=profile.endpoint, token=profile.token, ca_file=profile.ca_file)
        with connect(where) as client, suppress(Unauthenticated, NotFound):  # then it is dead already
            client.keys.delete(profile.key)
    profile_save(path, name, replace(profile, token="", password="", key=""))


@click.command("version", cls=Command, examples=("hil version",))
@params.output
@click.pass_obj
def version(session: Session, output: str) -> None:
    """Show the versions of this program and of the server."""
    facts = {"client": __version__, "server": None, "endpoint": None}
    try:
        facts["endpoint"] = session.settings.endpoint
        about = session.client.about()
        facts["server"] = f"{about.name} {about.version}"
    except HilClientError as error:
        say(error.message, error.hint)
    emit_one(facts, "client server endpoint", output)
