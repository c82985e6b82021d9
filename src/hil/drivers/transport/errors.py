"""The one map from what sockets, TLS and parsers raise to what a worker can act upon.

Two facts decide: could anything have reached the device, and does the device prove another identity. Before
anything was sent every failure is Unreachable; afterwards it is LostReply, because the device may have done
the work. Programming errors (TypeError, RuntimeError, …) and cancellation are never mapped: they must be seen
for what they are.
"""

from __future__ import annotations

import ssl
from asyncio import LimitOverrunError
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hil.core.errors import DeviceError, IdentityChanged, LostReply, Unreachable

FOREIGN: Final = (OSError, EOFError, ValueError, LimitOverrunError, OverflowError)
"""Sockets, name look-up, TLS and timeouts are OSError; the early end of a stream is EOFError; JSON, UTF-8 and
host names are ValueError, an over-long line that or LimitOverrunError; a port beyond 65535 is OverflowError.
"""


@contextmanager
def mapped(device: str, *, sent: bool) -> Iterator[None]:
    """Turn every foreign exception of the block into a DeviceError about `device`, an address.

    `sent` is false while a session is being made and true once a request may have left this process.
    """
    try:
        yield
    except FOREIGN as error:
        raise device_error(device, error, sent=sent) from error


def device_error(device: str, error: BaseException, *, sent: bool) -> DeviceError:
    """Say what `error` means for the conversation with `device`."""
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return IdentityChanged(
            f"{device} shows a certificate other than the registered one: check it, then register its new identity.",
            detail=detail,
        )
    if sent:
        return LostReply(f"{device} stopped answering in the middle of a request: {_plain(error)}.", detail=detail)
    return Unreachable(f"No session with {device}: {_plain(error)}.", detail=detail)


def _plain(error: BaseException) -> str:
    """Name the failure in words; what the peer sent stays in the detail."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionError():
            return "connection broken"
        case EOFError():
            return "connection closed"
        case ssl.SSLError():
            return f"TLS failed ({getattr(error, 'reason', None) or 'no reason given'})"
        case OSError():
            return (error.strerror or "network error").rstrip(".")
        case _:
            return "the answer or the address makes no sense"
