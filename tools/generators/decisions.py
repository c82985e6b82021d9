"""The table of decision records, from the records themselves."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
OUTPUT = "docs/decisions/index.md"

HEAD = """\
# Decisions

What was decided, why, and what holds us to it. A record is one page. It is not rewritten when we change our mind: a
later record says so, and the earlier one gets a line that points there.

| | decision | enforced by |
|---|---|---|
"""


def row(path: Path) -> str:
    text = path.read_text()
    title = re.search(r"^# \d{4}: (.+)$", text, re.MULTILINE)
    held = re.search(r"^## Enforced by\n+(.+?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    if title is None or held is None:
        raise SystemExit(f"{path}: a record starts with '# NNNN: title' and ends with '## Enforced by'")
    enforced = " ".join(held[1].split())
    return f"| {path.name[:4]} | [{title[1]}]({path.name}) | {enforced} |\n"


def text() -> str:
    return HEAD + "".join(row(path) for path in sorted((TOP / OUTPUT).parent.glob("[0-9]*.md")))
