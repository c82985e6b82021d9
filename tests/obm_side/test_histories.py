"""Random histories of tenants, an API, a worker and an obmd that fail: nobody reaches a machine that is not theirs.

The judge is the controller's own log, and what its console was heard to say (`watch.py`). What tenants were ever given
they keep, and try again whenever they like. A failing history is printed as a script that replays it.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.obm_side.history import LAYOUTS, explained, made, written
from tests.obm_side.mutations import MUTATIONS, Mutation
from tests.obm_side.replay import told
from tests.obm_side.stage import Stage

pytestmark = [pytest.mark.net, pytest.mark.timeout(1500)]
EACH: Final = 400 if os.environ.get("HIL_SOAK") else 11
"""Histories of one layout."""
BUDGET: Final = 36
"""Histories within which a planted fault must show."""
OpenStage = Callable[..., Stage]
NEVER_DULL: Final = (
    "alice heard", "bob heard", "alice type", "use refused", "use let in", "api enable 200", "api release 202",
    "api allocate 200", "deliver late",
)  # fmt: skip


def seeds(layout: int, count: int) -> range:
    """Those of a layout: each plan begins one of as many as there are plans."""
    return range(layout, count * len(LAYOUTS), len(LAYOUTS))


@pytest.fixture
def open_stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStage]:
    with contextlib.ExitStack() as stack:

        def opened(layout: int, mutated: Mutation = contextlib.nullcontext) -> Stage:
            # A stage wraps what a mutation has replaced, so it has to be taken down first.
            stack.enter_context(mutated())
            url = request.getfixturevalue("sqlite_url" if LAYOUTS[layout][0] == "sqlite" else "postgres_url")
            stage = Stage(url, tmp_path)
            stack.callback(stage.close)
            return stage

        yield opened


@pytest.mark.soak
@pytest.mark.parametrize("layout", range(len(LAYOUTS)), ids=["-".join(map(str, each)) for each in LAYOUTS])
def test_nobody_reaches_a_machine_that_is_not_theirs(layout: int, open_stage: OpenStage) -> None:
    stage, seen = open_stage(layout), Counter[str]()
    for seed in seeds(layout, EACH):
        report = made(stage, seed, layout)
        assert not report.fault, f"seed {seed}: {explained(stage, report)}"
        seen += report.counts
    dull = [what for what in NEVER_DULL if not seen[what]]
    assert not dull, f"{dull} never happened, which proves nothing: {seen}"
    assert bool(seen["hil power-set"]) is LAYOUTS[layout][1]


@pytest.mark.parametrize("gone", MUTATIONS)
def test_it_is_found_out_if(gone: str, open_stage: OpenStage) -> None:
    layout, mutated = MUTATIONS[gone]
    stage = open_stage(layout, mutated)
    assert any(made(stage, seed, layout).fault for seed in seeds(layout, BUDGET)), f"nothing noticed though {gone}"


def test_a_failing_history_is_shortened_and_printed_as_a_script_that_fails_too(open_stage: OpenStage) -> None:
    layout, mutated = MUTATIONS["obmd is not told that a time is over"]
    stage = open_stage(layout, mutated)
    report = next(filter(lambda each: each.fault, (made(stage, seed, layout) for seed in seeds(layout, BUDGET))))
    shown = explained(stage, report)
    assert "from tests.obm_side.replay import told" in written(report)
    steps = int(shown.split(" steps to ")[1].split(":")[0])
    assert steps <= 8 < len(report.steps)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        exec(shown[shown.index("from tests") :], {"told": told})  # the script is what is under test
    assert "VIOLATION: " in said.getvalue()
