"""The HTTP transport against the emulators' server: who is believed, what is sent, how failures are told apart."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hil.core import guard
from hil.core.devices import Writer
from hil.core.errors import IdentityChanged, LeaseLost, LoginRefused, LostReply, Refused, Unreachable
from hil.core.model import PortState
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.drivers.transport import http
from hil.lab.devices.model import Carried, Config, Device, Dropped, Held, PortConfig, Session
from hil.lab.devices.web import Answer, Request, as_json, certificate, serve

pytestmark = pytest.mark.net


class Plain:
    """A rule for a device whose ports nobody asks about."""

    def carried(self, config: Config, port: str) -> Carried:
        return Carried(None, frozenset())

    def held(self, config: Config, port: str) -> Held:
        return PortState()

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        return PortConfig()


class Desk:
    """A platform that keeps what it was asked, and answers as it is told."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.answer: Callable[[Request], Answer] = lambda request: as_json({"path": request.whole})

    async def __call__(self, session: Session, request: Request) -> Answer:
        await session.enter(Op.READ)
        self.seen.append(request)
        answer = self.answer(request)
        session.leave(Op.READ)
        return answer


@asynccontextmanager
async def desk(device: Device | None = None) -> AsyncIterator[tuple[Desk, Device, dict[str, Any]]]:
    device = device or Device("desk", Plain(), ["1"])
    platform = Desk()
    async with serve(device, platform, {"timeout": 20.0}) as served:
        yield platform, device, dict(served.config)
    assert not device.sessions


