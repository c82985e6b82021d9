"""A session with a Catalyst over SSH."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hil.core.devices import Capabilities, SwitchSession, Writer
from hil.core.errors import Refused
from hil.core.model import Observed, PortChange
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.cli.dialect import Dialect
from hil.drivers.switch.cli.session import open_cli
from hil.drivers.switch.cli.shell import Shell, words
from hil.drivers.switch.cli.steps import Step
from hil.drivers.switch.ios import parse, render
from hil.drivers.switch.ios.spec import CAPABILITIES, SPEC

SLOW: Final = 180.0
"""Seconds that a save, or the whole running configuration, may take."""

DIALECT: Final = Dialect(
    refused=re.compile(r"^\s*%|Command rejected|Bad VLAN list|^\s*(?:Failed|Unable) to |^ERROR:", re.IGNORECASE),
    tolerated=re.compile(
        r"^\s*%\s?(?:Warning|Portfast (?:has been|will be) configured|Access VLAN does not exist)", re.IGNORECASE
    ),
    busy=re.compile(
        r"configuration mode is locked|configuration mode locked|currently locked by|Device or resource busy",
        re.IGNORECASE,
    ),
    enable="enable",
    questions=(
        (re.compile(r"Destination filename \[startup-config\]\?\s*$"), "\n"),
        (re.compile(r"Overwrite the previous NVRAM configuration\?\s*\[confirm\]\s*$"), "\n"),
    ),
)


class Ios:
    """The platform's part of a session."""

    dialect: Dialect = DIALECT
    capabilities: Capabilities = CAPABILITIES

    def __init__(self, save_command: str) -> None:
        self._save_command = save_command

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return SPEC.parked(config)

    async def read(self, shell: Shell, config: Mapping[str, Any]) -> dict[str, Observed]:
        running = await shell.ask("show running-config", patience=SLOW)
        return parse.ports(running, await shell.ask("show interfaces switchport"), config["parked"])

    def steps(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
        return render.steps(config, batch)

    async def save(self, shell: Shell, writer: Writer) -> None:
        """It worked only if the switch says so."""
        writer.check()
        output = await shell.run(self._save_command, changes=True, patience=SLOW)
        if error := shell.judge(self._save_command, output):
            raise error
        if "[OK]" not in output:
            raise Refused(f"The switch did not save its configuration: {words(output)}")

    async def about(self, shell: Shell) -> About:
        return parse.about(await shell.ask("show version"))

    async def neighbours(self, shell: Shell) -> dict[str, list[Neighbour]]:
        return parse.neighbours(await shell.ask("show lldp neighbors detail"))

    async def macs(self, shell: Shell) -> dict[str, list[Mac]]:
        return parse.macs(await shell.ask("show mac address-table dynamic"))


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the switch of this configuration. Raises Unreachable, LoginRefused, IdentityChanged."""
    return await open_cli(config, Ios(config.get("save_command", "write memory")))
