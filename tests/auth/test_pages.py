"""What the pages say of settings and limits is so."""

import re
from dataclasses import fields
from pathlib import Path

from hil.auth.database import Settings
from hil.services import key
from hil.store import passwords
from hil.store.tokens import make

DOCS = Path(__file__).parents[2] / "docs"
OPERATORS = (DOCS / "operators" / "authentication.md").read_text()
USERS = (DOCS / "users" / "credentials.md").read_text()


def test_the_table_of_settings_is_complete_and_true() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", OPERATORS.partition("### Settings")[2], re.MULTILINE))
    assert table.pop("hash_slots") == "half the cores"
    assert {name: int(text) for name, text in table.items()} == {
        field.name: field.default for field in fields(Settings) if field.name != "hash_slots"
    }


def test_the_limits_that_the_pages_name_hold() -> None:
    assert f"{passwords.SHORTEST} to {passwords.LONGEST} characters" in OPERATORS
    assert f"You can have {key.MOST} keys" in USERS
    assert re.fullmatch(r"hil_[^_]+_[^_]+", make()[1].reveal())
