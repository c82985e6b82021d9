"""What a port of a SONiC switch forwards: nothing that nobody asked for.

`mode` is the port's, `native` its untagged membership, `allowed` its tagged ones. `lines` hold addresses, as in
`ip 10.0.0.0/31`: a port that has one is routed, whatever else it has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.core.model import CLOSED, PortState
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.lab.devices.model import Config, Mode, PortConfig

FACTORY: Final = PortConfig(mode=Mode.ROUTED, access=None, native=None)


class SonicRule:
    def carried(self, config: Config, port: str) -> Carried:
        entry = config.ports[port]
        if entry.shut or entry.lag or entry.mode is Mode.ROUTED or routed(entry):
            return Carried(None, frozenset())
        tagged = (entry.allowed or frozenset()) & config.vlans
        return Carried(entry.native if entry.native in config.vlans else None, tagged)

    def held(self, config: Config, port: str) -> Held:
        entry = config.ports[port]
        state = PortState(entry.native, entry.allowed or frozenset())
        if entry.lag:
            return Foreign(f"member of LAG {entry.lag}", entry.lag, CLOSED)
        if routed(entry):
            return Foreign("routed", "an address", CLOSED)
        if entry.shut:
            return Foreign("shut, but in VLANs", str(state), CLOSED) if state.enabled else CLOSED
        if not state.enabled:
            return Foreign("up, but in no VLAN", "up", CLOSED)
        if entry.mode is Mode.ROUTED or (entry.mode is Mode.ACCESS and state.tagged):
            return Foreign("memberships that its mode does not have", entry.mode.value, state)
        return state

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        if isinstance(held, Foreign) and held.carries is None:
            # There is no trunk of everything here: what HIL cannot mean is a routed port.
            return replace(FACTORY, lines=frozenset({"ip 192.0.2.1/31"}))
        want = held if isinstance(held, PortState) else held.carries or CLOSED
        if not want.enabled:
            return replace(FACTORY, shut=True)
        mode = Mode.TRUNK if want.tagged else Mode.ACCESS
        return replace(FACTORY, mode=mode, native=want.native, allowed=want.tagged)


def routed(entry: PortConfig) -> frozenset[str]:
    """The addresses of a port."""
    return frozenset(line.removeprefix("ip ") for line in entry.lines if line.startswith("ip "))
