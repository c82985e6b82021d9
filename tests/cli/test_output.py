"""What commands print: for people, and for programs."""

import csv
import io
import json

import pytest
import yaml

from hil.cli import output
from hil.cli.output import emit, emit_one, text

ROWS = [
    {"name": "n1", "state": "free", "project": None, "labels": {"gpu": "a100", "ssd": ""}, "n": 3},
    {"name": "node, with\x1b[31m", "state": "allocated", "project": "blue", "labels": {}, "n": 0},
]
COLUMNS = "name state project labels"


def printed(capsys: pytest.CaptureFixture[str], form: str, *, one: bool = False) -> str:
    emit_one(ROWS[0], COLUMNS, form) if one else emit(ROWS, COLUMNS, form)
    return capsys.readouterr().out


def test_a_table_in_a_pipe_is_plain_aligned_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "table").splitlines() == [
        "NAME                STATE      PROJECT  LABELS",
        "n1                  free       -        gpu=a100 ssd",
        "node, with\\x1b[31m  allocated  blue     -",
    ]


def test_an_empty_table_still_says_what_it_would_hold(capsys: pytest.CaptureFixture[str]) -> None:
    emit([], COLUMNS, "table")
    assert capsys.readouterr().out == "NAME  STATE  PROJECT  LABELS\n"


def test_one_object_is_a_list_of_facts(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "table", one=True) == "name     n1\nstate    free\nproject  -\nlabels   gpu=a100 ssd\n"


def test_facts_of_facts_are_listed_where_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    emit_one({"name": "sw1", "lane": {"owner": None, "pending": 2}}, "name lane.", "table")
    assert capsys.readouterr().out == "name          sw1\nlane.owner    -\nlane.pending  2\n"


@pytest.mark.parametrize("one", [True, False])
def test_json_and_yaml_hold_everything(capsys: pytest.CaptureFixture[str], one: bool) -> None:
    expected = ROWS[0] if one else ROWS
    assert json.loads(printed(capsys, "json", one=one)) == expected
    assert yaml.safe_load(printed(capsys, "yaml", one=one)) == expected


def test_json_keeps_control_characters_from_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in printed(capsys, "json")
    assert "\x1b" not in printed(capsys, "yaml")
    assert "\x1b" not in printed(capsys, "table")


def test_csv_has_the_columns_and_can_be_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "csv"))))
    assert [row["name"] for row in rows] == ["n1", "node, with\\x1b[31m"]
    assert rows[0] == {"name": "n1", "state": "free", "project": "", "labels": '{"gpu": "a100", "ssd": ""}'}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("", "-"),
        (0, "0"),
        (True, "yes"),
        (False, "no"),
        ([], "-"),
        (["a", "b"], "a,b"),
        ({"native": None, "tagged": []}, "nothing"),
        ({"native": 100, "tagged": [101, 102]}, "native 100, tagged 101,102"),
        ({"native": None, "tagged": [101]}, "tagged 101"),
        ({"reason": "trunk of all VLANs", "raw": "switchport trunk all"}, "unclear: trunk of all VLANs"),
        ("2030-01-02T03:04:05.678901Z", "2030-01-02 03:04:05Z"),
        ("a\u202eb", "a\\u202eb"),
    ],
)
def test_values_are_shown_as_people_read_them(value: object, shown: str) -> None:
    assert text(value) == shown


def test_a_table_on_a_terminal_has_colours_and_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "120", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    emit([{"name": "[red]n1[/red]", "state": "free"}], "name state", "table")
    shown = capsys.readouterr().out
    assert "[red]n1[/red]" in shown
    assert "\x1b[32mfree" in shown
    assert "\u2502" not in shown


def test_every_state_that_has_a_colour_is_a_word_of_the_api() -> None:
    assert {"free", "allocated", "releasing", "maintenance", "quarantined"} < output.COLOURS.keys()
    assert {"PENDING", "DONE", "ERROR"} < output.COLOURS.keys()
