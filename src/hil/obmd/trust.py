"""Whose capabilities this obmd believes: the keys of its configuration, and those that a HIL beside it names now.

Where obmd runs inside HIL, HIL's keys are asked for again and again, so that a rotation needs no restart. A key that
is no longer named is believed for as long as a capability may live that it signed before. No caller makes it ask, and
what cannot be asked adds nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from hil.core.errors import HilError
from hil.obmd.owner import Clock
from hil.services.capability import LONGEST_LIFE, SKEW, Capability, Verifier

PERIOD: Final = 2.0
"""Seconds between two looks at HIL's keys."""
log = logging.getLogger(__name__)
Keys = Callable[[], Sequence[str]]


class Trust:
    """Begins with `fixed` keys, which it never drops, and follows `named`, which may block. Raises BadArgument."""

    def __init__(self, fixed: Sequence[str], clock: Clock, named: Keys | None = None) -> None:
        self._fixed, self._clock, self._named = tuple(fixed), clock, named
        self._until: dict[str, float] = {}
        self._verifier = Verifier(self._fixed)

    def verify(self, token: str) -> Capability:
        """Answer what the token permits now. Raises Unauthenticated."""
        return self._verifier.verify(token, self._clock.now())

    async def follow(self) -> None:
        """Keep up with the named keys until cancelled; `look` comes first."""
        while self._named is not None:
            await self._clock.sleep(PERIOD)
            await self.look()

    async def look(self) -> None:
        """Ask which keys are named now; never raises."""
        named: Sequence[str] = ()
        try:
            if self._named is not None:
                named = await asyncio.to_thread(self._named)
            self.learn(named)
        except HilError as error:
            log.warning("HIL's public keys cannot be read: %s %s", error.message, error.detail)
            self.learn(())
        except Exception:
            log.exception("HIL's public keys cannot be read")
            self.learn(())

    def learn(self, named: Sequence[str]) -> None:
        """Believe these from now on, and others for as long as they may have signed. Raises BadArgument."""
        now = self._clock.now()
        until = {key: end for key, end in self._until.items() if now < end}
        until |= dict.fromkeys(named, now + LONGEST_LIFE + SKEW)
        if until.keys() != self._until.keys():
            self._verifier = Verifier((*self._fixed, *until))
        self._until = until
