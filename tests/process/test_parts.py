"""The pieces of a process, each by itself: places, passwords, log lines, parts that fail."""

import asyncio
import io
import json
import logging
import os
from pathlib import Path

import pytest
import uvloop

from hil.config import Config
from hil.config.model import Log
from hil.core.errors import BadArgument
from hil.core.secret import Secret
from hil.process import log, password
from hil.process.drain import Draining
from hil.process.http import HttpPart, listen
from hil.process.place import place, state_directory
from hil.process.run import _together


def config(**database: str) -> Config:
    return Config.model_validate({"database": database})


def test_the_state_directory_is_systemds_or_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert state_directory({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}) == Path("/var/lib/a")
    assert state_directory({"XDG_STATE_HOME": "/home/ann/state"}) == Path("/home/ann/state/hil")
    assert state_directory({}) == Path.home() / ".local/state/hil"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_directory({"XDG_STATE_HOME": "/home/ann/state"}) == Path("/var/lib/hil")


def test_without_a_configuration_everything_is_in_the_state_directory(tmp_path: Path) -> None:
    where = place(Config(), tmp_path / "new")
    where.prepare()
    assert where.url.reveal() == f"sqlite:///{tmp_path}/new/hil.db"
    assert (tmp_path / "new" / "keys").exists()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert where.keyring().check == place(Config(), tmp_path / "new").keyring().check


def test_no_key_is_made_beside_a_database_that_exists(tmp_path: Path) -> None:
    (tmp_path / "hil.db").touch()
    where = place(Config(), tmp_path)
    where.prepare()
    with pytest.raises(BadArgument, match="restore it from the backup of this database"):
        where.keyring()


def test_the_database_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hil.db").touch()
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(BadArgument, match=r"hil.db belongs to .*: run this as that user, as in `sudo -u"):
        place(Config(), tmp_path).prepare()


def test_with_postgresql_the_key_must_be_named(tmp_path: Path) -> None:
    where = place(config(url="postgresql://hil@db/hil"), tmp_path)
    where.prepare()
    with pytest.raises(BadArgument, match="with PostgreSQL, name it as `key_file`"):
        where.keyring()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadArgument, match=r"file/state cannot be made \(.*\): name another with --state"):
        place(Config(), tmp_path / "file" / "state").prepare()


@pytest.mark.parametrize(
    ("variable", "text", "found"), [("from env", "x\n", "from env"), ("", "from stdin\r\nrest", "from stdin")]
)
def test_a_password_comes_from_the_environment_or_a_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, found: str
) -> None:
    monkeypatch.setenv(password.VARIABLE, variable)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert password.read("ann") == Secret(found)


def test_no_password_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(password.VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(BadArgument, match="write it to standard input, or set HIL_ADMIN_PASSWORD"):
        password.read("ann")


def record(message: str, error: bool = False) -> logging.LogRecord:
    try:
        raise ValueError("inside")
    except ValueError as caught:
        info = (ValueError, caught, caught.__traceback__) if error else None
    made = logging.LogRecord("hil.x", logging.WARNING, "", 0, message, (), info)
    made.created, made.msecs = 1795226400.25, 250.0
    return made


def test_a_line_of_text_cannot_be_forged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    line = log.TextFormatter().format(record("denied to ann\nINFO hil.x: allowed\x1b[2J"))
    assert line == "2026-11-21T02:00:00.250Z WARNING hil.x: denied to ann\\nINFO hil.x: allowed\\x1b[2J"
    assert "ValueError: inside" in log.TextFormatter().format(record("it failed", error=True))


def test_under_journald_a_line_has_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    assert log.TextFormatter().format(record("hello")) == "WARNING hil.x: hello"


def test_json_lines_are_one_object_each() -> None:
    line = log.JsonFormatter().format(record("it\nfailed", error=True))
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("error").endswith("ValueError: inside")
    assert found == {"at": "2026-11-21T02:00:00.250Z", "level": "warning", "logger": "hil.x", "message": "it\nfailed"}


def test_libraries_are_quiet_unless_debugging() -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    try:
        log.set_up(Log(level="info", format="json"))
        assert not logging.getLogger("uvicorn.error").isEnabledFor(logging.INFO)
        assert logging.getLogger("hil.worker").isEnabledFor(logging.INFO)
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]


@pytest.mark.parametrize("name", ["uvicorn.error", "websockets.server", "httpcore.http11"])
def test_what_writes_headers_never_debugs(name: str) -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    for known in list(root.manager.loggerDict):
        if known.startswith(("uvicorn", "websockets", "httpcore")):
            logging.getLogger(known).setLevel(logging.NOTSET)
    try:
        log.set_up(Log(level="debug"))
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
        assert logging.getLogger("hil.worker").isEnabledFor(logging.DEBUG)
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]


class FakePart:
    """A part that ends when it is stopped, or at once with an error."""

    def __init__(self, name: str, error: Exception | None = None, *, ends: bool = False) -> None:
        self.name, self._error, self._ends = name, error, ends
        self.ready = asyncio.Event()
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        self.ready.set()
        if self._error is not None:
            raise self._error
        if not self._ends:
            await self.stopped.wait()

    def stop(self) -> None:
        self.stopped.set()


def together(*parts: FakePart) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_together(parts))


def test_a_part_that_fails_takes_the_others_with_it() -> None:
    other = FakePart("other")
    with pytest.raises(OSError, match="broken"):
        together(other, FakePart("bad", OSError("broken")))
    assert other.stopped.is_set()


def test_a_part_that_ends_by_itself_takes_the_others_with_it() -> None:
    other = FakePart("other")
    with pytest.raises(RuntimeError, match="idle ended by itself"):
        together(other, FakePart("idle", ends=True))
    assert other.stopped.is_set()


def test_what_is_no_request_passes_the_drain_untouched() -> None:
    seen: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:
        seen.append(scope["type"])  # type: ignore[index]  # a scope is a mapping

    async def nothing() -> dict[str, str]:
        return {}

    asyncio.run(Draining(app)({"type": "lifespan"}, nothing, nothing))  # type: ignore[arg-type]  # never called
    assert seen == ["lifespan"]


@pytest.mark.net
def test_those_who_only_wait_are_let_go_when_the_api_stops() -> None:
    let_go: list[str] = []
    bound = listen("127.0.0.1:0")
    part = HttpPart("API", None, bound, drain=1, let_go=lambda: let_go.append("now"))
    part.stop()
    bound.close()
    assert let_go == ["now"]
