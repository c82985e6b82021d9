"""The conformance check of out-of-band drivers: it tries every promise and names the first one that is broken.

It uses only the public contract, so that the emulated BMC, a simulator of the real protocol and the machine in the rack
are all checked alike. It switches the machine on and off and leaves it off. A promise that could not be tried is
reported as not tried, with the reason: whoever reads the report decides whether that is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from hil.core.obms import ObmSpec
from hil.drivers.obm_registry import OpenObm
from hil.testing.obm_case import ObmCase, ObmControl
from hil.testing.obm_promises import OBM_PROMISES
from hil.testing.report import Report, known, try_all


async def check_obm_driver(
    open: OpenObm,
    config: Mapping[str, Any],
    control: ObmControl | None = None,
    *,
    spec: ObmSpec,
    wrong_login: Mapping[str, Any] | None = None,
    unreachable: Mapping[str, Any] | None = None,
    impatient: Mapping[str, Any] | None = None,
    image: str = "http://images.invalid/rescue.iso",
    patience: float = 30.0,
    only: Collection[str] | None = None,
) -> Report:
    """Try every promise (or `only` some) of the driver that `open` belongs to. Raises ConformanceError.

    `wrong_login` and `unreachable` are configurations that must fail, each in its own way; `impatient` is `config` with
    a short timeout. `patience` (seconds) is how long the machine may take to reach a state.
    """
    case = ObmCase(
        open=open,
        spec=spec,
        config=config,
        control=control or ObmControl(),
        wrong_login=wrong_login,
        unreachable=unreachable,
        impatient=impatient,
        image=image,
        patience=patience,
    )
    known(OBM_PROMISES, only)
    report = await try_all(OBM_PROMISES, case, only, patience * 4)
    await case.make(False)
    return report


def run_obm_check(*args: Any, **kwargs: Any) -> Report:
    """Do `check_obm_driver` from where no event loop runs."""
    return asyncio.run(check_obm_driver(*args, **kwargs))
