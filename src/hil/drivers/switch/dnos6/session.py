"""A session with an N-series switch over SSH."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hil.core.devices import Capabilities, SwitchSession, Writer
from hil.core.model import Observed, PortChange
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.cli.dialect import Dialect
from hil.drivers.switch.cli.session import open_cli
from hil.drivers.switch.cli.shell import Shell
from hil.drivers.switch.cli.steps import Step
from hil.drivers.switch.cli.submodes import SLOW, SubmodeSession, copied
from hil.drivers.switch.dnos6 import parse, render
from hil.drivers.switch.dnos6.spec import CAPABILITIES, SPEC

DIALECT: Final = Dialect(
    refused=re.compile(
        r"^\s*%|^\s*ERROR\b|Failure Information|Command not found|Incomplete command"
        r"|not in (?:Trunk|Access|General) Mode|does not exist|^\s*(?:Invalid|Unable to|Could not|Cannot)\b",
        re.IGNORECASE,
    ),
    busy=re.compile(r"locked by|in use by another|being (?:configured|modified) by", re.IGNORECASE),
    quiet=("terminal length 0",),
    enable="enable",
    configure="configure",
)
SAVE: Final = "copy running-config startup-config"
SAVED: Final = re.compile(r"Configuration Saved", re.IGNORECASE)


class Dnos6:
    """The platform's part of a session."""

    dialect: Dialect = DIALECT
    capabilities: Capabilities = CAPABILITIES

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return SPEC.parked(config)

    async def read(self, shell: Shell, config: Mapping[str, Any]) -> dict[str, Observed]:
        """Firmware that must be told a port is asked for one after the other."""
        running = await shell.ask("show running-config", patience=SLOW)
        every = "show interfaces switchport"
        shown = await shell.run(every)
        if shell.judge(every, "\n".join(shown.splitlines()[:4])) is not None:
            listed = parse.names(await shell.ask("show interfaces status"))
            shown = "\n".join([await shell.ask(f"{every} {render.interface(port)}") for port in listed])
        return parse.ports(running, shown, config["parked"])

    def steps(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
        return render.steps(config, batch)

    async def save(self, shell: Shell, writer: Writer) -> None:
        await copied(shell, writer, SAVE, SAVED)

    async def about(self, shell: Shell) -> About:
        return parse.about(await shell.ask("show version"))

    async def neighbours(self, shell: Shell) -> dict[str, list[Neighbour]]:
        return parse.neighbours(await shell.ask("show lldp remote-device all"))

    async def macs(self, shell: Shell) -> dict[str, list[Mac]]:
        return parse.macs(await shell.ask("show mac address-table dynamic"))


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the switch of this configuration. Raises Unreachable, LoginRefused, IdentityChanged."""
    return SubmodeSession.over(await open_cli(config, Dnos6()))
