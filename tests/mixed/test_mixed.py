"""The isolation proof over switches of different makes, each spoken to in its own protocol by its own driver.

Sockets give back control in an order of their own, so a seed fixes what is asked and not every interleaving; a history
that fails is printed as a script that asks the same again. `HIL_SOAK=1` runs many more.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from typing import Final

import pytest

from hil.lab.devices import EMULATORS
from tests.isolation.history import script
from tests.mixed.history import PAIRS, explained, made, stage, variant
from tests.mixed.mutations import MUTATIONS
from tests.mixed.replay import told

EACH: Final = 60 if os.environ.get("HIL_SOAK") else 5
"""Histories of one pair of platforms."""
pytestmark = [pytest.mark.net, pytest.mark.timeout(180 * EACH)]
BUDGET: Final = 40
"""Histories within which a planted fault must show, and show again when its history is replayed."""
SLOW: Final = "hil"
"""A whole HIL stands behind such a switch: its histories wait for one another's processes."""


def test_every_platform_of_the_lab_takes_part_on_both_sides() -> None:
    assert {left for left, _ in PAIRS} == {right for _, right in PAIRS} == set(EMULATORS)
    assert all(left != right for left, right in PAIRS)


@pytest.mark.soak
@pytest.mark.parametrize("pair", range(len(PAIRS)), ids=["-".join(pair) for pair in PAIRS])
def test_nobody_hears_whom_they_may_not_on_a_mixed_fabric(pair: int) -> None:
    seen: Counter[str] = Counter()
    each = max(2, EACH // 5) if SLOW in PAIRS[pair] else EACH
    for seed in range(pair, each * len(PAIRS), len(PAIRS)):
        report = made(seed)
        assert not report.fault, f"seed {seed}: {explained(report)}"
        seen += report.counts
    for side in ("left", "right"):
        assert seen[f"{side} write"], f"the {side} platform was never written to, which proves nothing"
    assert seen["api change done"]


@pytest.mark.parametrize("gone", MUTATIONS)
def test_it_is_found_out_if(gone: str) -> None:
    pair, mutated = MUTATIONS[gone]
    at = PAIRS.index(pair)
    with stage().patched():
        variant(at)  # laid out while everything is in its place: what is under test is the histories
    for seed in range(at, BUDGET * len(PAIRS), len(PAIRS)):
        with mutated():
            report = made(seed)
            if not report.fault:
                continue
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
                told(report.layout, report.steps)
        assert "from tests.mixed.replay import told" in script(report, "mixed")
        if "VIOLATION" in said.getvalue():  # sockets may have answered in another order
            return
    pytest.fail(f"nothing was noticed though {gone}")
