"""Replays a history step by step and says what came of each: `python tests/isolation/replay.py FILE`.

FILE is a script as a failing test prints it.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.isolation.world import World

TOP = Path(__file__).resolve().parents[2]


def told(layout: int, steps: list[list[Any]]) -> None:
    """Replay a history and print each step with its outcome; ends with status 1 at a violation."""
    from tests.isolation.history import stage, variant
    from tests.isolation.world import World

    followed(World(stage(), variant(layout)), steps)


def followed(world: World, steps: list[list[Any]]) -> None:
    """Do each step in this world, and print what came of it."""
    from tests.isolation.ending import conclude
    from tests.isolation.watch import Violation

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
