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

import asyncssh
import httpx

from hil.core.errors import DeviceError, IdentityChanged, LoginRefused, LostReply, Unreachable

FOREIGN: Final = (
    *(OSError, EOFError, ValueError, LimitOverrunError, OverflowError),
    *(asyncssh.Error, httpx.HTTPError, httpx.InvalidURL),
)
"""Sockets, name look-up, TLS and timeouts are OSError; the early end of a stream is EOFError; JSON, UTF-8 and
host names are ValueError, an over-long line that or LimitOverrunError; a port beyond 65535 is OverflowError;
SSH and HTTP have trees of their own.
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
    if isinstance(_cause(error), ssl.SSLCertVerificationError):
        return IdentityChanged(
            f"{device} shows a certificate other than the registered one: check it, then register its new identity.",
            detail=detail,
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return IdentityChanged(
            f"{device} shows a host key other than the registered one: check it, then register its new identity.",
            detail=detail,
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return LoginRefused(f"{device} refuses the user name, password or key.", detail=detail)
    if sent:
        return LostReply(f"{device} stopped answering in the middle of a request: {_plain(error)}.", detail=detail)
    return Unreachable(f"No session with {device}: {_plain(error)}.", detail=detail)


def _plain(error: BaseException) -> str:
    """Name the failure in words; what the peer sent stays in the detail."""
    match _cause(error):
        case TimeoutError() | httpx.TimeoutException():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionError():
            return "connection broken"
        case EOFError() | asyncssh.ConnectionLost():
            return "connection closed"
        case asyncssh.KeyExchangeFailed():
            return "no SSH algorithm in common (an old device needs legacy_algorithms)"
        case httpx.NetworkError():
            return "connection broken"
        case httpx.ProtocolError():
            return "connection closed, or no HTTP"
        case asyncssh.Error():
            return "the SSH session failed"
        case ssl.SSLError():
            return f"TLS failed ({getattr(_cause(error), 'reason', None) or 'no reason given'})"
        case OSError() as found:
            return (found.strerror or "network error").rstrip(".")
        case _:
            return "the answer or the address makes no sense"


def _cause(error: BaseException) -> BaseException:
    """Look behind httpx, which wraps what a socket or TLS raised in classes of its own."""
    found: BaseException | None = error
    while isinstance(found, httpx.HTTPError) or (found is not None and type(found).__module__.startswith("httpcore")):
        found = found.__cause__ or found.__context__
    if not isinstance(found, OSError):
        return error
    if found.errno is None and isinstance(found.__cause__, OSError):
        return found.__cause__  # anyio's word for all addresses of a name
    return found
