"""The proof can fail: every protection that is taken away is missed by some history, soon."""

from __future__ import annotations

import contextlib
import io
from typing import Final

import pytest

from tests.isolation.history import Report, explained, made, play, script, shrunk, variant
from tests.isolation.mutations import MUTATIONS
from tests.isolation.variants import LAYOUTS

pytestmark = pytest.mark.timeout(1200)
BUDGET: Final = 600
"""Histories, of the thousands that run each time."""


@pytest.fixture(autouse=True)
def everything_in_its_place() -> None:
    """Lay the sites out while every protection still stands: what is under test is the histories."""
    for number in range(len(LAYOUTS)):
        variant(number)


def first_failing() -> Report | None:
    return next((report for report in map(made, range(BUDGET)) if report.fault), None)


@pytest.mark.parametrize("gone", MUTATIONS)
def test_it_is_found_out_if(gone: str) -> None:
    with MUTATIONS[gone]():
        assert first_failing() is not None, f"nothing was noticed though {gone}"


def test_a_failing_history_is_shortened_and_printed_as_a_script_that_fails_in_the_same_way() -> None:
    with MUTATIONS["a release keeps the generation"]():
        report = first_failing()
        assert report is not None
        steps = shrunk(report.layout, report.steps, lambda tried: bool(play(report.layout, tried).fault))
        short = play(report.layout, steps)
        assert short.fault
        assert len(steps) <= 5 < len(report.steps)
        assert script(short) in explained(report)
        told = io.StringIO()
        with contextlib.redirect_stdout(told), pytest.raises(SystemExit):
            exec(script(short), {})  # the script is what is under test
        assert f"VIOLATION: {short.fault}" in told.getvalue()
