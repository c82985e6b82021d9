"""The shipped conformance check on the real Open vSwitch: over a unix socket with a hand in it, over TCP, over TLS."""

import asyncio
import os
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.core.errors import IdentityChanged, LoginRefused, Unreachable
from hil.drivers.switch.ovs.session import open_session, tls_context
from hil.drivers.switch.ovs.spec import SPEC
from hil.drivers.transport.ovsdb import connect_tcp
from hil.lab.ovs import netns
from hil.lab.ovs.datacentre import DataCentre
from hil.lab.ovs.sandbox import process_of
from hil.testing import Control, Report, check_switch_driver
from tests.ovs.certificates import Authority
from tests.ovs.hand import EMPTY, count
from tests.ovs.proxy import proxy_to

pytestmark = pytest.mark.ovs
PORTS = ["sw1p1", "sw1p2", "sw1p3"]
LACKS = {
    *("hardens_edge_ports", "refuses_lag_members", "rolls_back_unconfirmed", "tells_who_is_plugged_in"),
    *("tells_failed_saves", "carries_what_it_reads", "opens_nothing_between", "tells_busy"),
}
"""What Open vSwitch has nothing for, as its grade says; and what `test_frames` and `test_session` show instead."""


def control(centre: DataCentre, **more: Any) -> Control:
    async def reboot() -> None:
        await asyncio.to_thread(centre.reboot)

    async def make_foreign(port: str) -> None:
        await asyncio.to_thread(centre.by_hand, port, vlan_mode=EMPTY, tag=EMPTY, trunks=EMPTY)

    async def writes() -> int:
        return await asyncio.to_thread(count, centre)

    return Control(reboot=reboot, make_foreign=make_foreign, writes=writes, **more)


def test_every_promise_is_kept_over_a_unix_socket(centre: DataCentre) -> None:
    async def check() -> Report:
        async with proxy_to(centre.directory / "db.sock") as (proxy, path):
            config = SPEC.validate({"ovsdb": f"unix:{path}", "bridge": "sw1"})
            return await check_switch_driver(
                open_session,
                config,
                PORTS,
                control(centre, refuse=proxy.refuse, lose_reply=proxy.lose_reply),
                spec=SPEC,
                unknown_port="sw2p1",
                unreachable={**config, "ovsdb": f"unix:{centre.directory}/nobody.sock"},
            )

    report = asyncio.run(check())
    lacks = LACKS | {"tells_wrong_login", "tells_other_identity"}
    assert set(report.not_tried) == lacks, "a unix socket has no log-in: its rights are its directory's"


def within(centre: DataCentre, check: Callable[[], Awaitable[Report]]) -> Report:
    """Run a check on a network card of the switch's own: a thread in the sandbox's network namespace."""
    done: list[Report | BaseException] = []

    async def awaited() -> Report:
        return await check()

    def run() -> None:
        namespace = os.open(f"/proc/{process_of(centre.directory / 'control.sock')}/ns/net", os.O_RDONLY)
        try:
            with netns.within(namespace):
                done.append(asyncio.run(awaited()))
        except BaseException as error:
            done.append(error)
        finally:
            os.close(namespace)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(done[0], BaseException):
        raise done[0]
    return done[0]


