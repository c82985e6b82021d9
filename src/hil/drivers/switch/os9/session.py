"""A session with an OS9 switch over SSH.

Ten log-ins a minute are all that such switches take, and a person's session is never cleared for HIL's: a switch that
asks for that is left alone. What a port's plan must look up is looked up in this session's last reading, which is used
once. If the switch does not do with its default VLAN what the settings say, nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hil.core import guard
from hil.core.devices import Capabilities, SwitchSession, Writer
from hil.core.errors import DeviceError, Refused
from hil.core.model import Observed, PortChange
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.cli.dialect import Dialect
from hil.drivers.switch.cli.session import CliSession, open_cli
from hil.drivers.switch.cli.shell import Shell
from hil.drivers.switch.cli.steps import Step
from hil.drivers.switch.os9 import parse, render
from hil.drivers.switch.os9.spec import CAPABILITIES, SPEC

SLOW: Final = 180.0
"""Seconds that a save, or the whole running configuration, may take."""
DIALECT: Final = Dialect(
    refused=re.compile(
        r"^\s*% ?(?:Error|Invalid|[A-Z])|^\s*Error\b|Command not found|Incomplete command", re.IGNORECASE
    ),
    tolerated=re.compile(r"^\s*% ?Warning|^\s*%\S+:CP|%\S+-\d-\w+:", re.IGNORECASE),
    busy=re.compile(r"exclusive configuration mode|configuration is locked|configured exclusively", re.IGNORECASE),
    quiet=("terminal length 0",),
    enable="enable",
    greetings=(
        (re.compile(r"Clear existing session\?.*$", re.IGNORECASE), "\n"),
        (re.compile(r"(?:accept|acknowledge|continue)\b.*[\[(]y(?:es)?/no?[\])]\s*:?\s*$", re.IGNORECASE), "y\n"),
    ),
)
"""An empty line leaves the existing session alone."""
SAVE: Final = "write memory"


class Os9:
    """The platform's part of a session."""

    dialect: Dialect = DIALECT
    capabilities: Capabilities = CAPABILITIES

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.found: parse.Found | None = None

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return SPEC.parked(config)

    async def read(self, shell: Shell, config: Mapping[str, Any]) -> dict[str, Observed]:
        running = await shell.ask("show running-config", patience=SLOW)
        self.found = parse.found(running, await shell.ask("show interfaces switchport", patience=SLOW), config)
        return dict(self.found.ports)

    def steps(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
        """Plan with what was found, once: afterwards the ports stand otherwise."""
        standing = self.found.standing if self.found else {}
        self.found = None
        return render.steps(config, batch, standing)

    async def save(self, shell: Shell, writer: Writer) -> None:
        if error := await shell.tell(SAVE, writer, patience=SLOW):
            raise error

    async def about(self, shell: Shell) -> About:
        return parse.about(await shell.ask("show version"), await shell.ask("show inventory"))

    async def neighbours(self, shell: Shell) -> dict[str, list[Neighbour]]:
        return parse.neighbours(await shell.ask("show lldp neighbors detail", patience=SLOW), self._config)

    async def macs(self, shell: Shell) -> dict[str, list[Mac]]:
        return parse.macs(await shell.ask("show mac-address-table dynamic", patience=SLOW), self._config)


class Os9Session(CliSession):
    """Looks up what a plan needs, and holds the switch to what the settings say of its default VLAN."""

    def __init__(self, opened: CliSession, platform: Os9) -> None:
        super().__init__(opened._connection, opened._shell, platform, opened._config)
        self._os9 = platform

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        guard.device()
        if self._os9.found is None and any(change.have != change.want for change in batch):
            await self.read()
        return await super().apply(batch, writer)

    def _foreign(self, change: PortChange, answers: dict[str, DeviceError | None]) -> bool:
        disabled = bool(self._config.get("default_vlan_disabled"))
        if not disabled and render.tagged_alone(change):
            words = "this switch needs a native network beside tagged ones"
        elif disabled and change.want.enabled and not (self._os9.found and self._os9.found.default_vlan_disabled):
            words = "the switch lacks `default-vlan disable`, which its settings promise: configure it first"
        else:
            return super()._foreign(change, answers)
        answers[change.port] = Refused(f"Port {change.port}: {words}.")
        return True


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the switch of this configuration. Raises Unreachable, LoginRefused, IdentityChanged."""
    platform = Os9(config)
    return Os9Session(await open_cli(config, platform), platform)
