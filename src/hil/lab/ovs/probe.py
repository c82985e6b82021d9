"""Who hears whom, asked of the frames: marked frames are sent, and what arrives is listed.

Silence is a claim too, so it must not rest on a pause that was too short. A canary pair in a bridge of its own tells
when the switch has worked off what was sent: one thread of `ovs-vswitchd` serves every port in turn, at most 32
frames of each at a time (netdev datapath, 3.1.0). Each sender sends fewer than that before a canary frame is sent,
and a second one once the first has come through: with that one, every frame before the first has been forwarded or
dropped. If no canary comes through, there is no verdict.
"""

from __future__ import annotations

import itertools
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hil.lab.ovs.frames import Cable, Mark, probe_frame

BURST: Final = 24
"""Frames of one sender between two canaries; below the 32 that the switch takes from a port at a time."""
_CANARY: Final = 0xFFFE
_BACKLOG: Final = 10
_numbers: Final = itertools.count(time.time_ns())

Hit = tuple[str, str, int | None, int | None]
"""Receiver, sender, the tag as sent, the tag as received."""


class NoVerdict(Exception):
    """The switch forwards nothing at all, not even between ports that nobody configures."""


def ask(
    cables: Mapping[str, Cable],
    canaries: tuple[Cable, Cable],
    senders: Sequence[str],
    receivers: Sequence[str],
    tags: Sequence[int | None],
    patience: float,
) -> list[Hit]:
    """Send from each sender with each tag, answer what each receiver got. Raises NoVerdict."""
    number = next(_numbers)
    names = list(senders)
    found: set[Hit] = set()
    for receiver in receivers:
        for _ in cables[receiver].receive():
            pass
    for start in range(0, len(tags), BURST):
        for place, sender in enumerate(names):
            for tag in tags[start : start + BURST]:
                cables[sender].send(probe_frame(cables[sender].address, Mark(number, place, tag)))
        for _ in range(2):
            _canary(canaries, patience)
        for receiver in receivers:
            found.update(_hits(receiver, cables[receiver], number, names))
    return sorted(found, key=repr)


def clear(canaries: tuple[Cable, Cable], patience: float) -> None:
    """Have the switch work off what guests have left in its queues, so that no probe waits there. Raises NoVerdict.

    A port's queue is a socket's buffer of 208 KiB, fewer than 300 frames (Linux' default); 32 go with each canary.
    """
    for _ in range(_BACKLOG):
        _canary(canaries, patience)


def _hits(receiver: str, cable: Cable, number: int, names: Sequence[str]) -> Iterator[Hit]:
    for seen in cable.probes():
        if seen.mark.probe == number and names[seen.mark.sender] != receiver:
            yield receiver, names[seen.mark.sender], seen.mark.tag, seen.tag


def _canary(canaries: tuple[Cable, Cable], patience: float) -> None:
    """Send a frame from one canary until one arrives at the other."""
    here, there = canaries
    number = next(_numbers)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        here.send(probe_frame(here.address, Mark(number, _CANARY, None)))
        select.select([there.socket], [], [], 0.2)
        if any(seen.mark.probe == number for seen in there.probes()):
            return
    raise NoVerdict(f"in {patience:g} s the switch forwarded nothing: is ovs-vswitchd running?")