@pytest.fixture
def listening(centre: DataCentre, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Have the switch listen on TCP and TLS, as its operator would; answer the settings for TLS."""
    authority = Authority(tmp_path / "switches")
    server, client = authority.issue("switch", "127.0.0.1"), authority.issue("worker")
    tls = {"ca_cert": authority.certificate, "certificate": server[0], "private_key": server[1]}
    centre.transact(
        {"op": "insert", "table": "SSL", "row": {key: str(path) for key, path in tls.items()}, "uuid-name": "tls"},
        {"op": "insert", "table": "Manager", "row": {"target": "ptcp:6640:127.0.0.1"}, "uuid-name": "a"},
        {"op": "insert", "table": "Manager", "row": {"target": "pssl:6641:127.0.0.1"}, "uuid-name": "b"},
        {
            "op": "update",
            "table": "Open_vSwitch",
            "where": [],
            "row": {
                "ssl": ["named-uuid", "tls"],
                "manager_options": ["set", [["named-uuid", "a"], ["named-uuid", "b"]]],
            },
        },
    )
    centre.settle()
    yield {"ca": str(authority.certificate), "certificate": str(client[0]), "private_key": str(client[1])}
    gone = {"ssl": EMPTY, "manager_options": EMPTY}
    centre.transact({"op": "update", "table": "Open_vSwitch", "where": [], "row": gone})


@pytest.mark.usefixtures("listening")
def test_every_promise_is_kept_over_tcp(centre: DataCentre) -> None:
    config = SPEC.validate({"ovsdb": "tcp:127.0.0.1:6640", "bridge": "sw1"})

    async def check() -> Report:
        unreachable = {**config, "ovsdb": "tcp:127.0.0.1:9"}
        return await check_switch_driver(
            open_session, config, PORTS, control(centre), spec=SPEC, unknown_port="nope", unreachable=unreachable
        )

    lacks = LACKS | {"refuses_in_words", "tells_lost_replies", "tells_wrong_login", "tells_other_identity"}
    assert set(within(centre, check).not_tried) == lacks


def test_every_promise_is_kept_over_tls(centre: DataCentre, listening: dict[str, Any], tmp_path: Path) -> None:
    config = SPEC.validate({"ovsdb": "ssl:127.0.0.1:6641", "bridge": "sw1", **listening})
    stranger = Authority(tmp_path / "strangers").issue("worker")
    wrong = {"certificate": str(stranger[0]), "private_key": str(stranger[1])}

    async def check() -> Report:
        return await check_switch_driver(
            open_session,
            config,
            PORTS,
            control(centre),
            spec=SPEC,
            unknown_port="nope",
            wrong_login={**config, **wrong},
            unreachable={**config, "ovsdb": "ssl:127.0.0.1:9"},
            other_identity={**config, "ca": str(Authority(tmp_path / "others").certificate)},
        )

    assert set(within(centre, check).not_tried) == LACKS | {"refuses_in_words", "tells_lost_replies"}


def test_a_certificate_that_is_refused_in_the_handshake_is_a_refused_log_in(
    centre: DataCentre, listening: dict[str, Any], tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "strangers").issue("worker")
    context = tls_context({**listening, "certificate": stranger[0], "private_key": stranger[1], "ovsdb": "ssl:"})
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def check() -> Report:
        with pytest.raises(LoginRefused):
            await connect_tcp("127.0.0.1", 6641, 10, context)
        return Report()

    assert within(centre, check) == Report()


@pytest.mark.parametrize("fault", ["another authority", "another name"])
def test_a_switch_that_proves_another_identity_is_not_spoken_to(
    centre: DataCentre, listening: dict[str, Any], tmp_path: Path, fault: str
) -> None:
    config = SPEC.validate({"ovsdb": "ssl:127.0.0.1:6641", "bridge": "sw1", **listening})
    if fault == "another authority":
        config["ca"] = str(Authority(tmp_path / "strangers").certificate)
    else:
        config["ovsdb"] = "ssl:localhost:6641"

    async def check() -> Report:
        with pytest.raises(IdentityChanged):
            await open_session(config)
        return Report()

    assert within(centre, check) == Report()


def test_missing_files_of_tls_are_named(centre: DataCentre) -> None:
    files = {key: f"{centre.directory}/{key}.pem" for key in ("ca", "certificate", "private_key")}
    config = SPEC.validate({"ovsdb": "ssl:127.0.0.1:6641", "bridge": "sw1", **files})
    with pytest.raises(Unreachable, match="files ca, certificate and private_key"):
        asyncio.run(open_session(config))
