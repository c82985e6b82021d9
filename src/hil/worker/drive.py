"""One device session: read, plan the difference, write it in one batch, read back, save.

Knows neither database nor lease; it is handed plain values and a permit to write. It believes only what it reads after
writing: a port whose read-back differs is reported as it is, however the command was answered.
"""

from __future__ import annotations

from collections.abc import Sequence

from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceError, Refused
from hil.core.model import Observed, PortChange
from hil.store.claims import Claimed, Outcome


async def drive(session: SwitchSession, batch: Sequence[Claimed], writer: Writer) -> list[Outcome]:
    """Bring every port of the batch to what is wanted, as far as the device lets it.

    Raises DeviceError if the session as a whole failed: then nothing is known of any port of the batch.
    """
    guard.device()
    seen, errors = await read_ports(session, [entry.port for entry in batch])
    changes = [
        PortChange(entry.port, seen[entry.port].state, entry.want)
        for entry in batch
        if entry.port in seen and seen[entry.port].state != entry.want
    ]
    if changes:
        answers = await session.apply(changes, writer)
        errors.update({port: error for port, error in answers.items() if error is not None})
        again, lost = await read_ports(session, [change.port for change in changes])
        seen.update(again)
        errors.update(lost)
    # Saved even if nothing had to be written: an earlier attempt, or a hand at the console, may have brought a port to
    # what is wanted without saving it, and a reboot would then undo what is about to be called done.
    await session.save(writer)
    return [Outcome(entry, seen.get(entry.port), errors.get(entry.port)) for entry in batch]


async def read_ports(
    session: SwitchSession, ports: Sequence[str]
) -> tuple[dict[str, Observed], dict[str, DeviceError]]:
    """Read all at once; if the device refuses that (a port it does not have), find out which one it was."""
    try:
        return await session.read(ports), {}
    except Refused as error:
        if len(ports) == 1:
            return {}, {ports[0]: error}
    seen: dict[str, Observed] = {}
    errors: dict[str, DeviceError] = {}
    for port in ports:
        try:
            seen.update(await session.read([port]))
        except Refused as error:
            errors[port] = error
    return seen, errors
