"""The shipped conformance check: our drivers pass it, and each promise catches drivers that break it."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from hil.core.devices import Atomicity, Nativeless, SwitchSession
from hil.core.model import CLOSED
from hil.drivers.switch.emulated.session import open_session as open_emulated
from hil.drivers.switch.emulated.spec import SPEC as EMULATED
from hil.drivers.switch.mock.device import EmulatedSwitch, place
from hil.drivers.switch.mock.faults import Fault, FaultKind
from hil.drivers.switch.mock.session import open_session
from hil.drivers.switch.mock.spec import SPEC, MockSpec
from hil.lab.switchd import EmulatedSwitchServer
from hil.testing import ConformanceError, Control, Report, check_switch_driver, control_of, run_switch_check
from hil.testing.promises import PROMISES
from tests.drivers import broken_failures, broken_states, features
from tests.drivers.broken import BrokenDriver
from tests.drivers.features import Bench, Opening, Whole, WholeSpec, featured

PORTS = ["gi1/0/1", "gi1/0/2", "gi1/0/3"]
BROKEN = [*broken_states.BROKEN, *broken_failures.BROKEN]
NAMES = [promise.__name__ for promise in PROMISES]
CONFIG = {"hostname": "conforming", "username": "hil", "password": "pw"}
BAD = {
    "wrong_login": CONFIG | {"password": "wrong"},
    "unreachable": CONFIG | {"hostname": "dark"},
    "unknown_port": "gi9/9/9",
}
STRANGER = CONFIG | {"hostname": "impostor"}
LACKS = {"hardens_edge_ports", "refuses_lag_members", "rolls_back_unconfirmed", "tells_other_identity"}
"""What an emulated switch has nothing for, as its grade says: `tests.drivers.features` has drivers that do."""
HAS = [name for name in NAMES if name not in LACKS]


@pytest.fixture
def device() -> Iterator[EmulatedSwitch]:
    """The mock switch `conforming`, and beside it one that never answers."""
    dark = EmulatedSwitch("dark")
    dark.faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None))
    found = EmulatedSwitch("conforming", ports=PORTS, password="pw")
    place("conforming", found)
    place("dark", dark)
    yield found
    place("conforming", None)
    place("dark", None)


def test_the_mock_driver_keeps_every_promise(device: EmulatedSwitch) -> None:
    report = run_switch_check(open_session, CONFIG, PORTS, control_of(device), spec=SPEC, **BAD)
    assert report.kept == HAS
    assert report.not_tried.keys() == LACKS
    assert {device.running(port) for port in PORTS} == {CLOSED}
    assert not device.sessions


def test_an_atomic_mock_keeps_every_promise(device: EmulatedSwitch) -> None:
    device.atomicity = Atomicity.SWITCH
    spec = MockSpec(capabilities=replace(SPEC.capabilities, atomicity=Atomicity.SWITCH))
    assert run_switch_check(open_session, CONFIG, PORTS, control_of(device), spec=spec, **BAD).kept == HAS


@pytest.mark.net
@pytest.mark.parametrize("atomicity", [Atomicity.NONE, Atomicity.PORT])
@pytest.mark.parametrize("nativeless", Nativeless)
def test_the_emulated_driver_keeps_every_promise_over_tcp(nativeless: Nativeless, atomicity: Atomicity) -> None:
    own: dict[str, Any] = {"parked": 4000} if nativeless is Nativeless.PARKED else {}
    device = EmulatedSwitch(
        ports=PORTS, password="pw", nativeless=nativeless, atomicity=atomicity, max_sessions=4, **own
    )

    async def check() -> Report:
        off = EmulatedSwitchServer(EmulatedSwitch())
        await off.start()
        await off.stop()
        async with EmulatedSwitchServer(device) as server:
            config = EMULATED.validate(
                {"address": server.address, "username": "hil", "password": "pw", "nativeless": str(nativeless)} | own
            )
            return await check_switch_driver(
                open_emulated,
                config,
                PORTS,
                control_of(device),
                spec=EMULATED,
                wrong_login=config | {"password": "wrong"},
                unreachable=config | {"address": off.address},
                unknown_port="gi9/9/9",
            )

    report = asyncio.run(check())
    assert report.kept == HAS
    assert not device.sessions


def with_features(device: EmulatedSwitch, opening: Opening, **more: Any) -> Report:
    """Check a driver that has what the mock lacks."""
    bench = Bench(device)

    async def opened(config: Mapping[str, Any]) -> SwitchSession:
        return await opening(config, bench)

    return run_switch_check(
        opened, CONFIG, PORTS, bench.control(), spec=WholeSpec(), other_identity=STRANGER, **BAD, **more
    )


def test_a_driver_with_every_feature_keeps_the_promises_about_them(device: EmulatedSwitch) -> None:
    report = with_features(device, featured(Whole))
    assert report.not_tried.keys() == {"says_what_it_is", "tells_who_is_plugged_in"}
    assert set(report.kept) >= LACKS
    assert {device.running(port) for port in PORTS} == {CLOSED}


@pytest.mark.parametrize(("promise", "opening"), features.BROKEN, ids=lambda part: getattr(part, "__name__", part))
def test_a_promise_about_a_feature_catches_the_driver_that_breaks_it(
    device: EmulatedSwitch, promise: str, opening: Opening
) -> None:
    with pytest.raises(ConformanceError) as found:
        with_features(device, opening, only=[promise])
    assert found.value.promise == promise
    assert found.value.seen


def test_every_promise_has_a_driver_that_breaks_it() -> None:
    assert {broken.promise for broken in BROKEN} | {promise for promise, _ in features.BROKEN} == set(NAMES)


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_promise_catches_the_driver_that_breaks_it(device: EmulatedSwitch, broken: BrokenDriver) -> None:
    with pytest.raises(ConformanceError) as found:
        run_switch_check(broken.open, CONFIG, PORTS, control_of(device), spec=broken.spec, only=[broken.promise], **BAD)
    assert found.value.promise == broken.promise
    assert broken.promise in str(found.value)
    assert found.value.seen


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_the_whole_check_fails_too(device: EmulatedSwitch, broken: BrokenDriver) -> None:
    with pytest.raises(ConformanceError):
        run_switch_check(broken.open, CONFIG, PORTS, control_of(device), spec=broken.spec, **BAD)


def test_what_could_not_be_tried_is_not_called_kept(device: EmulatedSwitch) -> None:
    report = run_switch_check(open_session, CONFIG, PORTS, spec=SPEC)
    assert set(report.not_tried) == {
        *("survives_reboot", "saves_when_told", "tells_failed_saves", "carries_what_it_reads", "opens_nothing_between"),
        *("refuses_unknown_ports", "refuses_in_words", "reports_per_port", "admits_what_it_cannot_mean", "tells_busy"),
        *("tells_lost_replies", "tells_wrong_login", "tells_unreachable", "tells_who_is_plugged_in", *LACKS),
    }
    assert set(report.kept) | set(report.not_tried) == set(NAMES)
    assert "not tried  survives_reboot: the control cannot reboot the device" in str(report)
    assert "kept       reads_ports" in str(report)


def test_a_port_that_does_not_exist_can_make_a_batch_fail(device: EmulatedSwitch) -> None:
    without = replace(control_of(device), refuse=None)
    assert isinstance(without, Control)
    report = run_switch_check(
        open_session, CONFIG, PORTS, without, spec=SPEC, unknown_port="gi9/9/9", only=["reports_per_port"]
    )
    assert report.kept == ["reports_per_port"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ports": PORTS[:1]}, "two ports"),
        ({"ports": [PORTS[0], PORTS[0]]}, "all different"),
        ({"vlans": [1, 2, 3, 3]}, "four VLANs"),
        ({"only": ["is_pretty"]}, "no promise is_pretty"),
    ],
)
def test_a_check_that_could_prove_nothing_is_not_begun(
    device: EmulatedSwitch, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        run_switch_check(**({"open": open_session, "config": CONFIG, "ports": PORTS, "spec": SPEC} | wrong))
