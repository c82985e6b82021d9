"""The program `hil`: one command line for callers and for machines that run HIL."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from hil.main import app
from hil.process.serve import serve


def test_the_help_names_what_a_server_has_beside_the_client() -> None:
    shown = CliRunner().invoke(app, ["--help"], standalone_mode=False, prog_name="hil").stdout
    for name in ("serve", "lab", "node", "network"):
        assert f"\n  {name} " in shown


def test_the_line_of_help_is_the_same_in_both_places() -> None:
    with click.Context(app) as context:
        assert app.get_command(context, "serve") is serve
    assert app.line("serve").startswith("Run HIL")


def test_nothing_of_a_server_is_loaded_for_a_client() -> None:
    program = "import sys, hil.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert {"sqlalchemy", "fastapi", "uvicorn", "alembic", "hil.store"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("option", ["--state", "--first-operator"])
def test_what_split_processes_do_not_have_is_refused(option: str) -> None:
    with pytest.raises(click.UsageError, match="are for `hil serve` alone"):
        app.main(["serve", option, "x", "api"], standalone_mode=False)


@pytest.mark.parametrize("arguments", [["serve"], ["serve", "api"], ["serve", "worker"]])
def test_every_server_command_explains_itself(arguments: list[str]) -> None:
    shown = CliRunner().invoke(app, [*arguments, "--help"], standalone_mode=False, prog_name="hil")
    assert shown.stdout.startswith(f"Usage: hil {' '.join(arguments)}")
    assert "hil serve" in shown.stdout.split("Example", 1)[1]
