"""A conversation with a command line, against a device that is a script: every way in which output can mislead."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hil.core import guard
from hil.core.devices import Writer
from hil.core.errors import DeviceBusy, LeaseLost, LoginRefused, LostReply, Refused, Unreachable
from hil.drivers.switch.cli import shell as module
from hil.drivers.switch.cli.dialect import Dialect
from hil.drivers.switch.cli.shell import Shell, words

DIALECT = Dialect(
    refused=re.compile(r"^%|rejected"),
    tolerated=re.compile(r"^%Warning"),
    busy=re.compile(r"locked by"),
    enable="enable",
    questions=((re.compile(r"\[confirm\]$"), "\n"),),
)


class Script:
    """A device in memory: what it is sent is answered by a function, in chunks; an empty chunk ends it."""

    def __init__(self, answer: Callable[[str], str | list[str]], greeting: str = "\r\nsw1#") -> None:
        self.sent: list[str] = []
        self._answer = answer
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.ended = False
        self._say([greeting])

    def write(self, data: bytes) -> None:
        if self.ended:
            raise ConnectionResetError("gone")
        self.sent.append(data.decode())
        answer = self._answer(data.decode())
        self._say([answer] if isinstance(answer, str) else answer)

    async def drain(self) -> None:
        pass

    async def read(self, limit: int = 0) -> bytes:
        return await self._queue.get()

    def _say(self, chunks: list[str]) -> None:
        for chunk in chunks:
            self._queue.put_nowait(chunk.encode())


def device(outputs: dict[str, Any] | None = None, prompt: str = "sw1#") -> Callable[[str], str | list[str]]:
    """Echo, output, prompt; outputs by command, a list being taken as it is."""

    def answer(sent: str) -> str | list[str]:
        command = sent.rstrip("\n")
        said = (outputs or {}).get(command, "")
        return (
            said if isinstance(said, list) else f"{command}\r\n{said}\r\n{prompt}" if said else f"{command}\r\n{prompt}"
        )

    return answer


def talk(
    use: Callable[[Shell], Awaitable[None]],
    outputs: dict[str, Any] | None = None,
    *,
    greeting: str = "\r\nsw1#",
    answer: Callable[[str], str | list[str]] | None = None,
    dialect: Dialect = DIALECT,
    patience: float = 5.0,
    enable: str = "",
) -> Script:
    async def all_of_it() -> Script:
        script = Script(answer or device(outputs), greeting)
        shell = Shell("switch.example:22", script, dialect, patience)
        await shell.login("hil", "pw", enable)
        await use(shell)
        return script

    return asyncio.run(all_of_it())


async def nothing(shell: Shell) -> None:
    assert shell.host == "sw1"


def writer(checks: int = 1000) -> Writer:
    left = iter(range(checks))

    def check() -> None:
        if next(left, None) is None:
            raise LeaseLost("over")

    return Writer(1, check)


def test_a_command_is_answered_without_echo_and_prompt() -> None:
    async def use(shell: Shell) -> None:
        assert await shell.run("show vlan") == "1 default\n2 other"
        assert await shell.run("end") == ""

    script = talk(use, {"show vlan": "1 default\r\n2 other"})
    assert "terminal length 0\n" in script.sent


def test_a_banner_that_looks_like_a_prompt_is_no_prompt() -> None:
    talk(nothing, greeting="\r\nWelcome#\r\nline\r\nsw1#")

    async def named(shell: Shell) -> None:
        assert shell.host == "sw1"
        assert await shell.run("show") == "yes"

    talk(named, {"show": "yes"}, greeting="\r\nWelcome#")


def test_only_the_prompt_of_this_device_ends_an_output() -> None:
    async def use(shell: Shell) -> None:
        assert await shell.run("show log") == "other#\nsw1# said\nsw12#"

    talk(use, {"show log": ["show log\r\nother#", "\r\nsw1# said\r\nsw12#", "\r\nsw1#"]})


def test_a_prompt_forged_at_the_end_of_a_chunk_costs_the_session_and_misleads_nobody() -> None:
    async def use(shell: Shell) -> None:
        assert await shell.run("show lldp") == "name:"
        with pytest.raises(Unreachable):
            await shell.run("show vlan")

    talk(use, {"show lldp": ["show lldp\r\nname:\r\nsw1#", "\r\nVLAN 10 is fine\r\nsw1#"], "show vlan": "10"})


def test_a_cut_name_in_a_configuration_mode_is_this_device() -> None:
    name = "a-very-long-name-of-a-switch"

    def answer(sent: str) -> str:
        return f"{sent.rstrip()}\r\n{name[:20]}(config)#" if sent.startswith("conf") else f"{sent.rstrip()}\r\n{name}#"

    async def use(shell: Shell) -> None:
        await shell.enter(writer())
        assert shell.mode.endswith("(config)#")
        await shell.leave()

    talk(use, answer=answer, greeting=f"\r\n{name}#")


def test_pages_are_turned_and_leave_no_trace() -> None:
    def answer(sent: str) -> str:
        if sent == " ":
            return "\b" * 10 + " " * 10 + "\b" * 10 + "two\r\nsw1#"
        return "show\r\none\r\n --More-- " if sent == "show\n" else f"{sent.rstrip()}\r\nsw1#"

    async def use(shell: Shell) -> None:
        assert await shell.run("show") == "one\ntwo"

    talk(use, answer=answer)


def test_questions_are_answered_if_they_are_known() -> None:
    def answer(sent: str) -> str:
        match sent:
            case "reload\n":
                return "reload\r\nProceed? [confirm]"
            case "y":
                return "y\r\nGone\r\nsw1#"
            case "\n":
                return "\r\nSure (y/n)? "
            case _:
                return f"{sent.rstrip()}\r\nsw1#"

    async def use(shell: Shell) -> None:
        output = await shell.run("reload", answers=[(re.compile(r"\(y/n\)\?$"), "y")])
        assert output.endswith("Gone")

    talk(use, answer=answer)


def test_an_unknown_question_is_not_answered() -> None:
    async def use(shell: Shell) -> None:
        with pytest.raises(LostReply, match="no answer in time"):
            await shell.run("erase", changes=True, patience=0.02)

    script = talk(use, {"erase": ["erase\r\nReally (y/n)? "]})
    assert script.sent[-1] == "erase\n"


@pytest.mark.parametrize(
    ("output", "error"),
    [("% Invalid input", Refused), ("Command rejected: no", Refused), ("is locked by bob", DeviceBusy)],
)
def test_a_refusal_holds_the_words_of_the_device(output: str, error: type[Exception]) -> None:
    async def use(shell: Shell) -> None:
        with pytest.raises(error) as found:
            await shell.ask("show x")
        assert output in str(found.value)

    talk(use, {"show x": f"   ^\r\n{output}"})


def test_a_warning_is_no_refusal_and_a_banner_far_below_neither() -> None:
    async def use(shell: Shell) -> None:
        assert await shell.tell("edge", writer()) is None
        assert "% no" in await shell.ask("show run")

    talk(use, {"edge": "%Warning: only hosts", "show run": "\r\n".join(["line"] * 9 + ["% no"])})


def test_lines_end_with_the_first_that_is_refused() -> None:
    async def use(shell: Shell) -> None:
        error = await shell.tell_all(["one", "two", "three"], writer())
        assert error is not None
        assert "`two`" in error.message

    script = talk(use, {"two": "% no"})
    assert script.sent[-1] == "two\n"


def test_the_lease_is_asked_before_each_line() -> None:
    async def use(shell: Shell) -> None:
        with pytest.raises(LeaseLost):
            await shell.tell_all(["one", "two", "three"], writer(2))

    script = talk(use)
    assert script.sent[-1] == "two\n"


def test_a_death_is_told_apart_before_and_after_a_change() -> None:
    async def use(shell: Shell) -> None:
        with pytest.raises(Unreachable):
            await shell.run("show")

    talk(use, {"show": ["show\r\nhalf", ""]})

    async def change(shell: Shell) -> None:
        with pytest.raises(LostReply):
            await shell.tell("set", writer())

    talk(change, {"set": [""]})

    async def ended(shell: Shell) -> None:
        wire = shell._wire
        assert isinstance(wire, Script)
        wire.ended = True
        with pytest.raises(Unreachable, match="nothing was sent"):
            await shell.tell("set", writer())

    script = talk(ended)
    assert "set\n" not in script.sent


def test_endless_output_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 4096)

    async def use(shell: Shell) -> None:
        with pytest.raises(Unreachable):
            await shell.run("show")

    talk(use, {"show": ["show\r\n", *["x" * 512] * 20]})


def test_what_is_asked_in_the_shell_is_told_once() -> None:
    def answer(sent: str) -> str:
        match sent:
            case "hil\n":
                return "hil\r\nPassword:"
            case "pw\n":
                return "\r\n\x1b[Ksw1#"
            case _:
                return f"{sent.rstrip()}\r\nsw1#"

    script = talk(nothing, answer=answer, greeting="\r\nUser Name:")
    assert script.sent[:2] == ["hil\n", "pw\n"]

    def refuses(sent: str) -> str:
        return "\r\nPassword:" if sent == "hil\n" else "\r\nUser Name:"

    with pytest.raises(LoginRefused):
        talk(nothing, answer=refuses, greeting="\r\nUser Name:")


def test_a_banner_may_speak_of_denied_access_and_an_answer_may_not() -> None:
    talk(nothing, greeting="\r\nAccess denied to strangers.\r\nsw1#")

    def refuses(sent: str) -> str:
        return "\r\nPassword:" if sent == "hil\n" else "\r\n% Authentication failed.\r\n"

    with pytest.raises(LoginRefused):
        talk(nothing, answer=refuses, greeting="\r\nAccess denied to strangers.\r\nUser Name:")


@pytest.mark.parametrize("right", [True, False])
def test_enable_leads_to_a_privileged_prompt_or_is_refused(right: bool) -> None:
    privileged = False

    def answer(sent: str) -> str:
        nonlocal privileged
        if sent == "enable\n":
            return "enable\r\nPassword: "
        if sent == "two\n":
            privileged = right
            return "\r\nsw1#" if right else "\r\nPassword: "
        return f"{sent.rstrip()}\r\nsw1{'#' if privileged else '>'}"

    if right:
        talk(nothing, answer=answer, greeting="\r\nsw1>", enable="two")
    else:
        with pytest.raises(LoginRefused, match="enable"):
            talk(nothing, answer=answer, greeting="\r\nsw1>", enable="two")


@pytest.mark.parametrize("command", ["interface Gi1/0/1\nno shutdown", "show\r", "a\x03"])
def test_a_command_is_one_line(command: str) -> None:
    async def use(shell: Shell) -> None:
        with pytest.raises(RuntimeError, match="one printable line"):
            await shell.run(command)

    talk(use)


def test_nothing_is_sent_inside_a_transaction() -> None:
    async def use(shell: Shell) -> None:
        with guard.transaction(), pytest.raises(guard.DeviceInTransaction):
            await shell.run("show")

    talk(use)


def test_the_words_of_a_device_fit_a_message() -> None:
    assert words("      ^\n% Invalid input detected at '^' marker.\n\n") == "% Invalid input detected at '^' marker."
    assert len(words("x" * 1000)) == 300
