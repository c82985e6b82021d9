"""Enabling and disabling a node's OBM: one transaction begins it, the OBMd is asked with none open, another books it.

Both APIs take this road. What happens when it is interrupted anywhere is told in `hil.services.obm`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from starlette.concurrency import run_in_threadpool

from hil.api.edge import Caller, Edge
from hil.core.errors import Blocked, DeviceError
from hil.drivers.obmd_link import ObmdLink, Reach
from hil.services.obm import (
    Errand,
    obm_disable_begin,
    obm_disable_finish,
    obm_enable_begin,
    obm_enable_finish,
    obm_errand_failed,
)

T = TypeVar("T")
_OVERTAKEN: Final = "Something else has happened to the node meanwhile: look at it, then try again."


async def obm_enabled_set(edge: Edge, link: ObmdLink, caller: Caller, node: str, enabled: bool, within: float) -> None:
    """Enable in a new epoch with a new token, each time, or disable; an OBMd gets `within` seconds for each request.

    Raises Blocked, DeviceError.
    """
    store = edge.store
    if enabled:
        errand = await run_in_threadpool(edge.change, caller, lambda ctx: obm_enable_begin(ctx, node, within))
        token = await _asked(edge, errand, link.enable)
        kept = await run_in_threadpool(store.change, lambda unit: obm_enable_finish(unit, errand, token))
    else:
        begun = await run_in_threadpool(edge.change, caller, lambda ctx: obm_disable_begin(ctx, node, within))
        if begun is None:
            return
        await _asked(edge, begun, link.disable)
        kept = await run_in_threadpool(store.change, lambda unit: obm_disable_finish(unit, begun))
    if not kept:
        raise Blocked(_OVERTAKEN)


async def _asked(edge: Edge, errand: Errand, ask: Callable[[Reach], Awaitable[T]]) -> T:
    try:
        return await ask(errand.reach)
    except DeviceError as error:
        failed = error
    await run_in_threadpool(edge.store.change, lambda unit: obm_errand_failed(unit, errand, failed))
    raise failed
