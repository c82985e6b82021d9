"""A session with a PowerConnect 5500 over SSH, which lets everybody in and asks for name and password in the shell."""

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
from hil.drivers.switch.powerconnect import parse, render
from hil.drivers.switch.powerconnect.spec import CAPABILITIES, SPEC

DIALECT: Final = Dialect(
    refused=re.compile(
        r"^\s*% ?(?![A-Z0-9_]+-[A-Z]-)|VLAN was not created by user|not in Layer-2 mode|bad parameter"
        r"|Unrecognized command|Incomplete command|^\s*(?:Invalid|Unable to|Could not|Cannot)\b|Copy failed",
        re.IGNORECASE,
    ),
    busy=re.compile(r"Configuration Database locked", re.IGNORECASE),
    quiet=("terminal datadump",),
    enable="enable",
    configure="configure",
)
"""Lines such as `%COPY-I-FILECPY: …` are the switch's journal, not its answer."""
SAVE: Final = "copy running-config startup-config"
SAVED: Final = re.compile(
    r"Copy succeeded|Configuration Saved|copy operation was completed successfully", re.IGNORECASE
)


class PowerConnect:
    """The platform's part of a session."""

    dialect: Dialect = DIALECT
    capabilities: Capabilities = CAPABILITIES

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return SPEC.parked(config)

    async def read(self, shell: Shell, config: Mapping[str, Any]) -> dict[str, Observed]:
        """Firmware that must be told a port is asked for one after the other, and may not repeat its name."""
        running = await shell.ask("show running-config", patience=SLOW)
        every = "show interfaces switchport"
        shown = await shell.run(every, patience=SLOW)
        if shell.judge(every, "\n".join(shown.splitlines()[:4])) is not None:
            listed = parse.names(await shell.ask("show interfaces status"))
            asked = [(port, await shell.ask(f"{every} {render.interface(port)}")) for port in listed]
            shown = "\n".join(f"Name: {port}\n{text}" for port, text in asked)
        return parse.ports(running, shown)

    def steps(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
        return render.steps(config, batch)

    async def save(self, shell: Shell, writer: Writer) -> None:
        await copied(shell, writer, SAVE, SAVED)

    async def about(self, shell: Shell) -> About:
        system, version = await shell.ask("show system"), await shell.ask("show version")
        return parse.about(system, version, await shell.ask("show system id"))

    async def neighbours(self, shell: Shell) -> dict[str, list[Neighbour]]:
        return parse.neighbours(await shell.ask("show lldp neighbors"))

    async def macs(self, shell: Shell) -> dict[str, list[Mac]]:
        return parse.macs(await shell.ask("show mac address-table", patience=SLOW))


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the switch of this configuration. Raises Unreachable, LoginRefused, IdentityChanged."""
    return SubmodeSession.over(await open_cli(config, PowerConnect()))
