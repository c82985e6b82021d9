"""A Redfish service of our own, for what sushy-tools' emulator lacks: sessions, ETags, logs, sensors, a console.

Resources are JSON objects by path. What a test wants otherwise it changes: the resources, or the answer to one request.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

SESSIONS = "/redfish/v1/SessionService/Sessions"
SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


def resources() -> dict[str, Any]:
    """What a small server of this decade shows, shortened."""
    return {
        "/redfish/v1/": {
            "Systems": link("/redfish/v1/Systems"),
            "UpdateService": link("/redfish/v1/UpdateService"),
            "Links": {"Sessions": link(SESSIONS)},
        },
        "/redfish/v1/Systems": {"Members": [link(SYSTEM)]},
        SYSTEM: {
            "@odata.id": SYSTEM,
            "Id": "1",
            "Manufacturer": "Example",
            "PowerState": "On",
            "LocationIndicatorActive": False,
            "Boot": {
                "BootSourceOverrideEnabled": "Disabled",
                "BootSourceOverrideTarget": "None",
                "BootSourceOverrideMode": "UEFI",
                "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd", "UsbCd", "BiosSetup"],
            },
            "LogServices": link(f"{SYSTEM}/LogServices"),
            "Links": {"Chassis": [link("/redfish/v1/Chassis/1")], "ManagedBy": [link("/redfish/v1/Managers/1")]},
            "Actions": {"#ComputerSystem.Reset": {"target": RESET, "@Redfish.ActionInfo": f"{SYSTEM}/ResetActionInfo"}},
        },
        f"{SYSTEM}/ResetActionInfo": {
            "Parameters": [
                {
                    "Name": "ResetType",
                    "AllowableValues": ["On", "ForceOff", "GracefulShutdown", "ForceRestart", "PowerCycle"],
                }
            ]
        },
        f"{SYSTEM}/LogServices": {"Members": [link(f"{SYSTEM}/LogServices/Audit"), link(f"{SYSTEM}/LogServices/SEL")]},
        f"{SYSTEM}/LogServices/Audit": {"Id": "Audit", "Entries": link(f"{SYSTEM}/LogServices/Audit/Entries")},
        f"{SYSTEM}/LogServices/SEL": {"Id": "SEL", "Entries": link(f"{SYSTEM}/LogServices/SEL/Entries")},
        f"{SYSTEM}/LogServices/SEL/Entries": {
            "Members": [
                {"Id": "3", "Created": "2026-03-04T10:02:00Z", "Severity": "Critical", "Message": "Fan 2 failed"},
                {"Id": "2", "Created": "2026-03-04T10:01:00+00:00", "Severity": "OK", "Message": "Power on"},
            ],
            "Members@odata.nextLink": f"{SYSTEM}/LogServices/SEL/Entries?$skip=2",
        },
        f"{SYSTEM}/LogServices/SEL/Entries?$skip=2": {
            "Members": [{"Id": "1", "Created": "2026-03-04T10:00:00Z", "Severity": "OK", "Message": "Log cleared"}]
        },
        "/redfish/v1/Chassis/1": {"Sensors": link("/redfish/v1/Chassis/1/Sensors")},
        "/redfish/v1/Chassis/1/Sensors": {"Members": [link("/redfish/v1/Chassis/1/Sensors/Inlet")]},
        "/redfish/v1/Chassis/1/Sensors/Inlet": {
            "Name": "Inlet",
            "Reading": 23.5,
            "ReadingUnits": "Cel",
            "Status": {"State": "Enabled", "Health": "Warning"},
        },
        "/redfish/v1/Managers/1": {
            "FirmwareVersion": "4.2",
            "VirtualMedia": link("/redfish/v1/Managers/1/VirtualMedia"),
        },
        "/redfish/v1/Managers/1/VirtualMedia": {"Members": [link("/redfish/v1/Managers/1/VirtualMedia/CD1")]},
        "/redfish/v1/Managers/1/VirtualMedia/CD1": {
            "@odata.id": "/redfish/v1/Managers/1/VirtualMedia/CD1",
            "Id": "CD1",
            "MediaTypes": ["CD", "DVD"],
            "Image": None,
        },
        "/redfish/v1/UpdateService": {"FirmwareInventory": link("/redfish/v1/UpdateService/FirmwareInventory")},
        "/redfish/v1/UpdateService/FirmwareInventory": {
            "Members": [link("/redfish/v1/UpdateService/FirmwareInventory/A")]
        },
        "/redfish/v1/UpdateService/FirmwareInventory/A": {"Name": "System ROM", "Version": "U30 v2.68"},
    }


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class RedfishService:
    """What it was asked is in `requests`; `instead` answers the next requests of a method and path otherwise."""

    def __init__(self) -> None:
        self.resources = resources()
        self.requests: list[Request] = []
        self.tokens: set[str] = set()
        self.instead: dict[tuple[str, str], list[Answer]] = {}
        self.etag = 1
        self.made = 0
        self.port = 0
        self.sessions_lead_to = SESSIONS

    @property
    def config(self) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{self.port}", "username": "hil", "password": "corr3ct", "timeout": 5.0}

    def asked(self, *methods: str) -> list[tuple[str, Any]]:
        return [(request.path, request.body) for request in self.requests if request.method in methods]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if queue := self.instead.get((request.method, request.path)):
            return queue.pop(0)
        if (request.method, request.path) == ("GET", "/redfish/v1/"):
            return Answer(200, self.resources[request.path])
        if (request.method, request.path) == ("POST", SESSIONS):
            return self._login(request.body)
        if request.headers.get("x-auth-token") not in self.tokens:
            return Answer(401)
        if request.path.startswith(SESSIONS):
            self.tokens.discard(request.headers["x-auth-token"])
            return Answer(204)
        return self._resource(request)

    def _login(self, body: Any) -> Answer:
        if body != {"UserName": "hil", "Password": "corr3ct"}:
            return Answer(401)
        self.made += 1
        self.tokens.add(f"token-{self.made}")
        where = f"http://127.0.0.1:{self.port}{self.sessions_lead_to}/{self.made}"
        return Answer(201, {}, {"X-Auth-Token": f"token-{self.made}", "Location": where})

    def _resource(self, request: Request) -> Answer:
        if request.method == "POST":
            if request.path == RESET:
                off = request.body["ResetType"] in {"ForceOff", "GracefulShutdown"}
                self.resources[SYSTEM]["PowerState"] = "Off" if off else "On"
            return Answer(204)
        if request.path not in self.resources:
            return Answer(404, {"error": {"@Message.ExtendedInfo": [{"Message": "There is no such thing."}]}})
        found = self.resources[request.path]
        if request.method == "GET":
            return Answer(200, found, {"ETag": f'W/"{self.etag}"'})
        if request.headers.get("if-match") not in (f'W/"{self.etag}"', "*"):
            return Answer(412)
        for key, value in request.body.items():
            found[key] = {**found[key], **value} if isinstance(value, dict) else value
        self.etag += 1
        return Answer(204)


@asynccontextmanager
async def redfish_service() -> AsyncIterator[RedfishService]:
    service = RedfishService()
    open_: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                answer = service.answer(await _request(reader))
                body = b"" if answer.body is None else json.dumps(answer.body).encode()
                headers = {**answer.headers, "Content-Length": str(len(body))}
                lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items())]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        for writer in open_:
            writer.close()
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(body) if body else None)
