"""What is loaded, under the names that the original's extensions had: its test-suite compares them."""

from __future__ import annotations

from typing import Final

from hil.api.v0.call import Call
from hil.core.policy import Act, Kind
from hil.drivers.registry import switch_specs
from hil.services.context import Context

_SWITCHES: Final = {"powerconnect55xx": "dell", "delln3000": "n3000"}
"""Type → extension, where the two differ."""


def extensions(auth: str) -> list[str]:
    """Names of the authentication backend, the allocator and every switch type that the original knew, sorted."""
    types = [spec.v0_type for spec in switch_specs().values() if spec.v0_type is not None]
    switches = [f"hil.ext.switches.{_SWITCHES.get(kind, kind)}" for kind in types]
    return sorted([f"hil.ext.auth.{auth}", "hil.ext.network_allocators.vlan_pool", *switches])


def calls(auth: str) -> tuple[Call, ...]:
    def active_extensions(ctx: Context) -> list[str]:
        ctx.require(Act.ADMIN, Kind.SWITCH)
        return extensions(auth)

    return (Call(method="GET", path="active_extensions", work=active_extensions),)
