"""Replays a mixed history step by step and says what came of each: `python tests/mixed/replay.py FILE`.

FILE is a script as a failing test prints it.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]


def told(pair: int, steps: list[list[Any]]) -> None:
    """Replay a history over a pair of platforms; ends with status 1 at a violation."""
    from tests.isolation.replay import followed
    from tests.mixed.history import MixedWorld, stage, variant

    with stage().patched():
        followed(MixedWorld(stage(), variant(pair)), steps)


if __name__ == "__main__":
    sys.path.insert(0, str(TOP))
    runpy.run_path(sys.argv[1])
