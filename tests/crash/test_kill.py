"""kill -9 at random instants under load: nothing is lost, nothing is stuck, nobody hears whom they may not."""

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.crash.load import Tenants, Watch
from tests.crash.site import Site

KILLS = 200 if os.environ.get("HIL_SOAK") else 30
pytestmark = [pytest.mark.net, pytest.mark.timeout(50 * KILLS)]


def until(fact: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fact():
            return True
        time.sleep(0.1)
    return fact()


@pytest.mark.soak
def test_nothing_is_lost_or_stuck_however_often_a_process_is_killed(site: Site) -> None:
    chance = random.Random(site.postgres)
    for role in site.roles:
        site.start(role)
    assert until(lambda: not site.pending()), site.pending()
    with Watch(site) as watch, Tenants(site, seed=1) as tenants:
        for _ in range(KILLS):
            role = chance.choice(site.roles)
            tenants.go_on(3)
            time.sleep(chance.uniform(0, 0.2))
            site.kill(role)
            site.start(role)
    assert until(lambda: not site.pending()), site.pending()
    assert site.lost(tenants.accepted) == []
    assert site.differing() == []
    assert not site.verified().fault
    assert watch.violations == []
    assert tenants.faults == []
    assert watch.heard, "nobody ever heard anybody: the load was no load"
    assert tenants.answers.get(202, 0) > 2 * KILLS, tenants.answers
