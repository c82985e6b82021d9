"""Programs that speak for us: what they are told, what they leave behind, and that none outlives its caller."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hil.core.errors import LostReply, Unreachable
from hil.drivers.transport import process
from hil.drivers.transport.process import Ended, run, talk

pytestmark = pytest.mark.net

SECRET = "corr3ct horse"


def shell(script: str, *, patience: float = 20.0, sent: bool = True, mark: str = "mark") -> Awaitable[Ended]:
    return run("device", lambda path: ["sh", "-c", script, mark, path], SECRET, patience=patience, sent=sent)


def running(mark: str) -> bool:
    for found in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in found.read_bytes():
                return True
        except OSError:
            continue
    return False


def test_a_program_reads_the_secret_and_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_KEYS", "not for it")
    ended = asyncio.run(shell('cat "$1"; env >&2; exit 3'))
    assert (ended.code, ended.out) == (3, SECRET)
    assert "HIL_KEYS" not in ended.err
    assert "LC_ALL=C" in ended.err


def test_the_secret_is_closed_here_when_the_program_has_ended() -> None:
    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(shell("true"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(("sent", "kind"), [(True, LostReply), (False, Unreachable)])
def test_a_program_that_takes_too_long_is_killed(sent: bool, kind: type[Exception]) -> None:
    length = f"600.{os.getpid()}{int(sent)}"
    with pytest.raises(kind):
        asyncio.run(shell(f"sleep {length}; true", patience=0.5, sent=sent))
    assert not running(length)


def test_a_program_that_prints_without_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LONGEST", 10_000)
    mark = f"loud-{os.getpid()}"
    with pytest.raises(LostReply):
        asyncio.run(shell("while :; do echo more; done", mark=mark))
    assert not running(mark)


def conversation(script: str, story: Callable[[process.Talk], Awaitable[None]]) -> None:
    async def whole() -> None:
        line = await talk("device", lambda path: ["sh", "-c", script, "mark", path], SECRET)
        try:
            await story(line)
        finally:
            await line.close(5.0)

    asyncio.run(whole())


async def written(line: process.Talk) -> None:
    """Write until that fails: an ended program is noticed some bytes later."""
    for _ in range(1000):
        await line.write(b"nobody reads this" * 1000)


def test_what_a_program_says_on_its_terminal_comes_as_it_is() -> None:
    async def story(line: process.Talk) -> None:
        await line.write(b"a\rb\x03\x04\n")
        seen = b""
        while chunk := await line.read():
            seen += chunk
        assert seen == b"\r\n!a\rb\x03\x04\n"
        with pytest.raises(LostReply):
            await written(line)

    conversation("printf '\\r\\n!'; head -c 6", story)


def test_a_program_that_ends_its_input_may_say_goodbye(tmp_path: Path) -> None:
    async def story(line: process.Talk) -> None:
        assert await line.read() == b"hello"

    conversation(f"printf hello; cat; echo bye >{tmp_path}/bye", story)
    assert (tmp_path / "bye").read_text() == "bye\n"


def test_what_a_program_complains_of_can_be_asked() -> None:
    async def story(line: process.Talk) -> None:
        assert await line.read() == b""
        assert await line.words(5.0) == "no such thing\n"

    conversation("echo no such thing >&2", story)
