"""The map of foreign exceptions: complete for what streams, sockets, TLS and parsers raise, and no wider."""

import ast
import asyncio
import asyncio.streams
import builtins
import inspect
import json
import socket
import ssl

import asyncssh
import httpx
import pytest

from hil.core.errors import DeviceError, IdentityChanged, LoginRefused, LostReply, Unreachable
from hil.drivers.transport.errors import FOREIGN, mapped

# What can be raised in asyncio.streams and is our own mistake, or ours to see.
OURS = {
    "RuntimeError": "two tasks read one stream",
    "NotImplementedError": "a method of a class to be completed",
    "StopAsyncIteration": "the end of `async for`, caught by the language",
}
# Exceptions of asyncio that no stream raises.
ELSEWHERE = {"BrokenBarrierError", "InvalidStateError", "SendfileNotAvailableError", "QueueShutDown", "QueueEmpty"}


def made(kind: type[BaseException]) -> BaseException:
    """An exception of this class, however it wants to be made."""
    if kind is asyncio.IncompleteReadError:
        return asyncio.IncompleteReadError(b"", 4)
    if kind is asyncio.LimitOverrunError:
        return asyncio.LimitOverrunError("too long", 4)
    if kind is UnicodeDecodeError:
        return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    if kind is UnicodeEncodeError:
        return UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range")
    if kind is UnicodeTranslateError:
        return UnicodeTranslateError("é", 0, 1, "no such character")
    if kind is json.JSONDecodeError:
        return json.JSONDecodeError("no JSON", "{", 1)
    if kind is httpx.HTTPStatusError:
        request = httpx.Request("GET", "https://switch.example")
        return httpx.HTTPStatusError("words", request=request, response=httpx.Response(500, request=request))
    if issubclass(kind, asyncssh.ProcessError):
        return kind({}, "command", "", 1, None, 1, b"", b"")
    if kind in (asyncssh.Error, asyncssh.DisconnectError, asyncssh.ChannelOpenError, asyncssh.SFTPError):
        return kind(1, "words")
    return kind("words")


def every_exception(module: object, root: type[BaseException]) -> list[type[BaseException]]:
    return [kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, root)]


MAPPED = sorted(
    {
        *every_exception(builtins, OSError),
        *every_exception(builtins, ValueError),
        *every_exception(builtins, EOFError),
        *every_exception(ssl, ssl.SSLError),
        *every_exception(socket, OSError),
        *(
            kind
            for kind in every_exception(asyncio.exceptions, Exception)
            if kind.__name__ not in ELSEWHERE and kind.__module__ == "asyncio.exceptions"
        ),
        json.JSONDecodeError,
        OverflowError,
        *every_exception(httpx, httpx.HTTPError),
        httpx.InvalidURL,
        *every_exception(asyncssh, asyncssh.Error),
        *every_exception(asyncssh, ValueError),
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("sent", [False, True])
def test_every_foreign_exception_becomes_what_a_worker_can_act_upon(kind: type[BaseException], sent: bool) -> None:
    if kind is ssl.SSLCertVerificationError:
        expected: type[DeviceError] = IdentityChanged
    elif kind is asyncssh.HostKeyNotVerifiable:
        expected = IdentityChanged
    elif kind is asyncssh.PermissionDenied:
        expected = LoginRefused
    else:
        expected = LostReply if sent else Unreachable
    error = made(kind)
    with pytest.raises(DeviceError) as found, mapped("switch.example:22", sent=sent):
        raise error
    assert type(found.value) is expected
    assert found.value.__cause__ is error
    assert "switch.example:22" in found.value.message
    assert kind.__name__ in found.value.detail


def test_whatever_asyncio_streams_raises_is_mapped_or_known_to_be_ours() -> None:
    raised = {
        (node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        for node in ast.walk(ast.parse(inspect.getsource(asyncio.streams)))
        if isinstance(node, ast.Raise) and node.exc is not None
    }
    names = {ast.unparse(name).rpartition(".")[2] for name in raised}
    # `raise exc` and `raise self._exception` hand on what a transport reported: an OSError.
    kinds = names - {"exc", "_exception"} - OURS.keys()
    assert "IncompleteReadError" in kinds
    for name in kinds:
        kind = getattr(asyncio.exceptions, name, None) or getattr(builtins, name)
        assert issubclass(kind, FOREIGN), name


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), KeyboardInterrupt(), TypeError("ours"), RuntimeError("ours"), KeyError("ours")]
)
def test_cancellation_and_our_own_mistakes_pass_through(error: BaseException) -> None:
    with pytest.raises(type(error)) as found, mapped("switch.example:22", sent=True):
        raise error
    assert found.value is error


def test_an_error_that_is_ours_already_is_left_alone() -> None:
    error = Unreachable("said before")
    with pytest.raises(Unreachable) as found, mapped("switch.example:22", sent=True):
        raise error
    assert found.value is error


def test_what_the_peer_sent_stays_in_the_detail() -> None:
    with pytest.raises(LostReply) as found, mapped("switch.example:22", sent=True):
        json.loads("s3cret")
    assert "s3cret" not in found.value.message


def test_what_httpx_wraps_is_seen_behind_it() -> None:
    refused, forged = httpx.ConnectError("words"), httpx.ConnectError("words")
    refused.__cause__ = ConnectionRefusedError(111, "Connection refused")
    forged.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    with pytest.raises(Unreachable, match="connection refused"), mapped("switch.example:443", sent=False):
        raise refused
    with pytest.raises(IdentityChanged), mapped("switch.example:443", sent=False):
        raise forged
    with pytest.raises(LostReply, match="no answer in time"), mapped("switch.example:443", sent=True):
        raise httpx.ReadTimeout("words")
