"""Asks switches from the machine itself, with the settings that the worker uses. It only reads.

Each way in which a switch can fail to answer is told apart in one line that ends with what to do about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from hil.admin.switch_books import Book
from hil.core import guard
from hil.core.devices import SwitchSession
from hil.core.errors import (
    DeviceBusy,
    DeviceError,
    IdentityChanged,
    LoginRefused,
    LostReply,
    Refused,
    Unreachable,
)
from hil.core.model import Observed
from hil.core.wiring import About, Mac, Neighbour, SeesMacs, SeesNeighbours, TellsAbout
from hil.drivers.registry import open_session_function, switch_spec

T = TypeVar("T")
PATIENCE: Final = 120.0
"""Seconds for everything that one switch is asked; a driver's own time-outs are far shorter."""

REMEDIES: Final[tuple[tuple[type[DeviceError], str, str], ...]] = (
    (
        Unreachable,
        "cannot be reached",
        "Check its address and port in the settings, its power, and the way there from this machine.",
    ),
    (
        LoginRefused,
        "refuses the log-in",
        "Correct user name and password with `hil switch update`; wait a while if the account is locked by now.",
    ),
    (
        IdentityChanged,
        "proves another identity",
        "If it was replaced or set up anew, register its new identity; if not, somebody may be in between.",
    ),
    (DeviceBusy, "is busy", "Another session holds its configuration: try again once that has ended."),
    (LostReply, "stopped answering", "Try again; if it stays so, look at its log."),
    (Refused, "refuses to answer", "See whether the user may read the configuration, and whether the settings fit."),
)


@dataclass(frozen=True, slots=True)
class Look:
    """A switch as it is now. `about` None: the driver does not tell."""

    about: About | None
    ports: Mapping[str, Observed]


@dataclass(frozen=True, slots=True)
class Sight:
    """Whom a switch sees on its ports; None: the driver cannot tell, or `error` says why it could not be asked."""

    macs: Mapping[str, list[Mac]] | None = None
    neighbours: Mapping[str, list[Neighbour]] | None = None
    error: str = ""


async def look(book: Book) -> Look:
    """Ask for model and firmware and read every port. Raises DeviceError with a remedy, BadArgument."""

    async def work(session: SwitchSession) -> Look:
        about = await session.about() if isinstance(session, TellsAbout) else None
        return Look(about, await session.read())

    return await _asked(book, work)


async def sight(book: Book) -> Sight:
    """Ask who is plugged in. Raises DeviceError with a remedy, BadArgument."""

    async def work(session: SwitchSession) -> Sight:
        macs = await session.macs() if isinstance(session, SeesMacs) else None
        return Sight(macs, await session.neighbours() if isinstance(session, SeesNeighbours) else None)

    return await _asked(book, work)


async def _asked(book: Book, work: Callable[[SwitchSession], Awaitable[T]]) -> T:
    try:
        async with asyncio.timeout(PATIENCE), _session(book) as session:
            return await work(session)
    except TimeoutError as error:
        raise told(book, LostReply("it took too long.")) from error
    except DeviceError as error:
        raise told(book, error) from error


@asynccontextmanager
async def _session(book: Book) -> AsyncIterator[SwitchSession]:
    guard.device()
    session = await open_session_function(switch_spec(book.driver))(book.config)
    try:
        yield session
    finally:
        await session.close()


def told(book: Book, error: DeviceError) -> DeviceError:
    """The same error in one line: which switch, what kind of failure, its words, the remedy."""
    for kind, what, remedy in REMEDIES:
        if isinstance(error, kind):
            words = f"Switch {book.name} {what}: {' '.join(error.message.split())} {remedy}"
            return type(error)(words, detail=error.detail)
    return error
