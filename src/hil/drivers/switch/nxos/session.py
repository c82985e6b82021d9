"""A session with a Nexus, over NX-API or in a shell: the same lines, the same reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from hil.core.devices import Capabilities, SwitchSession, Writer
from hil.core.errors import Refused
from hil.core.model import Observed, PortChange
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.cli.dialect import Dialect
from hil.drivers.switch.cli.session import LineSession, open_cli
from hil.drivers.switch.cli.shell import Shell, words
from hil.drivers.switch.cli.steps import Step
from hil.drivers.switch.nxos import parse, render
from hil.drivers.switch.nxos.dialect import DIALECT
from hil.drivers.switch.nxos.nxapi import SLOW, Nxapi, open_nxapi
from hil.drivers.switch.nxos.spec import CAPABILITIES, SPEC

SAVE: Final = "copy running-config startup-config"
RUNNING: Final = "show running-config"
SWITCHPORTS: Final = "show interface switchport"


class Asks(Protocol):
    async def ask(self, command: str) -> str: ...


class _Nxos:
    """What does not depend on the way there."""

    dialect: Dialect = DIALECT
    capabilities: Capabilities = CAPABILITIES

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return SPEC.parked(config)

    def steps(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
        return render.steps(config, batch)

    async def about(self, shell: Asks) -> About:
        return parse.about(await shell.ask("show version"))

    async def neighbours(self, shell: Asks) -> dict[str, list[Neighbour]]:
        return parse.neighbours(await shell.ask("show lldp neighbors detail"))

    async def macs(self, shell: Asks) -> dict[str, list[Mac]]:
        return parse.macs(await shell.ask("show mac address-table dynamic"))


class InShell(_Nxos):
    """Over SSH."""

    async def read(self, shell: Shell, config: Mapping[str, Any]) -> dict[str, Observed]:
        running = await shell.ask(RUNNING, patience=SLOW)
        shown = parse.switchports_text(await shell.ask(SWITCHPORTS))
        return parse.ports(running, shown, config["parked"])

    async def save(self, shell: Shell, writer: Writer) -> None:
        """It worked only if the switch says so."""
        writer.check()
        output = await shell.run(SAVE, changes=True, patience=SLOW)
        if error := shell.judge(SAVE, output):
            raise error
        if "Copy complete" not in output:
            raise Refused(f"The switch did not save its configuration: {words(output)}")


class OverHttp(_Nxos):
    """Over NX-API."""

    async def read(self, shell: Nxapi, config: Mapping[str, Any]) -> dict[str, Observed]:
        running = await shell.ask(RUNNING)
        return parse.ports(running, parse.switchports_json(await shell.show(SWITCHPORTS)), config["parked"])

    async def save(self, shell: Nxapi, writer: Writer) -> None:
        if error := await shell.tell_all([SAVE], writer):
            raise error


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the switch of this configuration. Raises Unreachable, LoginRefused, IdentityChanged."""
    if config["transport"] == "ssh":
        return await open_cli({"port": 22, **config}, InShell())
    shell = await open_nxapi({"port": 443, **config})
    return LineSession(shell, shell, OverHttp(), config)
