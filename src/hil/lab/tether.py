"""Runs a program that ends with the process that started it: `python -m hil.lab.tether PID PROGRAM…`.

On Linux the kernel sends SIGKILL when the parent is gone (prctl(2), PR_SET_PDEATHSIG), which outlives the change of
program. Elsewhere there is no such thing, and a lab that is killed leaves its HIL behind for `hil lab down`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PDEATHSIG: Final = 1


def main() -> None:
    """Tie this process to its parent, then become the program."""
    parent, *argv = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before the tie held
        raise SystemExit(1)
    os.execvp(argv[0], argv)  # noqa: S606 - the lab's own program, without a shell


if __name__ == "__main__":
    main()
