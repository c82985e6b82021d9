"""Replays a history step by step and says what came of each: `python tests/isolation/replay.py FILE`.

FILE is a script as a failing test prints it.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]


def told(layout: int, steps: list[list[Any]]) -> None:
    """Replay a history and print each step with its outcome; ends with status 1 at a violation."""
    from tests.isolation.ending import conclude
    from tests.isolation.history import stage, variant
    from tests.isolation.watch import Violation
    from tests.isolation.world import World

    world = World(stage(), variant(layout))
    try:
        for step in steps:
            print(*step, end=" → ", flush=True)
            print(world.apply(step))
        print("the end", end=" → ", flush=True)
        conclude(world)
        print("nothing was violated")
    except Violation as violation:
        print(f"VIOLATION: {violation}")
        sys.exit(1)
    finally:
        world.end()


if __name__ == "__main__":
    sys.path.insert(0, str(TOP))
    runpy.run_path(sys.argv[1])
