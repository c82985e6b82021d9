"""Whose capabilities are believed: configured keys for ever, named ones as long as a capability of theirs may live."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

import pytest

from hil.core.errors import Unauthenticated, Unavailable
from hil.obmd.owner import Clock
from hil.obmd.store import ObmdStore
from hil.obmd.trust import PERIOD, Trust
from hil.services.capability import LONGEST_LIFE, SKEW, Capability, Right, Signer, new_key
from tests.obmd.serving import bearer, site, token

UNKNOWN = "The capability is not valid: ask HIL for a new one."
KNOWN = "The capability is not for this node as it is now: ask HIL for a new one."
OLD, NEW, FIXED = (Signer(new_key()) for _ in range(3))


class Hands:
    """Time that moves when told to, and the keys that HIL names."""

    def __init__(self, *named: Signer) -> None:
        self.now = 1_000_000.0
        self.named: Sequence[str] | Exception = [signer.public for signer in named]
        self.trust = Trust([FIXED.public], Clock(lambda: self.now), self.ask)

    def ask(self) -> Sequence[str]:
        if isinstance(self.named, Exception):
            raise self.named
        return self.named

    def look(self, seconds: float = 0.0) -> None:
        self.now += seconds
        asyncio.run(self.trust.look())

    def believes(self, signer: Signer) -> bool:
        now = int(self.now)
        wanted = Capability(
            node="n", project="p", user="u", epoch=1, rights=frozenset({Right.READ}), issued=now, expires=now + 60
        )
        try:
            return self.trust.verify(signer.issue(wanted).reveal()) == wanted
        except Unauthenticated:
            return False


def test_a_key_is_believed_once_it_is_named_and_the_old_one_while_its_capabilities_may_live() -> None:
    hands = Hands(OLD)
    assert not hands.believes(OLD)
    hands.look()
    assert (hands.believes(OLD), hands.believes(NEW), hands.believes(FIXED)) == (True, False, True)
    hands.named = [NEW.public]
    hands.look(PERIOD)
    assert (hands.believes(OLD), hands.believes(NEW), hands.believes(FIXED)) == (True, True, True)
    hands.look(LONGEST_LIFE + SKEW + 1)
    assert (hands.believes(OLD), hands.believes(NEW), hands.believes(FIXED)) == (False, True, True)


@pytest.mark.parametrize("fault", [Unavailable("The database is busy."), RuntimeError("broken"), ["no key"]], ids=str)
def test_what_cannot_be_asked_adds_nothing_and_takes_nothing_at_once(
    fault: Exception | Sequence[str], caplog: pytest.LogCaptureFixture
) -> None:
    hands = Hands(OLD)
    hands.look()
    hands.named = fault
    with caplog.at_level(logging.WARNING):
        hands.look(PERIOD)
    assert "HIL's public keys cannot be read" in caplog.text
    assert hands.believes(OLD)
    hands.look(LONGEST_LIFE + SKEW + 1)
    assert (hands.believes(OLD), hands.believes(FIXED)) == (False, True)


@pytest.mark.net
def test_an_obmd_that_runs_believes_a_new_key_without_a_restart(obmd_store: ObmdStore) -> None:
    asyncio.run(_rotated(obmd_store))


async def _rotated(store: ObmdStore) -> None:
    named, due = [OLD.public], asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds == PERIOD
        await due.wait()
        due.clear()

    keys = {"public_keys": (), "named_keys": lambda: [*named]}
    async with site(store, clock=Clock(time.time, sleep), **keys) as here:

        async def said(signer: Signer) -> str:
            headers = bearer(token("n1", 1, signer=signer))
            detail: str = (await here.http.get("/v1/nodes/n1/power", headers=headers)).json()["detail"]
            return detail

        assert (await said(OLD), await said(NEW)) == (KNOWN, UNKNOWN)
        named.append(NEW.public)
        due.set()
        async with asyncio.timeout(30):
            while await said(NEW) != KNOWN:
                pass
        assert await said(OLD) == KNOWN
