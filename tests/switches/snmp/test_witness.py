"""The driver against net-snmp's own agent: a second implementation of protocol, security and advisory lock."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import LoginRefused, Unreachable
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.snmp.session import open_session
from hil.drivers.switch.snmp.spec import SPEC

pytestmark = pytest.mark.net
WRITER = Writer(1, lambda: None)
PORTS = ["gi1/0/1", "gi1/0/2"]
SNMPD = shutil.which("snmpd", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin") or "snmpd"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """snmpd on a free port; answers the configuration that reaches it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(__file__).with_name("bridge.pl")
    (tmp_path / "snmpd.conf").write_text(
        f"agentaddress udp:127.0.0.1:{port}\n"
        "createUser hil SHA-256 authentic-pw AES private-pw\nrwuser hil priv\n"
        f'perl do "{program}" or print STDERR "no tables: $@ $!";\n'
    )
    off = "-ifTable,interface,ifXTable,interfaces,dot1dBridge"
    process = subprocess.Popen(
        [SNMPD, "-f", "-C", "-c", str(tmp_path / "snmpd.conf"), "-Lf", str(tmp_path / "log"), "-I", off],
        env={**os.environ, "SNMP_PERSISTENT_DIR": str(tmp_path), "MIBS": ""},
    )
    try:
        yield SPEC.validate(
            {"hostname": "127.0.0.1", "port": port, "username": "hil", "auth_password": "authentic-pw"}
            | {"priv_password": "private-pw", "names": "ifDescr", "timeout": 2.0, "retries": 2}
        )
    finally:
        process.terminate()
        process.wait()


async def ready(config: dict[str, Any]) -> SwitchSession:
    """Open a session as soon as the agent answers; the waiting is the driver's own."""
    for _ in range(50):
        try:
            return await open_session({**config, "timeout": 0.4, "retries": 0})
        except Unreachable:
            continue
    raise AssertionError("snmpd does not answer")


def test_net_snmp_is_led_from_state_to_state(agent: dict[str, Any]) -> None:
    states = [
        PortState(10, frozenset({20, 30})),
        PortState(20, frozenset({10})),
        PortState(None, frozenset({10, 30})),
        CLOSED,
        PortState(30),
    ]

    async def drive() -> None:
        await (await ready(agent)).close()
        session = await open_session(agent)
        assert set(await session.read()) == {f"gi1/0/{number}" for number in range(1, 9)}
        for state in states:
            seen = await session.read(PORTS)
            answers = await session.apply([PortChange(port, seen[port].state, state) for port in PORTS], WRITER)
            assert answers == dict.fromkeys(PORTS)
            assert {found.state for found in (await session.read(PORTS)).values()} == {state}
        assert session._snmp._serial is None  # this agent shows the advisory lock and lets nobody set it
        others = await session.read(["gi1/0/3"])
        assert others["gi1/0/3"].raw.endswith("egress=1; untagged=1")
        await session.close()
        with pytest.raises(LoginRefused):
            await open_session({**agent, "auth_password": "not-authentic"})

    asyncio.run(drive())
