"""Consoles: many look, one types, nobody holds up another, and nothing is heard after the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from hil.core.errors import DeviceBusy, DeviceError, LostReply, Unreachable
from hil.core.obms import ConsoleLine
from hil.obmd.hub import Hub, NotWriting, Viewer
from hil.obmd.limits import ObmdLimits

LIMITS = ObmdLimits(scrollback=16, backlog=32, viewers=3, linger=100.0)


class Line:
    """A console in memory. What is put into `output` comes out; an exception is raised."""

    def __init__(self) -> None:
        self.output: asyncio.Queue[bytes | DeviceError] = asyncio.Queue()
        self.typed = b""
        self.closed = False

    async def read(self) -> bytes:
        found = await self.output.get()
        if isinstance(found, DeviceError):
            raise found
        return found

    async def write(self, data: bytes) -> None:
        self.typed += data

    async def close(self) -> None:
        self.closed = True


class Desk:
    """A hub and every line that it has opened."""

    def __init__(self, limits: ObmdLimits = LIMITS) -> None:
        self.lines: list[Line] = []
        self.fails: DeviceError | None = None
        self.hub = Hub(self._open, limits, lambda: 7.0)

    async def _open(self) -> ConsoleLine:
        if self.fails is not None:
            raise self.fails
        self.lines.append(Line())
        return self.lines[-1]

    async def say(self, data: bytes) -> None:
        """Make the machine print, and wait until the hub has heard it."""
        before = bytes(self.hub._scrollback)
        self.lines[-1].output.put_nowait(data)
        while bytes(self.hub._scrollback) == before:  # noqa: ASYNC110 - the hub tells viewers only
            await asyncio.sleep(0)


def at_desk(work: Callable[[Desk], Coroutine[Any, Any, None]], limits: ObmdLimits = LIMITS) -> None:
    async def run() -> None:
        desk = Desk(limits)
        await work(desk)
        await desk.hub.close()
        assert all(line.closed for line in desk.lines)

    asyncio.run(run())


async def bytes_of(viewer: Viewer) -> bytes:
    return b"".join(item for item in await viewer.take() if isinstance(item, bytes))


async def events_of(viewer: Viewer) -> list[str]:
    return [item["event"] for item in await viewer.take() if not isinstance(item, bytes)]


def test_everybody_sees_the_same_and_late_ones_what_was_before() -> None:
    async def work(desk: Desk) -> None:
        ann = await desk.hub.attach("ann")
        await desk.say(b"0123456789abcdef")
        bob = await desk.hub.attach("bob")
        await desk.say(b"XYZ")
        assert await bytes_of(ann) == b"0123456789abcdefXYZ"
        assert await bytes_of(bob) == b"0123456789abcdefXYZ"
        cid = await desk.hub.attach("cid")
        assert await bytes_of(cid) == b"3456789abcdefXYZ"
        assert len(desk.lines) == 1
        with pytest.raises(DeviceBusy, match="3 viewers"):
            await desk.hub.attach("dan")

    at_desk(work)


def test_the_writing_is_handed_over_before_the_eyes_of_all() -> None:
    async def work(desk: Desk) -> None:
        ann, bob = await desk.hub.attach("ann"), await desk.hub.attach("bob")
        await desk.hub.write(ann, b"a")
        with pytest.raises(NotWriting, match="ann types on this console"):
            await desk.hub.write(bob, b"b")
        desk.hub.take_over(bob)
        with pytest.raises(NotWriting, match="bob types"):
            await desk.hub.write(ann, b"A")
        await desk.hub.write(bob, b"B")
        desk.hub.give_up(ann)
        assert desk.hub.writer is bob
        desk.hub.give_up(bob)
        await desk.hub.write(ann, b"c")
        assert desk.lines[0].typed == b"aBc"
        assert await events_of(ann) == ["hello", "viewers", "writer", "writer", "writer", "writer"]
        desk.hub.detach(ann)
        assert desk.hub.writer is None

    at_desk(work)


def test_a_slow_viewer_loses_output_and_is_told_how_much() -> None:
    async def work(desk: Desk) -> None:
        slow, quick = await desk.hub.attach("slow"), await desk.hub.attach("quick")
        seen = b""
        for number in range(10):
            await desk.say(b"line %d.." % number)
            seen += await bytes_of(quick)
        assert seen == b"".join(b"line %d.." % number for number in range(10))
        items = await slow.take()
        assert items[0] == {"event": "gap", "bytes": 48}
        assert items[1] == {"event": "hello", "you": 1, "writer": None, "viewers": [{"number": 1, "user": "slow"}]}
        assert b"".join(item for item in items if isinstance(item, bytes)) == b"line 6..line 7..line 8..line 9.."

    at_desk(work)


def test_who_comes_back_has_missed_nothing() -> None:
    async def work(desk: Desk) -> None:
        ann = await desk.hub.attach("ann")
        await desk.say(b"before ")
        desk.hub.detach(ann)
        await desk.say(b"between")
        again = await desk.hub.attach("ann")
        assert await bytes_of(again) == b"before between"
        assert len(desk.lines) == 1

    at_desk(work)


def test_a_console_without_viewers_is_closed_in_the_end() -> None:
    async def work(desk: Desk) -> None:
        ann = await desk.hub.attach("ann")
        await desk.say(b"old")
        desk.hub.detach(ann)
        desk.hub.detach(ann)
        async with asyncio.timeout(10):
            while desk.hub.is_open:  # noqa: ASYNC110 - nobody is told of what nobody looks at
                await asyncio.sleep(0.001)
        assert desk.lines[0].closed
        again = await desk.hub.attach("ann")
        assert await bytes_of(again) == b""
        assert len(desk.lines) == 2

    at_desk(work, replace(LIMITS, linger=0.0))


@pytest.mark.parametrize(
    ("last", "kind"), [(b"", "closed"), (LostReply("It broke."), "device-lost-reply")], ids=["end", "death"]
)
def test_the_death_of_a_console_is_told_once_and_clearly(last: bytes | DeviceError, kind: str) -> None:
    async def work(desk: Desk) -> None:
        ann = await desk.hub.attach("ann")
        await ann.take()
        desk.lines[0].output.put_nowait(last)
        (event,) = await ann.take()
        assert isinstance(event, dict)
        assert (event["event"], event["type"]) == ("end", kind)
        assert await ann.take() == []
        with pytest.raises(LostReply, match="open it again"):
            await desk.hub.write(ann, b"x")
        again = await desk.hub.attach("ann")
        await desk.say(b"anew")
        assert await bytes_of(again) == b"anew"

    at_desk(work)


def test_a_console_that_cannot_be_opened_is_an_error_and_the_next_may() -> None:
    async def work(desk: Desk) -> None:
        desk.fails = Unreachable("No.")
        with pytest.raises(Unreachable):
            await desk.hub.attach("ann")
        assert not desk.hub.viewers
        desk.fails = None
        await desk.hub.attach("ann")

    at_desk(work)


def test_after_the_end_nothing_is_heard_and_nobody_comes_in() -> None:
    async def work(desk: Desk) -> None:
        heard: list[bytes] = []
        desk.hub.taps.append(lambda at, data: heard.append(data))
        ann = await desk.hub.attach("ann")
        await desk.say(b"before")
        desk.lines[0].output.put_nowait(b"after")
        await desk.hub.close("The node was released.")
        items = await ann.take()
        assert b"".join(item for item in items if isinstance(item, bytes)) == b"before"
        assert items[-1] == {"event": "end", "type": "closed", "detail": "The node was released."}
        assert await ann.take() == []
        assert heard == [b"before"]
        with pytest.raises(DeviceBusy):
            await desk.hub.attach("ann")

    at_desk(work)


def test_who_wants_to_be_alone_puts_the_others_out() -> None:
    async def work(desk: Desk) -> None:
        ann = await desk.hub.attach("ann", alone=True)
        await desk.say(b"for ann")
        both = await asyncio.gather(desk.hub.attach("bob", alone=True), desk.hub.attach("cid", alone=True))
        assert len(desk.hub.viewers) == 1
        assert (await ann.take())[-1]["event"] == "end"  # type: ignore[index]  # an event, not bytes
        await desk.say(b"for one")
        assert [await bytes_of(viewer) for viewer in both] == [b"", b"for one"]
        assert [line.closed for line in desk.lines] == [True, True, False]

    at_desk(work)


def test_a_driver_or_tap_that_fails_ends_the_console_and_says_so() -> None:
    async def work(desk: Desk) -> None:
        def fail(at: float, data: bytes) -> None:
            raise ZeroDivisionError

        ann = await desk.hub.attach("ann")
        await ann.take()
        desk.hub.taps.append(fail)
        desk.lines[0].output.put_nowait(b"x")
        assert [item["type"] for item in await ann.take() if isinstance(item, dict)] == ["internal"]

    at_desk(work)


def test_a_tap_hears_every_byte_with_its_time() -> None:
    async def work(desk: Desk) -> None:
        heard: list[tuple[float, bytes]] = []
        desk.hub.taps.append(lambda at, data: heard.append((at, data)))
        await desk.hub.attach("ann")
        await desk.say(b"one")
        await desk.say(b"two")
        assert heard == [(7.0, b"one"), (7.0, b"two")]

    at_desk(work)


def test_a_line_that_takes_no_input_does_not_hang_its_writer() -> None:
    async def work(desk: Desk) -> None:
        ann = await desk.hub.attach("ann")

        async def stuck(data: bytes) -> None:
            await asyncio.Event().wait()

        desk.lines[0].write = stuck  # type: ignore[method-assign]  # this one is broken
        with pytest.raises(LostReply, match="takes no more input"):
            await desk.hub.write(ann, b"x")

    at_desk(work, replace(LIMITS, deadline=0.01))


def test_a_console_that_floods_leaves_everybody_their_turn() -> None:
    async def work(desk: Desk) -> None:
        viewer = await desk.hub.attach("ann")
        await viewer.take()
        for number in range(100):
            desk.lines[-1].output.put_nowait(b"%016d" % number)  # at once, and more than a viewer may be behind
        seen = b""
        while len(seen) < 1600:
            items = await viewer.take()
            assert all(isinstance(item, bytes) for item in items), "something was lost"
            seen += b"".join(item for item in items if isinstance(item, bytes))
        assert seen == b"".join(b"%016d" % number for number in range(100))

    at_desk(work)
