"""The Redfish driver against a service of our own: sessions, ETags, logs, sensors, a console, and nonsense."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from websockets.asyncio.server import ServerConnection, serve

from hil.core.errors import DeviceBusy, IdentityChanged, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import BootChoice, BootDevice, Firmware, LogEntry, Medium, PowerAction, Sensor
from hil.drivers.obm.redfish.console import open_console
from hil.drivers.obm.redfish.session import RedfishSession, open_session
from hil.drivers.obm.redfish.spec import SPEC
from hil.testing.obm import check_obm_driver
from hil.testing.obm_case import ObmControl
from tests.drivers_obm.redfish import certificate
from tests.drivers_obm.redfish.service import (
    RESET,
    SESSIONS,
    SYSTEM,
    Answer,
    RedfishService,
    link,
    redfish_service,
)

pytestmark = pytest.mark.net

CONFIG: dict[str, Any] = {"username": "hil", "password": "corr3ct", "timeout": 5.0}
Story = Callable[[RedfishService, RedfishSession], Awaitable[None]]


@asynccontextmanager
async def opened(service: RedfishService, **other: Any) -> AsyncIterator[RedfishSession]:
    session = await open_session(SPEC.validate({**service.config, **other}))
    assert isinstance(session, RedfishSession)
    try:
        yield session
    finally:
        await session.close()


def play(story: Story, **other: Any) -> RedfishService:
    async def whole() -> RedfishService:
        async with redfish_service() as service:
            async with opened(service, **other) as session:
                await story(service, session)
            return service

    return asyncio.run(whole())


def control(service: RedfishService) -> ObmControl:
    async def power() -> bool:
        return service.resources[SYSTEM]["PowerState"] == "On"

    async def boots() -> int:
        kinds = [body["ResetType"] for path, body in service.asked("POST") if path == RESET]
        return sum(kind in {"On", "ForceRestart", "PowerCycle"} for kind in kinds)

    async def sessions() -> int:
        return len(service.tokens)

    async def refuse(words: str) -> None:
        service.instead["POST", RESET] = [Answer(409, {"error": {"@Message.ExtendedInfo": [{"Message": words}]}})]

    return ObmControl(power=power, boots=boots, sessions=sessions, refuse=refuse)


def test_it_keeps_its_promises_in_sessions_of_the_service() -> None:
    async def story() -> None:
        async with redfish_service() as service:
            config = SPEC.validate(service.config)
            report = await check_obm_driver(
                open_session,
                config,
                control(service),
                spec=replace(SPEC, capabilities=replace(SPEC.capabilities, console=False)),
                wrong_login={**config, "password": "wrong"},
            )
            assert service.tokens == set()
        assert {"sets_the_boot_device", "reads_the_event_log", "carries_media", "closes_quietly"} <= set(report.kept)

    asyncio.run(story())


def test_it_works_in_a_session_and_ends_it() -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        assert await session.power() is True
        assert service.tokens == {"token-1"}

    service = play(story)
    assert service.tokens == set()
    assert all("authorization" not in request.headers for request in service.requests)
    assert service.requests[-1].path == f"{SESSIONS}/1"


def test_a_session_that_was_forgotten_is_made_again() -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        service.tokens.clear()
        await session.power_set(PowerAction.RESET)
        assert service.asked("POST") == [
            (SESSIONS, {"UserName": "hil", "Password": "corr3ct"}),
            (SESSIONS, {"UserName": "hil", "Password": "corr3ct"}),
            (RESET, {"ResetType": "ForceRestart"}),
        ]

    play(story)


def test_a_password_that_was_changed_is_a_refused_login() -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        service.tokens.clear()
        service.instead["POST", SESSIONS] = [Answer(401)]
        with pytest.raises(LoginRefused):
            await session.power()
        with pytest.raises(Unreachable, match="ended"):
            await session.power()

    play(story)


def test_full_sessions_are_busy_and_no_sessions_mean_basic() -> None:
    async def story() -> None:
        async with redfish_service() as service:
            service.instead["POST", SESSIONS] = [Answer(503)]
            with pytest.raises(DeviceBusy):
                await open_session(SPEC.validate(service.config))
            service.instead["POST", SESSIONS] = [Answer(404), Answer(404)]
            with pytest.raises(LoginRefused):  # this service does not know HTTP Basic
                await open_session(SPEC.validate(service.config))
            assert service.requests[-1].headers["authorization"].startswith("Basic ")
            with pytest.raises(Refused):
                await open_session(SPEC.validate({**service.config, "login": "session"}))

    asyncio.run(story())


def test_the_boot_override_is_changed_only_as_it_was_read() -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        await session.boot_set(BootChoice(BootDevice.CDROM, persistent=True, uefi=False))
        assert await session.boot() == BootChoice(BootDevice.CDROM, True, False)
        service.instead["PATCH", SYSTEM] = [Answer(412)]
        await session.boot_set(BootChoice(BootDevice.PXE))
        assert await session.boot() == BootChoice(BootDevice.PXE, False, False)
        await session.boot_set(BootChoice(BootDevice.NONE))
        assert service.asked("PATCH")[-1] == (
            SYSTEM,
            {"Boot": {"BootSourceOverrideTarget": "None", "BootSourceOverrideEnabled": "Disabled"}},
        )
        service.instead["PATCH", SYSTEM] = [Answer(412), Answer(412)]
        with pytest.raises(DeviceBusy, match="changes under our hands"):
            await session.boot_set(BootChoice(BootDevice.DISK))

    play(story)


def test_what_the_vendor_needs_is_sent() -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        await session.boot_set(BootChoice(BootDevice.PXE))
        service.resources[SYSTEM]["Manufacturer"] = "Supermicro"
        await session.boot_set(BootChoice(BootDevice.PXE))
        plain, vendor = (body["Boot"] for _, body in service.asked("PATCH"))
        assert vendor == {**plain, "BootSourceOverrideMode": "UEFI"}
        assert service.requests[-1].headers["if-match"] == "*"

    play(story, quirks=["any-etag"])


@pytest.mark.parametrize(
    ("action", "before", "kinds"),
    [
        (PowerAction.ON, "Off", ["On"]),
        (PowerAction.ON, "On", []),
        (PowerAction.ON, "PoweringOff", ["On"]),
        (PowerAction.OFF, "On", ["ForceOff"]),
        (PowerAction.OFF, "Off", []),
        (PowerAction.SOFT_OFF, "On", ["GracefulShutdown"]),
        (PowerAction.CYCLE, "On", ["PowerCycle"]),
        (PowerAction.CYCLE, "Off", ["On"]),
        (PowerAction.RESET, "On", ["ForceRestart"]),
        (PowerAction.RESET, "Off", ["On"]),
    ],
)
def test_power_actions_become_reset_types(action: PowerAction, before: str, kinds: list[str]) -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        service.resources[SYSTEM]["PowerState"] = before
        await session.power_set(action)
        assert [body["ResetType"] for path, body in service.asked("POST") if path == RESET] == kinds

    play(story)


def test_without_a_power_cycle_it_is_off_and_then_on() -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        service.resources[f"{SYSTEM}/ResetActionInfo"] = {}
        await session.power_set(PowerAction.CYCLE)
        assert [body["ResetType"] for _, body in service.asked("POST")[1:]] == ["ForceOff", "On"]

    play(story)


def test_logs_sensors_and_firmware_are_read() -> None:
    async def story(_: RedfishService, session: RedfishSession) -> None:
        older, newer = await session.event_log(2)
        assert older == LogEntry("2", 1772618460.0, "ok", "Power on")
        assert newer == LogEntry("3", 1772618520.0, "critical", "Fan 2 failed")
        assert [entry.id for entry in await session.event_log(9)] == ["1", "2", "3"]
        assert await session.sensors() == [Sensor("Inlet", 23.5, "Cel", "warning")]
        assert await session.firmware() == [Firmware("System ROM", "U30 v2.68")]

    play(story)


def test_the_light_and_media_of_older_services_are_properties() -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        await session.identify(5)
        assert service.resources[SYSTEM]["LocationIndicatorActive"] is True
        del service.resources[SYSTEM]["LocationIndicatorActive"]
        service.resources["/redfish/v1/Chassis/1"]["IndicatorLED"] = "Off"
        await session.identify(5)
        assert service.resources["/redfish/v1/Chassis/1"]["IndicatorLED"] == "Blinking"
        await session.media_insert("CD1", "https://images.example.net/a.iso")
        assert await session.media() == [Medium("CD1", ("cd",), "https://images.example.net/a.iso")]
        await session.media_eject("CD1")
        assert await session.media() == [Medium("CD1", ("cd",), None)]
        with pytest.raises(Refused, match="http"):
            await session.media_insert("CD1", "file:///etc/shadow")

    play(story)


@pytest.mark.parametrize("elsewhere", ["//evil.example.net/x", "https:evil", "relative", "/a\r\nX: y", 7, None])
def test_credentials_go_to_no_other_host(elsewhere: object) -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        service.resources[SYSTEM]["LogServices"] = {"@odata.id": elsewhere}
        before = len(service.requests)
        with pytest.raises(LostReply):
            await session.event_log(1)
        assert {request.path for request in service.requests[before:]} <= {
            SYSTEM,
            "/redfish/v1/Managers/1",
            f"{SESSIONS}/1",
        }

    play(story)


def test_an_address_in_a_link_is_not_followed_to_its_host() -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        service.resources[SYSTEM]["LogServices"] = link(f"http://192.0.2.1{SYSTEM}/LogServices")
        assert len(await session.event_log(1)) == 1

    play(story)


def test_services_that_lack_or_say_nonsense_are_refused_or_lost() -> None:
    async def story(service: RedfishService, session: RedfishSession) -> None:
        del service.resources[SYSTEM]["Boot"]
        with pytest.raises(Refused, match="boot override"):
            await session.boot()
        with pytest.raises(Refused, match="serial console"):
            await session.console()
        service.resources[SYSTEM]["PowerState"] = "Melting"
        with pytest.raises(Refused, match="power state"):
            await session.power()
        service.instead["GET", SYSTEM] = [Answer(500, {"error": {"message": "Out of order"}})]
        with pytest.raises(Refused, match="Out of order"):
            await session.power()
        service.instead["GET", SYSTEM] = [Answer(200, ["no", "object"])]
        with pytest.raises(Unreachable):
            await session.power()

    play(story)


def test_a_system_must_be_named_where_there_are_several() -> None:
    async def story() -> None:
        async with redfish_service() as service:
            service.resources["/redfish/v1/Systems"]["Members"].append(link("/redfish/v1/Systems/2"))
            service.resources["/redfish/v1/Systems/2"] = {"PowerState": "Off"}
            with pytest.raises(Refused, match="`system` to one of 1, 2"):
                await open_session(SPEC.validate(service.config))
            assert service.tokens == set()
            async with opened(service, system="2") as session:
                assert await session.power() is False

    asyncio.run(story())


class _Server(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("hil", "corr3ct")


async def _shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(b"login: ")
    while data := await process.stdin.read(1000):
        process.stdout.write(b"<" + data + b">")
    process.exit(0)


def test_the_serial_console_that_the_service_names_is_used_over_ssh() -> None:
    async def story() -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        ssh = await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[key], server_factory=_Server, process_factory=_shell, encoding=None
        )
        async with redfish_service() as service:
            offer = {"ServiceEnabled": True, "Port": ssh.get_port(), "ConsoleEntryCommand": "connect com2"}
            service.resources[SYSTEM]["SerialConsole"] = {"SSH": offer}
            async with opened(service) as session:
                with pytest.raises(Refused, match="console_host_key"):
                    await session.console()
            async with opened(service, console_host_key=key.get_fingerprint()) as session:
                line = await session.console()
                seen = b""
                while b"connect com2\r>" not in seen:
                    seen += await line.read()
                await line.write(b"~.\x00")
                while b"<~.\x00>" not in seen:
                    seen += await line.read()
                await line.close()
                assert await session.power() is True
        ssh.close()
        await ssh.wait_closed()

    asyncio.run(story())


def test_the_serial_console_that_the_service_names_is_used_over_a_websocket(tmp_path: Path) -> None:
    seen: list[tuple[str, str | None]] = []

    async def machine(socket: ServerConnection) -> None:
        assert socket.request is not None
        seen.append((socket.request.path, socket.request.headers.get("X-Auth-Token")))
        await socket.send("boot")
        async for message in socket:
            assert isinstance(message, bytes)
            if message == b"bye":
                return
            await socket.send([b"<", message, b">"])

    async def story() -> None:
        pin = certificate.make(tmp_path)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        async with serve(machine, "127.0.0.1", 0, ssl=tls) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            offer = {"SerialConsole": {"WebSocket": {"ServiceEnabled": True, "ConsoleURI": "wss://elsewhere/console0"}}}
            config = SPEC.validate({**CONFIG, "url": f"https://127.0.0.1:{port}", "certificate": pin})
            line = await open_console("bmc", config, offer, {"X-Auth-Token": "token-1"})
            await line.write(b"~.\x00\xff")
            read = b""
            while b">" not in read:
                read += await line.read()
            assert read == b"boot<~.\x00\xff>"
            await line.write(b"bye")
            assert await line.read() == b""
            with pytest.raises(LostReply):
                await line.write(b"x")
            await line.close()
            with pytest.raises(IdentityChanged):
                await open_console("bmc", {**config, "certificate": ":".join(["00"] * 32)}, offer, {})
            assert seen == [("/console0", "token-1")]

    asyncio.run(story())


def test_a_websocket_that_is_refused_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with redfish_service() as service:
            offer = {"WebSocket": {"ServiceEnabled": True, "ConsoleURI": "/console0"}}
            service.resources[SYSTEM]["SerialConsole"] = offer
            async with opened(service) as session:
                with pytest.raises(Refused, match="404"):
                    await session.console()
                assert service.requests[-1].path == "/console0"
                assert await session.power() is True

    asyncio.run(story())
