"""The main proof: thousands of made-up histories, and in none of them does anybody hear whom they may not.

Seeds are fixed, so a run is the same everywhere; `HIL_SOAK=1` runs many more of them.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Final

import pytest

from tests.isolation.history import explained, made
from tests.isolation.variants import LAYOUTS

SHARD: Final = 100
SHARDS: Final = 400 if os.environ.get("HIL_SOAK") else 21

INTERESTING: Final = {
    "two tenants on one VLAN": 30,
    "VLAN given again": 1,
    "takeover": 1,
    "worker died": 1,
    "request died": 1,
    "command refused": 1,
    "port changed by hand": 12,
    "switch rebooted": 12,
    "wish failed": 8,
    "connected": 40,
}
"""In so many histories of a shard at least this happens: a suite in which nothing goes wrong proves nothing."""


def tally(counts: Counter[str]) -> Counter[str]:
    """What happened in one history, each thing once."""
    seen = {
        "two tenants on one VLAN": counts["projects on one VLAN"] > 1,
        "worker died": any(counts[key] for key in counts if key.startswith("died in a")),
        "request died": counts["api crash"],
        "port changed by hand": counts["left hand"] + counts["right hand"],
        "switch rebooted": counts["left reboot"] + counts["right reboot"],
        "wish failed": counts["operation ERROR"],
        "connected": counts["api change done"],
    }
    seen |= {name: counts[name] for name in ("VLAN given again", "takeover", "command refused")}
    return Counter(name for name, happened in seen.items() if happened)


@pytest.mark.soak
@pytest.mark.parametrize("shard", range(SHARDS))
def test_nobody_hears_whom_they_may_not_in_any_history(shard: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(shard * SHARD, (shard + 1) * SHARD):
        report = made(seed)
        assert not report.fault, f"seed {seed}: {explained(report)}"
        seen += tally(report.counts)
    print(f"of {SHARD} histories:", dict(seen))
    dull = {name: (seen[name], least) for name, least in INTERESTING.items() if seen[name] < least}
    assert not dull, f"these histories prove little: {dull} (seen, least)"


@pytest.mark.parametrize("layout", range(len(LAYOUTS)))
def test_a_seed_makes_the_same_history_every_time(layout: int) -> None:
    first, second = made(layout), made(layout)
    assert first.steps == second.steps
    assert first.counts == second.counts
