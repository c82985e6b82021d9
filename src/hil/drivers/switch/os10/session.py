"""A session with an OS10 switch over SSH: a batch is a transaction, and is committed as a whole or not at all.

A port that the switch refuses is taken out of the batch, and the transaction is made anew without it.

A transaction that is not committed ends with the session, so a death before `commit` changes nothing; whether it was
before, nobody here can know.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from hil.core.devices import Capabilities, SwitchSession, Writer
from hil.core.errors import DeviceError, Refused
from hil.core.model import Observed, PortChange
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.cli.dialect import Dialect
from hil.drivers.switch.cli.session import CliSession, open_cli
from hil.drivers.switch.cli.shell import Shell, failure
from hil.drivers.switch.cli.steps import Step
from hil.drivers.switch.os10 import parse, render
from hil.drivers.switch.os10.spec import CAPABILITIES, SPEC

SLOW: Final = 180.0
"""Seconds that a commit, a save, or the whole running configuration may take."""
DIALECT: Final = Dialect(
    refused=re.compile(r"^\s*% ?|^\s*Error\b|Unrecognized command|Incomplete command|Commit failed", re.IGNORECASE),
    tolerated=re.compile(r"^\s*% ?Warning", re.IGNORECASE),
    busy=re.compile(r"configuration (?:is |database is )?locked|locked by (?:another|session|user)", re.IGNORECASE),
    quiet=("terminal length 0",),
)
SAVE: Final = "copy running-configuration startup-configuration"


class Os10:
    """The platform's part of a session."""

    dialect: Dialect = DIALECT
    capabilities: Capabilities = CAPABILITIES

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return SPEC.parked(config)

    async def read(self, shell: Shell, config: Mapping[str, Any]) -> dict[str, Observed]:
        return parse.ports(await shell.ask("show running-configuration", patience=SLOW), config["parked"])

    def steps(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
        return render.steps(config, batch)

    async def save(self, shell: Shell, writer: Writer) -> None:
        if error := await shell.tell(SAVE, writer, patience=SLOW):
            raise error

    async def about(self, shell: Shell) -> About:
        return parse.about(await shell.ask("show version"), await shell.ask("show inventory"))

    async def neighbours(self, shell: Shell) -> dict[str, list[Neighbour]]:
        return parse.neighbours(await shell.ask("show lldp neighbors"))

    async def macs(self, shell: Shell) -> dict[str, list[Mac]]:
        return parse.macs(await shell.ask("show mac address-table dynamic", patience=SLOW))


class Os10Session(CliSession):
    """Writes a batch as one transaction."""

    @classmethod
    def over(cls, session: CliSession) -> Os10Session:
        """Take a session over; the other is not used again."""
        return cls(session._connection, session._shell, session._platform, session._config)

    async def _write(self, steps: Sequence[Step], writer: Writer, answers: dict[str, DeviceError | None]) -> None:
        """Commit all that can be: a port that is refused leaves the batch, and the others are tried again."""
        while (everyone := _ports(steps)) and (refused := await self._transaction(steps, writer)):
            bad, error = refused
            if len(everyone) > 1 and everyone <= set(bad):
                for port in sorted(everyone):  # a whole batch was refused: alone each port shows whose fault it is
                    if again := await self._transaction(_without(steps, everyone - {port}), writer):
                        answers[port] = failure(port, again[1])
                return
            answers.update({port: failure(port, error) for port in bad})
            steps = _without(steps, frozenset(bad))

    async def _transaction(self, steps: Sequence[Step], writer: Writer) -> tuple[Collection[str], Refused] | None:
        """Try to commit; answer what was refused, and for which ports. Then nothing of it was done."""
        shell = self._shell
        if error := await shell.tell(render.BEGIN, writer):
            return _ports(steps), error
        await shell.enter(writer)
        failed: tuple[Collection[str], Refused] | None = None
        for step in steps:
            if error := await shell.tell_all(step.lines, writer):
                failed = step.ports, error
                break
        await shell.leave()
        if failed is None and (error := await shell.tell(render.COMMIT, writer, patience=SLOW)):
            failed = _ports(steps), error
        if failed is not None and shell.judge(render.DISCARD, await shell.run(render.DISCARD)):
            raise ValueError("the switch does not discard the transaction")
        return failed

    def _foreign(self, change: PortChange, answers: dict[str, DeviceError | None]) -> bool:
        if render.tagged_alone(change):
            answers[change.port] = Refused(
                f"Port {change.port}: such a switch needs a native network beside tagged ones."
            )
            return True
        return super()._foreign(change, answers)


def _ports(steps: Sequence[Step]) -> frozenset[str]:
    return frozenset(port for step in steps for port in step.ports)


def _without(steps: Sequence[Step], gone: frozenset[str]) -> list[Step]:
    left = (replace(step, ports=tuple(port for port in step.ports if port not in gone)) for step in steps)
    return [step for step in left if step.ports]


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the switch of this configuration. Raises Unreachable, LoginRefused, IdentityChanged."""
    return Os10Session.over(await open_cli(config, Os10()))