def run(test: Callable[[Desk, Device, dict[str, Any]], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with desk() as (platform, device, config):
            await test(platform, device, config)

    asyncio.run(whole())


@asynccontextmanager
async def opened(config: dict[str, Any], **more: Any) -> AsyncIterator[http.Web]:
    web = http.connect(config, **more)
    try:
        yield web
    finally:
        await web.close()


def test_requests_of_a_session_share_one_connection_and_one_log_in() -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        async with opened(config) as web:
            first = await web.ask("GET", "/a%2Fb/c?x=1&y=%20", login=True)
            second = await web.ask("POST", "/d", data={"k": [1]})
            assert first.json() == {"path": "/a/b/c"}
            assert second.ok
        assert platform.seen[0].path == ("a/b", "c")
        assert platform.seen[0].query == {"x": "1", "y": " "}
        assert platform.seen[1].json() == {"k": [1]}
        assert [entry.action for entry in device.log] == ["login"]

    run(story)


def test_a_wrong_fingerprint_stops_before_the_password_leaves() -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        asked = device.faults
        config["certificate"] = ":".join(["00"] * 32)
        async with opened(config) as web:
            with pytest.raises(IdentityChanged, match="certificate other than the registered"):
                await web.ask("GET", "/", login=True)
        assert not platform.seen
        assert not device.log
        assert not asked

    run(story)


def test_a_certificate_may_be_registered_as_text_and_another_one_is_not_believed(tmp_path: Path) -> None:
    context, pin = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    certificate(tmp_path / "other")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    def public(folder: Path) -> str:
        text = (folder / "switch.pem").read_text()
        return text[text.index("-----BEGIN CERTIFICATE") :]

    async def story() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            config = {"url": f"https://127.0.0.1:{port}", "username": "u", "password": "p", "timeout": 20.0}
            for believed in (public(tmp_path), pin, "first-use", "first-use"):
                async with opened(config | {"certificate": believed}) as web:
                    assert (await web.ask("GET", "/", login=True)).ok
            for other in (public(tmp_path / "other"), None):
                async with opened(config | {"certificate": other}) as web:
                    with pytest.raises(IdentityChanged):
                        await web.ask("GET", "/", login=True)

    asyncio.run(story())


def test_first_use_believes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        config["certificate"] = "first-use"
        async with opened(config) as web:
            await web.ask("GET", "/", login=True)
            monkeypatch.setitem(http._SEEN, web.device, "AA:BB")
        async with opened(config) as web:
            with pytest.raises(IdentityChanged):
                await web.ask("GET", "/", login=True)

    run(story)


def test_a_wrong_password_is_told_from_an_address_where_nothing_answers() -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        async with opened(config | {"password": "s3cret"}) as web:
            with pytest.raises(LoginRefused) as found:
                await web.ask("GET", "/", login=True)
            assert "s3cret" not in found.value.message + found.value.detail
            with pytest.raises(Unreachable):
                await web.ask("GET", "/")
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            async with opened(config | {"url": f"https://127.0.0.1:{nobody.getsockname()[1]}"}) as web:
                with pytest.raises(Unreachable, match="connection refused"):
                    await web.ask("GET", "/")

    run(story)


@pytest.mark.parametrize("kind", [FaultKind.LOSE_REQUEST, FaultKind.LOSE_REPLY])
def test_what_was_sent_and_not_answered_is_a_lost_reply(kind: FaultKind) -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        async with opened(config) as web:
            await web.ask("GET", "/", login=True)
            device.faults.add(Fault(kind=kind, op=Op.READ))
            with pytest.raises(LostReply):
                await web.ask("POST", "/", data={})
            assert web.ended
        async with opened(config) as web:
            device.faults.add(Fault(kind=kind, op=Op.READ))
            with pytest.raises(Unreachable):
                await web.ask("GET", "/", login=True)

    run(story)


def test_the_writer_is_asked_before_the_first_byte_and_only_then_anything_leaves() -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        def lost() -> None:
            raise LeaseLost("gone")

        asked: list[int] = []
        async with opened(config) as web:
            await web.ask("POST", "/", writer=Writer(1, lambda: asked.append(len(platform.seen))))
            assert asked == [0]
            with pytest.raises(LeaseLost):
                await web.ask("POST", "/", writer=Writer(1, lost))
            assert len(platform.seen) == 1
            with pytest.raises(LostReply):
                await web.ask("GET", "/")

    run(story)


def test_redirects_are_refused_and_no_other_status_is_judged() -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        async with opened(config) as web:
            platform.answer = lambda request: Answer(302, headers={"Location": "https://elsewhere.example/"})
            with pytest.raises(Refused, match="redirects"):
                await web.ask("GET", "/")
            for status in (404, 409, 423, 500, 503):
                platform.answer = lambda request, status=status: Answer(status, b"words")  # type: ignore[misc]  # a loop
                answer = await web.ask("GET", "/")
                assert (answer.status, answer.text, answer.ok) == (status, "words", False)
        assert len(device.log) == 1

    run(story)


def test_an_answer_is_bounded_and_never_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        monkeypatch.setattr(http, "LONGEST", 1000)
        platform.answer = lambda request: Answer(200, b"x" * 1001)
        async with opened(config) as web:
            with pytest.raises(LostReply):
                await web.ask("GET", "/")
        platform.answer = lambda request: Answer(200, b"x", headers={"Content-Encoding": "gzip"})
        async with opened(config) as web:
            with pytest.raises(LostReply):
                await web.ask("GET", "/")

    run(story)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_json_is_a_lost_reply(body: bytes) -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        platform.answer = lambda request: Answer(200, body)
        async with opened(config) as web:
            with pytest.raises(LostReply):
                (await web.ask("GET", "/")).json()

    run(story)


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        for name in ("HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        async with opened(config) as web:
            assert (await web.ask("GET", "/")).ok

    run(story)


def test_a_slow_device_is_given_up_in_time() -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        never = asyncio.Event()

        async def sleep(seconds: float) -> None:
            await never.wait()

        device.sleep = sleep
        device.faults.add(Fault(kind=FaultKind.SLOW, op=Op.READ, seconds=1))
        async with opened(config) as web:
            with pytest.raises(LostReply, match="no answer in time"):
                await web.ask("GET", "/", patience=0.2)
        never.set()

    run(story)


def test_a_token_takes_the_place_of_the_password() -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        async with opened(config, headers={"Authorization": http.bearer("abc")}) as web:
            with pytest.raises(LoginRefused):
                await web.ask("GET", "/")
        async with opened(config, headers={"Authorization": http.basic("hil", "pw")}) as web:
            assert (await web.ask("GET", "/")).ok

    run(story)


def test_nothing_is_opened_or_sent_inside_a_transaction() -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        with guard.transaction(), pytest.raises(guard.DeviceInTransaction):
            http.connect(config)
        async with opened(config) as web:
            with guard.transaction(), pytest.raises(guard.DeviceInTransaction):
                await web.ask("GET", "/")
            await web.ask("GET", "/")

    run(story)


def test_a_server_drops_what_the_device_drops() -> None:
    async def story(platform: Desk, device: Device, config: dict[str, Any]) -> None:
        async with opened(config) as web:
            await web.ask("GET", "/")
            device.drop_sessions()
            # Either the end of the connection has been seen and a new one is made, or the request is lost in it.
            try:
                assert (await web.ask("GET", "/")).ok
            except LostReply:
                assert web.ended

        def die(request: Request) -> Answer:
            raise Dropped

        platform.answer = die
        async with opened(config) as web:
            with pytest.raises(LostReply, match="connection"):
                await web.ask("GET", "/")

    run(story)
