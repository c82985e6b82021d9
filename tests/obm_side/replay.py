"""Replays a history step by step and says what came of each: `python tests/obm_side/replay.py FILE`.

FILE is a script as a failing test prints it.
"""

from __future__ import annotations

import runpy
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.obm_side.stage import Stage

TOP = Path(__file__).resolve().parents[2]


@contextmanager
def stage_on(kind: str) -> Iterator[Stage]:
    """A stage on a database of this kind, made for the occasion."""
    from hil.store.migrate import upgrade
    from tests.obm_side.stage import Stage
    from tests.support.databases import Cluster

    directory, cluster = Path(tempfile.mkdtemp()), Cluster() if kind == "postgresql" else None
    url = cluster.url(cluster.create()) if cluster is not None else f"sqlite:///{directory}/hil.db"
    if cluster is None:
        upgrade(url)
    stage = Stage(url, directory)
    try:
        yield stage
    finally:
        stage.close()
        shutil.rmtree(directory)
        if cluster is not None:
            cluster.stop()


def told(layout: int, steps: list[list[Any]]) -> None:
    """Replay a history and print each step with its outcome; ends with status 1 at a violation."""
    from tests.obm_side.history import LAYOUTS, Violation, World, conclude

    kind, power_off = LAYOUTS[layout]
    with stage_on(kind) as stage:
        world = World(stage, power_off)
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
