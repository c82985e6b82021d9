"""Checks that HIL ships for those who write its drivers: the same promises for an emulator and for a real device.

from hil.testing import check_switch_driver

async def test_my_driver() -> None:
    await check_switch_driver(open_session, config, ["eth1", "eth2"], spec=SPEC)
"""

from hil.testing.case import Control
from hil.testing.emulated import control_of
from hil.testing.obm import check_obm_driver, run_obm_check
from hil.testing.obm_case import ObmControl
from hil.testing.report import ConformanceError, Report
from hil.testing.switch import check_switch_driver, run_switch_check

__all__ = [
    "ConformanceError",
    "Control",
    "ObmControl",
    "Report",
    "check_obm_driver",
    "check_switch_driver",
    "control_of",
    "run_obm_check",
    "run_switch_check",
]
