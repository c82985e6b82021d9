"""HIL's program with a fault planted in it, as `tests/obm_side/mutations.py` names it."""

from __future__ import annotations

from hil.main import main as hil
from tests.obm_side.mutations import MUTATIONS


def main(gone: str) -> None:
    with MUTATIONS[gone][1]():
        hil()
