"""The table that `make bench` prints and keeps in bench/results.md, with the machine described."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what, measured, as a ratio, what is asked, whether it holds."""

    what: str
    measured: str
    ratio: str
    asked: str
    holds: bool


def machine() -> str:
    """The machine in one line: processor count and name, memory, system, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    processor = names[0] if names else platform.machine()
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} × {processor}, {memory:.0f} GiB, {system}"


def _verdict(row: Row) -> str:
    return "holds" if row.holds else "MISSED"


def table(title: str, rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [f"## {title}", "", "| what | measured | ratio | asked | |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.what} | {row.measured} | {row.ratio} | {row.asked} | {'' if not row.asked else _verdict(row)} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"
