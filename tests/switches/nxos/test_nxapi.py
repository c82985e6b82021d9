"""NX-API: what is sent, and every answer that is none, against a server that answers what it is told."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hil.core.errors import BadArgument, DeviceBusy, LoginRefused, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.nxos.nxapi import Nxapi, open_nxapi
from hil.drivers.switch.nxos.session import open_session
from hil.drivers.switch.nxos.spec import SPEC
from hil.lab.devices.model import Device, Session
from hil.lab.devices.nxos import EMULATOR, PARKED, NxosEmulator
from hil.lab.devices.web import Answer, Request, as_json, serve
from tests.switches.harness import opened, run, writer

pytestmark = pytest.mark.net


def output(code: str = "200", **more: Any) -> dict[str, Any]:
    return {"code": code, "msg": "Success" if code == "200" else "Input CLI command error", **more}


def outputs(found: Any) -> Answer:
    return as_json({"ins_api": {"type": "cli_conf", "outputs": {"output": found}}})


def against(answer: Callable[[list[str]], Answer], use: Callable[[Nxapi, list[Any]], Awaitable[None]]) -> None:
    """Use NX-API against a server: the log-in is answered, everything else is `answer` of the commands asked."""
    asked: list[Any] = []
    device = EMULATOR.device("sw")

    async def platform(session: Session, request: Request) -> Answer:
        body = request.json()["ins_api"]
        if body["input"] == "show clock":
            return outputs(output(body="12:00"))
        asked.append((request.method, request.whole, body))
        return answer(body["input"].split(" ;"))

    async def all_of_it() -> None:
        async with serve(device, platform) as served:
            port = int(served.config["url"].rpartition(":")[2])
            own = {key: served.config[key] for key in ("username", "password", "certificate")}
            shell = await open_nxapi(SPEC.validate({**own, "hostname": "127.0.0.1", "port": port, "parked": PARKED}))
            try:
                await use(shell, asked)
            finally:
                await shell.closed()

    run(all_of_it())


def test_a_step_is_one_request_of_commands_in_order() -> None:
    async def use(shell: Nxapi, asked: list[Any]) -> None:
        assert await shell.tell_all(["interface Ethernet1/1", "shutdown"], writer()) is None
        ((method, path, body),) = asked
        assert (method, path) == ("POST", "/ins")
        assert (body["type"], body["input"]) == ("cli_conf", "interface Ethernet1/1 ;shutdown")

    against(lambda commands: outputs([output(body={})] * len(commands)), use)


def test_one_output_may_be_an_object() -> None:
    async def use(shell: Nxapi, asked: list[Any]) -> None:
        assert await shell.tell_all(["copy running-config startup-config"], writer()) is None
        assert await shell.show("show vlan") == {"a": 1}

    against(lambda commands: outputs(output(body={"a": 1})), use)


def test_a_refused_command_is_named_with_the_words_of_the_switch() -> None:
    async def use(shell: Nxapi, asked: list[Any]) -> None:
        error = await shell.tell_all(["one", "two", "three"], writer())
        assert error is not None
        assert "`two`" in error.message
        assert "% Invalid parameter" in error.message

    refused = output("400", clierror="% Invalid parameter detected at '^' marker.\n")
    against(lambda commands: outputs([output(), refused, output()]), use)
    against(lambda commands: outputs([output(), refused]), use)


def test_an_answer_for_fewer_commands_is_not_taken_for_success() -> None:
    async def use(shell: Nxapi, asked: list[Any]) -> None:
        error = await shell.tell_all(["one", "two", "three"], writer())
        assert isinstance(error, Refused)
        assert "2 of 3" in error.message

    against(lambda commands: outputs([output(), output()]), use)


def test_a_locked_configuration_is_busy() -> None:
    async def use(shell: Nxapi, asked: list[Any]) -> None:
        with pytest.raises(DeviceBusy, match="somebody else"):
            await shell.tell_all(["one"], writer())

    against(lambda commands: outputs(output("400", clierror="Configuration is locked by session 3")), use)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>not JSON</html>"),
        Answer(500, b"internal error"),
        as_json([]),
        as_json({"ins_api": {"outputs": {}}}),
        as_json({"ins_api": {"outputs": {"output": []}}}),
        as_json({"ins_api": {"outputs": {"output": ["text"]}}}),
    ],
)
def test_an_answer_that_is_none_leaves_the_state_unknown_after_a_change(answer: Answer) -> None:
    async def use(shell: Nxapi, asked: list[Any]) -> None:
        with pytest.raises((Unreachable, LostReply)):
            await shell.ask("show version")
        with pytest.raises(LostReply):
            await shell.tell_all(["one"], writer())

    against(lambda commands: answer, use)


def test_a_log_in_that_is_refused_or_answered_by_something_else() -> None:
    emulated = NxosEmulator()

    async def all_of_it() -> None:
        device = emulated.device("sw")
        async with emulated.serve(device) as served:
            with pytest.raises(LoginRefused):
                await opened("nxos", served, password="wrong")
        assert not device.writes()

        async def other(session: Session, request: Request) -> Answer:
            return Answer(404, b"no such page", "text/plain")

        async with serve(device, other) as served:
            port = int(served.config["url"].rpartition(":")[2])
            own = {key: served.config[key] for key in ("username", "password", "certificate")}
            config = SPEC.validate({**own, "hostname": "127.0.0.1", "port": port, "parked": PARKED})
            with pytest.raises((Unreachable, LostReply)):
                await open_session(config)
        assert not device.sessions

    run(all_of_it())


def test_a_switch_with_one_port_is_read() -> None:
    emulated = NxosEmulator(ports=("Ethernet1/1",))
    device: Device = emulated.device("sw")

    async def all_of_it() -> None:
        async with emulated.serve(device) as served:
            session = await opened("nxos", served)
            assert (await session.read())["Ethernet1/1"].state == PortState(1)
            batch = [PortChange("Ethernet1/1", PortState(1), CLOSED)]
            assert await session.apply(batch, writer()) == {"Ethernet1/1": None}
            assert (await session.read())["Ethernet1/1"].state == CLOSED
            await session.close()

    run(all_of_it())


def test_an_address_of_six_stands_in_brackets() -> None:
    config = SPEC.validate({"hostname": "::1", "port": 1, "username": "hil", "password": "pw", "parked": PARKED})

    async def use() -> None:
        with pytest.raises(Unreachable):
            await open_nxapi(config)

    run(use())
    with pytest.raises(BadArgument):
        SPEC.validate({**config, "hostname": "two words"})
