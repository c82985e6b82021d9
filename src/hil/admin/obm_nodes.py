"""`hil-admin obm register`, `list`, `test`, `remove`: which controller is behind a node.

They speak to obmd's own interface, as its operator. A password comes from standard input or a terminal and goes to obmd
alone; where HIL's database is at hand, HIL is told as well which obmd the node has, and nothing more.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import click

from hil.admin.here import Here, table
from hil.cli.lazy import Group
from hil.core.errors import BadArgument, HilError, NotFound, Unavailable
from hil.core.policy import Act
from hil.drivers.obm_registry import obm_spec
from hil.drivers.obmd_link import ObmdLink, Said, node_url, refusal
from hil.process.obmd import obmd_place
from hil.process.obmd_inside import admin_token, obmd_url
from hil.services.context import Context
from hil.services.obm import node_obmd_remove, node_obmd_set

URL = click.option("--url", metavar="URL", help="Where obmd is.  [default: as [obmd] says]")
PATIENCE = 60.0


def add_to(obm: Group) -> None:
    """Add these commands to `hil-admin obm`."""
    for command in (register, listing, test, remove):
        obm.add_command(command)


class Desk:
    """One obmd, spoken to as its operator."""

    def __init__(self, here: Here, url: str | None) -> None:
        self.url = (url or obmd_url(here.config.obmd)).rstrip("/")
        where = obmd_place(here.config, here.place.state)
        self._token = admin_token(here.config, where.state)
        self._link = ObmdLink(PATIENCE, str(here.config.v0.obmd_ca_file or ""))

    def ask(self, method: str, *path: str, body: Any = None) -> Said:
        """Raises what obmd says."""
        url = node_url(self.url, *path) if path else f"{self.url}/v1/nodes"
        headers = {"Authorization": f"Bearer {self._token.reveal()}"}
        try:
            said = asyncio.run(self._link.exchange(method, url, f"The obmd at {self.url}", headers=headers, body=body))
        except HilError as error:
            raise Unavailable(error.message) from error
        if said.status == 401:
            raise BadArgument(f"The obmd at {self.url} does not accept this admin token.")
        if said.status == 404:
            raise NotFound(said.text("detail") or "There is no such node.")
        if said.status >= 300:
            raise refusal(said, f"The obmd at {self.url}")
        return said


_group = Group("obm")


@_group.verb(
    "register",
    "hil-admin obm register node01 --driver ipmi --set host=10.1.0.11 --set username=hil --password-stdin <password",
)
@click.argument("node")
@click.option("--driver", required=True, help="The kind of controller, as in `ipmi` or `redfish`.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A setting of the driver; may be repeated.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--only-obmd", is_flag=True, help="Do not tell HIL which obmd the node has.")
@URL
@click.pass_obj
def register(
    here: Here, node: str, driver: str, given: tuple[str, ...], password_stdin: bool, only_obmd: bool, url: str | None
) -> None:
    """Tell obmd which controller a node has, and HIL which obmd."""
    desk = Desk(here, url)
    config = settings(driver, given, stdin=password_stdin)
    said = desk.ask("PUT", node, body={"driver": driver, "config": config})
    click.echo(f"{'registered' if said.status == 201 else 'changed'} the controller of {node}")
    if not only_obmd and _has_books(here):
        here.change(lambda ctx: _known(ctx, node, desk.url))
        click.echo(f"HIL knows that the obmd of {node} is {desk.url}")


def settings(driver: str, given: tuple[str, ...], *, stdin: bool) -> dict[str, Any]:
    """The configuration of a controller; secrets are no arguments. Raises BadArgument."""
    secret = obm_spec(driver).secrets
    config: dict[str, Any] = {}
    for pair in given:
        key, equals, text = pair.partition("=")
        if not equals:
            raise BadArgument(f"{pair[:40]!a} is no KEY=VALUE.")
        if key in secret:
            raise BadArgument(f"{key} is a secret, which others can read in a command line: use --password-stdin.")
        config[key] = _value(text)
    if stdin:
        if not secret:
            raise BadArgument(f"The driver {driver} takes no password.")
        line = sys.stdin.readline().rstrip("\r\n")
        config["password" if "password" in secret else min(secret)] = line
    return config


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _has_books(here: Here) -> bool:
    file = here.place.file
    return file is None or file.exists()


def _known(ctx: Context, node: str, url: str) -> None:
    row = ctx.node(node, Act.ADMIN)
    if not (row.obmd_own and row.obmd_uri == url):
        node_obmd_set(ctx, row, url, None)


@_group.verb("list", "hil-admin obm list")
@URL
@click.option("--json", "json_", is_flag=True, help="For programs.")
@click.pass_obj
def listing(here: Here, url: str | None, json_: bool) -> None:
    """List the controllers that obmd knows. Passwords are never shown."""
    items = Desk(here, url).ask("GET").data["items"]
    if json_:
        return click.echo(json.dumps(items, indent=2, sort_keys=True))
    rows = [(each["name"], each["driver"], str(each["epoch"]), "yes" if each["enabled"] else "") for each in items]
    table(("NODE", "DRIVER", "EPOCH", "ENABLED"), rows)


@_group.verb("test", "hil-admin obm test node01")
@click.argument("node")
@URL
@click.pass_obj
def test(here: Here, node: str, url: str | None) -> None:
    """Let obmd log in to a node's controller and read the power state."""
    seen = Desk(here, url).ask("POST", node, "test").data
    click.echo(f"{node}: power is {seen['power']}, read in {seen['seconds']:.2f} s")


@_group.verb("remove", "hil-admin obm remove node01")
@click.argument("node")
@click.option("--only-obmd", is_flag=True, help="Do not tell HIL.")
@URL
@click.pass_obj
def remove(here: Here, node: str, only_obmd: bool, url: str | None) -> None:
    """Let HIL and obmd forget a node's controller; its OBM must be disabled, and nothing may be alive."""
    desk = Desk(here, url)
    if not only_obmd and _has_books(here):
        here.change(lambda ctx: node_obmd_remove(ctx, node))
    desk.ask("DELETE", node)
    click.echo(f"obmd has forgotten the controller of {node}")
