"""The conformance check of switch drivers: it tries every promise and names the first one that is broken.

It uses only the public contract, so that the emulated switch, Open vSwitch and a real switch on a desk are all checked
alike. It changes the ports that it is given and leaves them closed. A promise that could not be tried is reported as
not tried, with the reason: whoever reads the report decides whether that is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hil.core.devices import SwitchSpec
from hil.drivers.registry import OpenSession, capabilities_of
from hil.testing.case import Case, Control
from hil.testing.promises import PROMISES
from hil.testing.report import Report, known, try_all


async def check_switch_driver(
    open: OpenSession,
    config: Mapping[str, Any],
    ports: Sequence[str],
    control: Control | None = None,
    *,
    spec: SwitchSpec,
    vlans: Sequence[int] | None = None,
    wrong_login: Mapping[str, Any] | None = None,
    unreachable: Mapping[str, Any] | None = None,
    other_identity: Mapping[str, Any] | None = None,
    unknown_port: str | None = None,
    only: Collection[str] | None = None,
) -> Report:
    """Try every promise (or `only` some) of the driver that `open` belongs to. Raises ConformanceError.

    `ports` are two or more ports of the device that may be changed; `vlans` four or more ids that may be used on them.
    `wrong_login`, `unreachable` and `other_identity` (another host key or certificate is registered than the device
    proves) are configurations that must fail, each in its own way.
    """
    if len(ports) < 2 or len(set(ports)) != len(ports):
        raise ValueError("give two ports or more, all different")
    case = Case(
        open=open,
        spec=spec,
        config=config,
        ports=ports,
        vlans=_vlans(spec, config) if vlans is None else vlans,
        control=control or Control(),
        wrong_login=wrong_login,
        unreachable=unreachable,
        other_identity=other_identity,
        unknown_port=unknown_port,
    )
    if len(set(case.vlans)) < 4:
        raise ValueError("give four VLANs or more")
    known(PROMISES, only)
    report = await try_all(PROMISES, case, only)
    await case.put()
    return report


def run_switch_check(*args: Any, **kwargs: Any) -> Report:
    """Do `check_switch_driver` from where no event loop runs."""
    return asyncio.run(check_switch_driver(*args, **kwargs))


def _vlans(spec: SwitchSpec, config: Mapping[str, Any]) -> list[int]:
    """Eight ids that the switch may carry, from 100 up if it can."""
    capabilities = capabilities_of(spec, config)
    first, last = capabilities.vlans
    own = capabilities.reserved | spec.parked(config)
    free = [vlan for vlan in range(first, last + 1) if vlan not in own]
    return [vlan for vlan in free if vlan >= 100][:8] or free[:8]
