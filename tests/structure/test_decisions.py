"""Decision records: numbered without a gap, four sections in order, and paths in them that exist."""

import re
from pathlib import Path

from tests.structure.source import TOP

SECTIONS = ["Context", "Decision", "Consequences", "Enforced by"]
RECORDS = sorted((TOP / "docs" / "decisions").glob("[0-9]*.md"))


def faults(name: str, text: str) -> list[str]:
    found = []
    if not re.match(rf"# {name[:4]}: \S", text):
        found.append(f"{name}: starts with '# {name[:4]}: title'")
    if re.findall(r"^## (.+)$", text, re.MULTILINE) != SECTIONS:
        found.append(f"{name}: has the sections {', '.join(SECTIONS)}")
    found += [f"{name}: ## {title} is empty" for title in re.findall(r"^## (.+)\n+(?=## |\Z)", text, re.MULTILINE)]
    if len(text.splitlines()) > 60:
        found.append(f"{name}: is longer than a page")
    paths = re.findall(r"`((?:src|tests|tools|docs|bench)/[\w./-]+)`", text)
    return found + [f"{name}: {path} does not exist" for path in paths if not (TOP / path).exists()]


def test_records_are_numbered_from_one_without_a_gap() -> None:
    assert [path.name[:4] for path in RECORDS] == [f"{number:04d}" for number in range(1, len(RECORDS) + 1)]
    assert len(RECORDS) >= 12


def test_every_record_has_its_four_sections_and_names_what_exists() -> None:
    assert [fault for path in RECORDS for fault in faults(path.name, path.read_text())] == []


def test_faults_in_a_record_are_recognised(tmp_path: Path) -> None:
    text = "# 0099: Title\n\n## Context\n\nx\n\n## Decision\n\n## Consequences\n\n`tests/none.py`\n"
    assert faults("0099-title.md", text) == [
        "0099-title.md: has the sections Context, Decision, Consequences, Enforced by",
        "0099-title.md: ## Decision is empty",
        "0099-title.md: tests/none.py does not exist",
    ]
