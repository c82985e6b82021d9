"""`make bench`: measure, print, keep."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.report import Row, machine, table

PARTS = {
    "engine": "The port engine",
    "platforms": "48 ports on each platform",
    "api": "The API on PostgreSQL",
    "ipmi": "IPMI through ipmitool",
    "obm": "Out-of-band management at size",
}


def keep(path: Path, title: str, rows: Sequence[Row]) -> None:
    """Put the figures of one part into the file, in the place of its earlier ones; the others stay."""
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    pages = {page.partition("\n")[0]: f"## {page.rstrip()}\n" for page in kept.split("\n## ")[1:]}
    pages[title] = table(title, rows).replace("\n\n", f"\n\nOn {machine()}, {datetime.now(UTC):%Y-%m-%d}.\n\n", 1)
    known = [pages[name] for name in PARTS.values() if name in pages]
    path.write_text("# Measured\n\nMade by `make bench`, part by part.\n\n" + "\n".join(known), encoding="utf-8")


def main() -> int:
    """Run the chosen parts (default: all); exit 1 if a figure misses what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; by default all")
    parser.add_argument("--keep", type=Path, default=Path(__file__).with_name("results.md"))
    options = parser.parse_args()
    parts: list[str] = options.parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):  # `choices` with `*` refuses the empty list
        parser.error(f"no part is called {', '.join(sorted(unknown))}: use {', '.join(PARTS)}")
    missed = 0
    for part in parts:
        rows: list[Row] = []
        for row in importlib.import_module(f"bench.{part}").measure():
            rows.append(row)
            print(
                f"{row.what:60} {row.measured:>14}  {row.ratio}  {row.asked}{'' if row.holds else '  MISSED'}",
                flush=True,
            )
        missed += sum(not row.holds for row in rows)
        keep(options.keep, PARTS[part], rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
