"""The shipped check of out-of-band drivers: the emulated one passes, and each promise catches drivers that break it."""

import asyncio

import pytest

from hil.drivers.obm.emulated.session import open_session
from hil.drivers.obm.emulated.spec import SPEC as EMULATED
from hil.lab.bmc.control import control_of_bmc
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer
from hil.testing import ConformanceError, Report, check_obm_driver, run_obm_check
from hil.testing.obm_promises import OBM_PROMISES
from tests.drivers.obm_broken import BROKEN, LACKING, BrokenObm, LacksProperly
from tests.drivers.obm_memory import CONFIG, DARK, IMPATIENT, SPEC, WRONG, Controller, opener

NAMES = [promise.__name__ for promise in OBM_PROMISES]
BAD = {"wrong_login": WRONG, "unreachable": DARK, "impatient": IMPATIENT}


def test_a_driver_that_keeps_every_promise_passes() -> None:
    controller = Controller()
    report = run_obm_check(opener(controller), CONFIG, controller.control(), spec=SPEC, patience=1.0, **BAD)
    assert report.not_tried == {"refuses_what_it_lacks": "its capabilities lack nothing"}
    assert set(report.kept) | set(report.not_tried) == set(NAMES)
    assert not controller.machine.on
    assert not controller.sessions


def test_a_poor_driver_keeps_what_it_promises() -> None:
    controller = Controller()
    report = run_obm_check(
        opener(controller, LacksProperly), CONFIG, controller.control(), spec=LACKING, patience=1.0, **BAD
    )
    assert "refuses_what_it_lacks" in report.kept
    assert set(report.not_tried) == {
        *("shuts_down", "sets_the_boot_device", "carries_console_output", "carries_console_input"),
        *("gives_the_console_back", "reads_sensors", "reads_the_event_log", "identifies", "carries_media"),
        "reads_firmware",
    }


@pytest.mark.net
def test_the_emulated_driver_keeps_every_promise_over_tcp() -> None:
    machine = Machine(password="right-secret-7", max_sessions=4, one_console=True)

    async def check() -> Report:
        off = EmulatedBmcServer(Machine())
        await off.start()
        await off.stop()
        async with EmulatedBmcServer(machine) as server:
            config = EMULATED.validate({"address": server.address, "username": "hil", "password": "right-secret-7"})
            report = await check_obm_driver(
                open_session,
                config,
                control_of_bmc(server),
                spec=EMULATED,
                wrong_login=config | {"password": "wrong-secret-7"},
                unreachable=config | {"address": off.address},
                impatient=config | {"timeout": 1.0},
            )
            assert not server.consoles
            return report

    report = asyncio.run(check())
    assert set(report.kept) == set(NAMES) - {"refuses_what_it_lacks"}


def test_every_promise_has_a_driver_that_breaks_it() -> None:
    assert {broken.promise for broken in BROKEN} == set(NAMES)


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_promise_catches_the_driver_that_breaks_it(broken: BrokenObm) -> None:
    controller = Controller()
    with pytest.raises(ConformanceError) as found:
        run_obm_check(
            broken.open(controller),
            CONFIG,
            controller.control(),
            spec=broken.spec,
            only=[broken.promise],
            patience=0.1,
            **BAD,
        )
    assert found.value.promise == broken.promise
    assert found.value.seen


def test_what_could_not_be_tried_is_not_called_kept() -> None:
    controller = Controller()
    report = run_obm_check(opener(controller), CONFIG, spec=SPEC, patience=1.0)
    assert set(report.not_tried) == {
        *("refuses_what_it_lacks", "refuses_in_words", "tells_wrong_login", "tells_unreachable", "tells_no_secret"),
        *("tells_lost_replies", "tells_dropped_sessions", "gives_up", "carries_console_output"),
        "carries_console_input",
    }
    assert set(report.kept) | set(report.not_tried) == set(NAMES)


def test_a_promise_that_does_not_exist_is_not_tried() -> None:
    controller = Controller()
    with pytest.raises(ValueError, match="no promise is_pretty"):
        run_obm_check(opener(controller), CONFIG, spec=SPEC, only=["is_pretty"])
