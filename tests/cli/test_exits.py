"""Exit codes and the one line on standard error: a promise to scripts."""

import os
import subprocess
import sys
from pathlib import Path

import click
import httpx
import pytest

from hil.cli import explain as explaining
from hil.cli.exits import MEANINGS, Exit
from hil.cli.explain import code, explain
from hil.cli.session import Fault
from hil.client import Client, Operation, OperationFailed, Retry, Settings, SettingsError, UnexpectedAnswer, WaitTimeout
from tests.cli.terminal import clean, run
from tests.client.script import Script, Step, operation, problem, said


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> "Player":
    return Player(monkeypatch)


class Player:
    """Puts a script in the place of the server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def __call__(self, *steps: Step, forever: bool = False) -> Script:
        script = Script(steps, forever=forever)

        def connect(settings: Settings) -> Client:
            client = Client(settings=settings, transport=script, retry=Retry(attempts=2))
            client._connection.sleep = lambda seconds: None
            return client

        self.monkeypatch.setattr("hil.cli.session.connect", connect)
        return script


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (said({"name": "n1", "state": "free"}), Exit.OK),
        (problem(400, "bad-argument"), Exit.USAGE),
        (problem(401, "unauthenticated"), Exit.DENIED),
        (problem(403, "denied"), Exit.DENIED),
        (problem(404, "not-found"), Exit.NOT_FOUND),
        (problem(405, "method-not-allowed"), Exit.FAILURE),
        (problem(409, "blocked"), Exit.CONFLICT),
        (problem(412, "precondition-failed"), Exit.CONFLICT),
        (problem(422, "idempotency-mismatch"), Exit.CONFLICT),
        (problem(422, "validation"), Exit.USAGE),
        (problem(429, "rate-limited", retry_after=3), Exit.DENIED),
        (problem(500, "internal"), Exit.FAILURE),
        (problem(503, "unavailable"), Exit.UNREACHABLE),
        (httpx.ConnectError("refused"), Exit.UNREACHABLE),
        (httpx.ReadTimeout("late"), Exit.UNREACHABLE),
        (said([1]), Exit.FAILURE),
        (httpx.Response(404, text="<html>"), Exit.FAILURE),
    ],
)
def test_every_answer_has_its_code_and_one_line(play: Player, step: Step, expected: Exit) -> None:
    play(step, forever=True)
    ran = run("node show n1")
    assert ran.code == expected
    if expected is not Exit.OK:
        assert ran.out == ""
        assert ran.err.startswith("hil: ")
        assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("nod list", "hil: no such command 'nod' (did you mean node?): try `hil --help`"),
        ("node shw n1", "hil: no such command 'shw' (did you mean show?): try `hil node --help`"),
        ("node frobnicate", "hil: no such command 'frobnicate': try `hil node --help`"),
        ("node show", "hil: Missing argument 'NODE': try `hil node show --help`"),
        ("node list --sate free", "hil: No such option '--sate'. Did you mean '--state'?: try `hil node list --help`"),
        ("node allocate -p blue", "hil: Say which nodes, or how many with --count: try `hil node allocate --help`"),
        ("node show n1 --wait", "hil: No such option '--wait': try `hil node show --help`"),
        ("operation wait x --timeout soon", "hil: Invalid value for '--timeout': 'soon' is no time: write 90,"),
        ("node release n[1-", "hil: 'n[1-': a bracket is not closed: write node[01-16]"),
        ("--endpoint ftp://x node list", "hil: 'ftp://x' is no endpoint: give it as https://host[:port]"),
        ("--profile absent whoami", "hil: /nonexistent/hil/config.toml has no profile 'absent': `hil login` makes one"),
    ],
)
def test_a_mistake_in_the_command_line_is_told_in_one_line(command: str, line: str) -> None:
    ran = run(command)
    assert ran.code == Exit.USAGE
    assert ran.err.startswith(line)
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("command", ["", "node", "event"])
def test_a_noun_alone_shows_what_can_be_done_with_it(command: str) -> None:
    ran = run(command)
    assert ran.code == Exit.USAGE
    assert ran.err.startswith(f"Usage: hil {command}".rstrip())
    assert "\nCommands:\n" in ran.err


def test_a_server_cannot_play_with_the_terminal(play: Player) -> None:
    play(problem(409, "blocked", "red \x1b[31m\nand\r\x07 \x9b bell"))
    ran = run("node show n1")
    assert ran.err == "hil: red \\x1b[31m and \\x07 \\x9b bell\n"


def test_a_failed_and_a_late_operation_have_codes_of_their_own() -> None:
    made = Operation.of(operation("ERROR", reason="the switch said no"))
    assert code(OperationFailed(made)) == Exit.OPERATION_FAILED == 7
    assert code(WaitTimeout(made)) == Exit.TIMED_OUT == 8


def test_an_interrupt_has_the_shells_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "hil: interrupted\n"
    aborted = click.Abort()
    aborted.__context__ = KeyboardInterrupt()
    assert code(aborted) == 130


def test_a_question_without_an_answer_is_a_failure() -> None:
    aborted = click.Abort()
    aborted.__context__ = EOFError()
    assert code(aborted) == Exit.FAILURE


def test_a_fault_of_our_own_shows_no_traceback_unless_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert explain(ZeroDivisionError("division by zero")) == Exit.FAILURE
    line = capsys.readouterr().err
    assert line.startswith("hil: internal error: ZeroDivisionError: division by zero: set HIL_DEBUG=1")
    assert line.count("\n") == 1
    monkeypatch.setenv("HIL_DEBUG", "1")
    explain(ZeroDivisionError("division by zero"))
    assert "ZeroDivisionError" in capsys.readouterr().err.split("\n", 1)[1]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SettingsError("x"), Exit.USAGE),
        (UnexpectedAnswer("x"), Exit.FAILURE),
        (Fault("x"), Exit.FAILURE),
        (Fault("x", code=Exit.NOT_FOUND), Exit.NOT_FOUND),
        (click.FileError("x"), Exit.FAILURE),
        (SystemExit(5), 5),
        (SystemExit(None), 0),
        (SystemExit("words"), 1),
    ],
)
def test_errors_of_other_kinds(error: BaseException, expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(error) == expected


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Exit)


def test_a_reader_that_leaves_is_no_error_message(tmp_path: Path) -> None:
    """As in `hil … | head -1`."""
    read, write = os.pipe()
    os.close(read)
    program = "from hil.cli.app import app; app(['completion', 'bash'])"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, env=clean(), check=False
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == Exit.FAILURE


def test_the_words_of_an_error_are_one_line() -> None:
    assert explaining.clean(" a\n b\tc ") == "a b c"
