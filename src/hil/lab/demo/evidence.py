"""Evidence that no command of `hil` gives: the books of a HIL that is dead, recorded frames, a forged journal.

It only reads, or works on a copy.
"""

from __future__ import annotations

import sqlite3
import struct
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from hil.lab.site import Site
from hil.services.operation import operation_pending
from hil.store.keys import Keyring
from hil.store.tables import Port
from hil.store.unit import Store

_DATABASE: Final = "hil.db"
_KEYS: Final = "keys"
_PCAP_HEAD: Final = 24
_FRAME_HEAD: Final = struct.Struct("=IIII")


@dataclass(frozen=True, slots=True)
class Books:
    """What the database says, whether or not HIL is alive: which ports are tainted, and whether an operation waits."""

    tainted: frozenset[str]
    pending: bool


def books(site: Site, operation: str) -> Books:
    """Read the database itself. Raises HilError if it cannot be read."""

    def work(session: Session) -> Books:
        tainted = frozenset(session.scalars(select(Port.name).where(Port.tainted)))
        return Books(tainted, operation_pending(session, operation))

    with closing(Store(f"sqlite:///{site.state / _DATABASE}", Keyring.from_file(site.state / _KEYS))) as store:
        return store.read(work)


def senders(file: Path) -> Counter[str]:
    """Count the frames in a pcap file by the MAC address that they say to come from."""
    data, at = file.read_bytes(), _PCAP_HEAD
    found: Counter[str] = Counter()
    while at + _FRAME_HEAD.size <= len(data):
        _, _, length, _ = _FRAME_HEAD.unpack_from(data, at)
        frame = data[at + _FRAME_HEAD.size :][:length]
        found[":".join(f"{byte:02x}" for byte in frame[6:12])] += 1
        at += _FRAME_HEAD.size + length
    return found


def forged(site: Site, state: Path, seq: int) -> None:
    """Copy the installation to `state`, with one line of its journal changed as somebody with the database could."""
    state.mkdir(mode=0o700)
    copy(site.state / _KEYS, state / _KEYS)
    with (
        closing(sqlite3.connect(site.state / _DATABASE)) as original,
        closing(sqlite3.connect(state / _DATABASE, isolation_level=None)) as forgery,
    ):
        original.backup(forgery)
        forgery.execute("UPDATE journal SET actor = 'nobody' WHERE seq = ?", (seq,))
