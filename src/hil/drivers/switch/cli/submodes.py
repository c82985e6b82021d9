"""A session with a switch whose modes do not take the commands of the mode around them.

There each step ends with the way back to the global mode, and one that was refused half-way is led back before the next
one begins: otherwise the ports after it would be refused for no fault of theirs. Also the saving that all of Dell's
older platforms share: a copy that asks first, and that worked only if the switch says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hil.core.devices import Writer
from hil.core.errors import DeviceError, Refused
from hil.drivers.switch.cli.session import CliSession, Step
from hil.drivers.switch.cli.shell import Shell, failure, words

_DEEPEST: Final = 4
SLOW: Final = 180.0
"""Seconds that a save, or the whole running configuration, may take."""
SURE: Final = re.compile(r"(?:\(y/n\)\s*(?:\[[yn]\])?|\[yes/press any key for no\])[\s?.:]*$", re.IGNORECASE)


class SubmodeSession(CliSession):
    """Made by `over`, from a session that is open."""

    @classmethod
    def over(cls, session: CliSession) -> SubmodeSession:
        """Take a session over; the other is not used again."""
        return cls(session._connection, session._shell, session._platform, session._config)

    async def _write(self, steps: Sequence[Step], writer: Writer, answers: dict[str, DeviceError | None]) -> None:
        shell = self._shell
        await shell.enter(writer)
        top = shell.mode
        for step in steps:
            ports = [port for port in step.ports if answers[port] is None]
            if not ports:
                continue
            if error := await shell.tell_all(step.lines, writer):
                answers.update({port: failure(port, error) for port in ports})
                await _back_to(shell, top)
        await shell.leave()


async def _back_to(shell: Shell, mode: str) -> None:
    """Leave modes until the prompt is `mode`. Raises ValueError if that leads nowhere."""
    for _ in range(_DEEPEST):
        if shell.mode == mode:
            return
        await shell.run("exit")
    raise ValueError("the switch does not leave the mode that it is in")


async def copied(shell: Shell, writer: Writer, command: str, worked: re.Pattern[str]) -> None:
    """Save with a command that asks whether one is sure. Raises Refused, DeviceBusy.

    Some firmware takes the `y` alone, and the end of line after it as a line of its own: hence the new start.
    """
    writer.check()
    output = await shell.run(command, answers=[(SURE, "y\n")], changes=True, patience=SLOW)
    await shell.resynchronise()
    if error := shell.judge(command, output):
        raise error
    if not worked.search(output):
        raise Refused(f"The switch did not save its configuration: {words(output)}")
