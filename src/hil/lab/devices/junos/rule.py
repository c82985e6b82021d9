"""What a port of an ELS switch forwards. An unconfigured family is an access port of the default VLAN.

`mode` ROUTED is a port without a unit. `allowed` are the members of a trunk, None meaning `all`; its `native` is
carried untagged only if it is a member. A VLAN that is not defined forwards nothing. `lines` hold `description …`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.core.model import CLOSED, PortState
from hil.core.vlans import fold
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.lab.devices.model import ANY_VLAN, Config, Mode, PortConfig

FACTORY: Final = PortConfig(mode=Mode.ACCESS, access=1, native=None)
BARE: Final = PortConfig(mode=Mode.ROUTED, access=None, native=None)


class ElsRule:
    def carried(self, config: Config, port: str) -> Carried:
        entry = config.ports[port]
        if entry.shut or entry.lag or entry.mode is Mode.ROUTED:
            return Carried(None, frozenset())
        if entry.mode is Mode.ACCESS:
            return Carried(entry.access if entry.access in config.vlans else None, frozenset())
        if entry.allowed is None:
            return Carried(entry.native, frozenset(), everything=True)
        members = entry.allowed & config.vlans
        native = entry.native if entry.native in members else None
        return Carried(native, members - {native})

    def held(self, config: Config, port: str) -> Held:
        entry = config.ports[port]
        if entry.lag:
            return Foreign(f"member of LAG {entry.lag}", f"ieee-802.3ad {entry.lag}", CLOSED)
        carried = self.carried(config, port)
        if entry.shut and entry.mode is Mode.ROUTED and entry.native is None:
            return CLOSED
        carries = PortState(carried.native, carried.tagged)
        if entry.shut:
            return Foreign("disabled, but configured", "disable", CLOSED)
        if carried.everything:
            return ANY_VLAN
        if entry.mode is Mode.ROUTED:
            return Foreign("up, but switches nothing", "no unit", CLOSED)
        if entry.mode is Mode.ACCESS:
            plain = entry.access not in (None, 1) and entry.access in config.vlans and entry.native is None
            return carries if plain else Foreign("access port of the default VLAN", "interface-mode access", carries)
        members = entry.allowed or frozenset()
        whole = members and members <= config.vlans and (entry.native is None or entry.native in members)
        return carries if whole else Foreign("members that are not there", fold(members), carries)

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        entry = replace(BARE, lines=config.ports[port].lines)
        if isinstance(held, Foreign) and held.carries is None:
            return replace(entry, mode=Mode.TRUNK, allowed=None)
        want = held if isinstance(held, PortState) else held.carries or CLOSED
        if not want.enabled:
            return replace(entry, shut=True)
        if not want.tagged:
            return replace(entry, mode=Mode.ACCESS, access=want.native)
        return replace(entry, mode=Mode.TRUNK, native=want.native, allowed=want.vlans)
