"""What the sessions of all switches with a web interface share: how they end, and which changes are not begun."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from hil.core import guard
from hil.core.devices import Capabilities
from hil.core.errors import DeviceError, Refused
from hil.core.model import Observed, PortChange
from hil.core.vlans import fold
from hil.drivers.switch.order import differing, foreign_vlans
from hil.drivers.transport.http import Web


class WebSession:
    """A conversation over one `Web`; after any DeviceError but Refused it is ended."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def close(self) -> None:
        await self._web.close()

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """End the session after anything but a refusal, a crash and a cancellation included."""
        guard.device()
        try:
            yield
        except Refused:
            raise
        except BaseException:
            self._web.ended = True
            raise


def chosen(seen: Mapping[str, Observed], ports: Collection[str] | None, device: str) -> dict[str, Observed]:
    """Answer these ports of what was seen (None: all). Raises Refused about ports that do not exist."""
    if ports is None:
        return dict(seen)
    if unknown := set(ports) - seen.keys():
        raise Refused(f"{device} has no port {', '.join(sorted(unknown))}.")
    return {port: seen[port] for port in ports}


def vetted(
    batch: Sequence[PortChange],
    seen: Collection[str],
    lags: Mapping[str, str],
    capabilities: Capabilities,
    parked: Collection[int],
) -> tuple[list[PortChange], dict[str, DeviceError | None]]:
    """Answer what is to be written, in safe order, and every port's answer so far; nothing foreign is begun."""
    answers: dict[str, DeviceError | None] = {change.port: None for change in batch}
    todo = []
    for change in differing(batch):
        port = change.port
        if port not in seen:
            answers[port] = Refused(f"Port {port}: the switch has no port of this name.")
        elif port in lags:
            answers[port] = Refused(f"Port {port} is a member of {lags[port]}: take it out, HIL never changes that.")
        elif wrong := foreign_vlans(capabilities, parked, change):
            answers[port] = Refused(f"Port {port}: this switch cannot carry VLAN {fold(wrong)}.")
        else:
            todo.append(change)
    return todo, answers
