"""Recordings: every byte with its time, bounded, and never shown to another project than the one that held the node."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.obmd import record_play
from hil.obmd.node import REOPEN
from hil.obmd.nodes import Nodes
from hil.obmd.owner import Clock
from hil.obmd.record_api import keep_clean
from hil.obmd.recording import MOST_SEGMENTS, SMALLEST, Recorder, Recordings, RecordLimits
from hil.obmd.store import ObmdStore
from hil.services.capability import Capability, Right
from tests.drivers.obm_memory import CONFIG, Controller, MemoryConsole
from tests.obmd.serving import QUICK, SIGNER, Site, bearer, site, true, until

WIDE = RecordLimits(size=2**20, age=3600.0)
NODE = "n1"


class Watch:
    """A clock that is moved."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def holds(epoch: int, number: int, *rights: Right, project: str = "lab") -> str:
    """A capability of a project with this number."""
    now = int(time.time())
    rights = rights or (Right.CONSOLE,)
    wanted = Capability(
        node=NODE, project=project, project_id=number, user="ann", epoch=epoch, rights=frozenset(rights),
        issued=now, expires=now + 60,
    )  # fmt: skip
    return SIGNER.issue(wanted).reveal()


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    return Recordings(tmp_path / "recordings", WIDE, Watch())


def record(recordings: Recordings, epoch: int, number: int, *heard: tuple[float, bytes], node: str = NODE) -> None:
    """One tenure in which the console says these."""
    recorder = Recorder(recordings, node, epoch)
    recorder.claim(number, f"project-{number}")
    for at, data in heard:
        recorder.hear(at, data)
    asyncio.run(recorder.close())


def replay(recordings: Recordings, number: int, node: str = NODE) -> dict[str, list[tuple[float, bytes]]]:
    found = record_play.found(recordings, node, number)
    return {each.id: list(record_play.played(each)) for each in found}


# -- files ------------------------------------------------------------------------------------------------------------


def test_every_byte_is_kept_with_its_time(recordings: Recordings) -> None:
    record(recordings, 1, 7, (1000.25, bytes(range(256))), (1001.5, b"\n"))
    assert replay(recordings, 7) == {"1": [(1000.25, bytes(range(256))), (1001.5, b"\n")]}
    modes = {path.stat().st_mode & 0o777 for path in recordings.directory.rglob("*")}
    assert modes == {0o700, 0o600}


@given(st.lists(st.tuples(st.integers(1, 3), st.binary(min_size=1, max_size=20)), min_size=1, max_size=12))
def test_a_project_sees_its_own_bytes_and_all_of_them(tmp_path_factory: Any, told: list[tuple[int, bytes]]) -> None:
    recordings = Recordings(tmp_path_factory.mktemp("recordings"), WIDE, Watch())
    for epoch, (number, data) in enumerate(told, start=1):
        record(recordings, epoch, number, (1000.0 + epoch, data))
    for number in (0, 1, 2, 3):
        seen = [data for heard in replay(recordings, number).values() for _, data in heard]
        assert seen == [data for holder, data in told if holder == number]


def test_nothing_is_kept_of_what_belongs_to_nobody(recordings: Recordings) -> None:
    record(recordings, 1, 0, (1000.0, b"a free node"))
    assert not recordings.directory.exists()
    assert record_play.found(recordings, NODE, 0) == []


def test_nothing_is_heard_after_the_end(recordings: Recordings) -> None:
    async def work() -> None:
        recorder = Recorder(recordings, NODE, 1)
        recorder.claim(7, "lab")
        recorder.hear(1000.0, b"before")
        await recorder.close()
        recorder.hear(1001.0, b"after")

    asyncio.run(work())
    assert replay(recordings, 7) == {"1": [(1000.0, b"before")]}


def test_the_oldest_is_dropped_and_nothing_of_another_project(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, RecordLimits(size=SMALLEST, age=3600.0), Watch())
    record(recordings, 1, 8, (1000.0, b"theirs"))
    pieces = [(1000.0 + number, b"%06d" % number + b"\x1b" * 500) for number in range(200)]
    record(recordings, 2, 7, *pieces)
    (kept,) = replay(recordings, 7).values()
    assert kept == pieces[-len(kept) :]
    assert 5 < len(kept) < 100
    files = [segment for segment in recordings.segments(NODE) if segment.project == 7]
    assert SMALLEST // 2 < sum(segment.size() for segment in files) <= SMALLEST
    assert replay(recordings, 8) == {"1": [(1000.0, b"theirs")]}


def test_one_great_piece_keeps_the_bound_too(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, RecordLimits(size=SMALLEST, age=3600.0), Watch())
    record(recordings, 1, 7, (1000.0, b"\xff" * SMALLEST))
    assert 0 < sum(segment.size() for segment in recordings.segments(NODE)) <= SMALLEST


def test_many_epochs_leave_few_files(recordings: Recordings) -> None:
    for epoch in range(1, MOST_SEGMENTS + 5):
        record(recordings, epoch, 7, (1000.0, b"x"))
    assert len(recordings.segments(NODE)) == MOST_SEGMENTS


def test_what_is_too_old_is_hidden_then_deleted(tmp_path: Path) -> None:
    watch = Watch()
    recordings = Recordings(tmp_path, RecordLimits(size=2**20, age=80.0), watch)
    record(recordings, 1, 7, (1000.0, b"a"), (1005.0, b"b"), (1050.0, b"c"))
    files = [segment.path for segment in recordings.segments(NODE)]
    assert len(files) == 2  # a segment takes up no more than an eighth of the age
    for path, at in zip(files, (1005, 1050), strict=True):
        os.utime(path, (at, at))
    watch.now = 1083.0
    assert replay(recordings, 7) == {"1": [(1005.0, b"b"), (1050.0, b"c")]}
    assert recordings.clean() == 0
    watch.now = 1086.0
    assert recordings.clean() == 1
    assert replay(recordings, 7) == {"1": [(1050.0, b"c")]}
    watch.now = 1131.0
    assert replay(recordings, 7) == {}
    assert recordings.clean() == 1
    assert recordings.segments(NODE) == []


@pytest.mark.parametrize("limits", [RecordLimits(size=0, age=60.0), RecordLimits(size=2**20, age=0.0)], ids=str)
def test_switched_off_it_records_nothing_and_forgets_what_there_was(
    recordings: Recordings, limits: RecordLimits
) -> None:
    record(recordings, 1, 7, (1000.0, b"x"))
    off = Recordings(recordings.directory, limits, Watch())
    assert replay(off, 7) == {}
    record(off, 2, 7, (1000.0, b"y"))
    assert off.clean() == 1
    assert off.segments(NODE) == []


def test_old_recordings_are_deleted_from_time_to_time(recordings: Recordings) -> None:
    class Over(Exception):
        pass

    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            raise Over
        os.utime(recordings.segments(NODE)[0].path, (1, 1))

    record(recordings, 1, 7, (1000.0, b"x"))
    os.utime(recordings.segments(NODE)[0].path, (1000, 1000))
    recordings.now = Watch(4000.0)
    with pytest.raises(Over):
        asyncio.run(keep_clean(recordings, sleep))
    assert waited == [360.0, 360.0]
    assert recordings.segments(NODE) == []


def test_a_torn_end_costs_one_line_and_the_next_begins_a_new_file(recordings: Recordings) -> None:
    record(recordings, 1, 7, (1000.0, b"whole"), (1001.0, b"torn"))
    (segment,) = recordings.segments(NODE)
    os.truncate(segment.path, segment.size() - 4)
    record(recordings, 1, 7, (1002.0, b"again"))
    assert replay(recordings, 7) == {"1": [(1000.0, b"whole"), (1002.0, b"again")]}
    os.truncate(segment.path, 5)
    assert replay(recordings, 7) == {"1": [(1002.0, b"again")]}


def test_a_file_of_another_node_is_not_shown(recordings: Recordings) -> None:
    record(recordings, 1, 7, (1000.0, b"x"), node="other")
    record(recordings, 1, 7, (1000.0, b"y"))
    (own,), (other,) = recordings.segments(NODE), recordings.segments("other")
    own.path.write_bytes(other.path.read_bytes())
    assert replay(recordings, 7) == {}


def test_where_nothing_can_be_written_the_console_goes_on(
    recordings: Recordings, caplog: pytest.LogCaptureFixture
) -> None:
    recordings.directory.write_text("no directory")
    record(recordings, 1, 7, (1000.0, b"x"), (1000.0, b"y"))
    assert [entry.message for entry in caplog.records] == ["A console is not being recorded: Not a directory"]
    recordings.directory.unlink()
    record(recordings, 1, 7, (1000.0, b"z"))
    assert replay(recordings, 7) == {"1": [(1000.0, b"z")]}


@pytest.mark.parametrize(
    ("heard", "text", "lines"),
    [
        ([(1.0, b"a li"), (2.0, b"ne\r\nan"), (3.0, b"other\r\n")], "LINE", [(1.0, "a line")]),
        ([(1.0, b"a li"), (2.0, b"ne\r\nan"), (3.0, b"other\r\n")], "other", [(2.0, "another")]),
        ([(1.0, b"\x1b[1;31mk\x1b[0mernel \x1b]0;x\x07panic")], "kernel panic", [(1.0, "kernel panic")]),
        ([(1.0, "ü".encode()[:1]), (2.0, "ü".encode()[1:])], "Ü", [(2.0, "ü")]),
        ([(1.0, b"x" * 5000), (2.0, b"y\n")], "y", [(2.0, "y")]),
        ([(1.0, b"a\n")], "b", []),
    ],
)
def test_lines_are_found_as_people_saw_them(
    heard: list[tuple[float, bytes]], text: str, lines: list[tuple[float, str]]
) -> None:
    assert [(match.at, match.line) for match in record_play.matches(heard, text)] == lines


def test_a_line_is_found_with_those_around_it() -> None:
    heard = [(float(number), b"line %d\r\n" % number) for number in range(1, 8)]
    found = [(m.line, m.before, m.after) for m in record_play.matches([*heard, (9.0, b"line 2")], "line 2", 2)]
    assert found == [
        ("line 2", ("line 1",), ["line 3", "line 4"]),
        ("line 2", ("line 6", "line 7"), []),
    ]
    assert [m.line for m in record_play.matches(heard, "LINE", 1)] == [f"line {number}" for number in range(1, 8)]


@pytest.mark.parametrize(
    "evil", ["\x1b]0;title\x07", "\x1bP$q\x1b\\", "\x9b2J", "\x1b[2J", "\x1b(B", "\x08\x7f\x85", "\x1b_x\x1b\\"]
)
def test_lines_hold_nothing_that_a_terminal_would_obey(evil: str) -> None:
    ((_, line),) = record_play.lines([(1.0, f"a{evil}b\n".encode())])
    assert line == "ab"


# -- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture
def running(obmd_store: ObmdStore, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Site]]:
    """An obmd that records, on a state that outlives it."""

    def start(limits: RecordLimits = WIDE) -> AbstractAsyncContextManager[Site]:
        return site(obmd_store, recordings=Recordings(tmp_path / "recordings", limits, obmd_store.clock))

    return start


Running = Callable[..., AbstractAsyncContextManager[Site]]


async def ask(obmd: Site, capability: str, *path: str, **query: Any) -> httpx.Response:
    url = "/".join((f"/v1/nodes/{NODE}/recordings", *path))
    return await obmd.http.get(url, headers=bearer(capability), params=query)


async def hold(obmd: Site, epoch: int, number: int, *said: str, project: str = "lab") -> None:
    """A tenure in which the console says these while somebody looks; it goes on."""
    if epoch > 1:
        assert (await obmd.epoch(NODE, epoch)).status_code == 200
    async with obmd.console(NODE, headers=bearer(holds(epoch, number, project=project))) as ann:
        await until(ann, "hello")
        for text in said:
            obmd.servers[NODE].machine.print(text)
            await until(ann, text.encode())


@pytest.mark.net
def test_a_project_sees_the_times_in_which_it_held_the_node(running: Running) -> None:
    async def work() -> None:
        async with asyncio.timeout(60), running() as obmd:
            await obmd.add(NODE)
            await hold(obmd, 1, 7, "first of lab")
            await hold(obmd, 2, 8, "of another", project="other")
            other = (await ask(obmd, holds(2, 8, project="other"))).json()["items"]
            assert [item["id"] for item in other] == ["2"]
            for old in ("1", "3", "../1", "x"):
                answer = await ask(obmd, holds(2, 8, project="other"), old)
                assert answer.status_code in (401, 404), old
            await hold(obmd, 3, 7, "second of lab")
            items = (await ask(obmd, holds(3, 7))).json()["items"]
            assert [(item["id"], item["epoch"]) for item in items] == [("1", 1), ("3", 3)]
            assert items[0]["begun"] <= items[0]["last"] <= items[1]["begun"] <= time.time()
            for number, text in (("1", b"first of lab"), ("3", b"second of lab")):
                played = await ask(obmd, holds(3, 7), number, **{"as": "bytes"})
                assert (played.content, played.headers["cache-control"]) == (text, "no-store")
            assert (await ask(obmd, holds(3, 7), "2")).status_code == 404
            found = (await ask(obmd, holds(3, 7), "search", text="OF")).json()["items"]
            assert [(item["recording"], item["line"]) for item in found] == [
                ("3", "second of lab"),
                ("1", "first of lab"),
            ]

    asyncio.run(work())


@pytest.mark.net
def test_a_new_project_of_an_old_name_sees_nothing_of_it(running: Running) -> None:
    async def work() -> None:
        async with asyncio.timeout(60), running() as obmd:
            await obmd.add(NODE)
            await hold(obmd, 1, 7, "a secret")
            assert (await obmd.epoch(NODE, 2)).status_code == 200
            for number in (0, 9):
                assert (await ask(obmd, holds(2, number))).json() == {"items": []}
                assert (await ask(obmd, holds(2, number), "1")).status_code == 404
                assert (await ask(obmd, holds(2, number), "search", text="secret")).json() == {"items": []}

    asyncio.run(work())


@pytest.mark.net
def test_recordings_need_the_right_and_the_present_epoch(running: Running) -> None:
    async def work() -> None:
        async with asyncio.timeout(60), running() as obmd:
            await obmd.add(NODE)
            await hold(obmd, 1, 7, "x")
            for path in ((), ("1",), ("search",)):
                query = {"text": "x"} if path == ("search",) else {}
                assert (await ask(obmd, holds(1, 7, Right.WATCH), *path, **query)).status_code == 200
                assert (await ask(obmd, holds(1, 7, Right.POWER, Right.READ), *path, **query)).status_code == 403
                assert (await ask(obmd, holds(2, 7), *path, **query)).status_code == 401
                assert (await ask(obmd, "none", *path, **query)).status_code == 401
            assert (await obmd.epoch(NODE, 1, enabled=False)).status_code == 200
            assert (await ask(obmd, holds(1, 7), "1")).status_code == 401

    asyncio.run(work())


@pytest.mark.net
@pytest.mark.parametrize(
    ("path", "query"),
    [("search", {}), ("search", {"text": "x" * 201}), ("1", {"as": "video"}), ("1", {"from": "never"})],
)
def test_what_makes_no_sense_is_refused(running: Running, path: str, query: dict[str, str]) -> None:
    async def work() -> None:
        async with asyncio.timeout(60), running() as obmd:
            await obmd.add(NODE)
            assert (await ask(obmd, holds(1, 7), path, **query)).status_code == 400

    asyncio.run(work())


@pytest.mark.net
def test_a_recording_is_played_with_its_timing_from_when_to_when(
    running: Running, obmd_store: ObmdStore, tmp_path: Path
) -> None:
    begun = float(int(time.time()))
    earlier = Recordings(tmp_path / "recordings", WIDE, obmd_store.clock)
    euro = "€".encode()
    record(earlier, 1, 7, (begun, b"a" + euro[:1]), (begun + 1.5, euro[1:] + b"\x1b[0m"), (begun + 9, b"c"))

    async def work() -> None:
        async with asyncio.timeout(60), running() as obmd:
            await obmd.add(NODE)
            lines = [json.loads(line) for line in (await ask(obmd, holds(1, 7), "1")).text.splitlines()]
            title = {"version": 2, "width": 80, "height": 24, "timestamp": int(begun)}
            assert lines == [title, [0.0, "o", "a"], [1.5, "o", "€\x1b[0m"], [9.0, "o", "c"]]
            some = await ask(obmd, holds(1, 7), "1", **{"from": begun + 1, "to": begun + 9, "as": "bytes"})
            assert some.content == euro[1:] + b"\x1b[0m"

    asyncio.run(work())


class Desk:
    """Nodes over a controller in memory, that record always and may be stopped and begun again."""

    def __init__(self, store: ObmdStore, recordings: Recordings) -> None:
        self.store, self.recordings = store, recordings
        self.nodes: Nodes

    async def begin(self) -> None:
        self.nodes = Nodes(self.store, QUICK, Clock(self.store.clock), self.recordings)
        await self.nodes.start()

    def use(self, epoch: int, number: int) -> None:
        """Show a capability, for whatever it may be."""
        wanted = Capability(
            node=NODE, project="lab", project_id=number, user="ann", epoch=epoch, rights=frozenset({Right.POWER}),
            issued=0, expires=1,
        )  # fmt: skip
        self.nodes.admit(NODE, wanted, Right.POWER)

    async def heard(self, epoch: int, text: bytes) -> None:
        """Wait until the recording of this epoch is this text."""
        await true(lambda: b"".join(data for _, data in replay(self.recordings, 7).get(str(epoch), [])) == text)


def test_always_means_also_while_nobody_looks_and_after_a_restart(
    obmd_store: ObmdStore, controller: Controller, tmp_path: Path
) -> None:
    limits = RecordLimits(size=2**20, age=3600.0, always=True)

    async def work() -> None:
        desk = Desk(obmd_store, Recordings(tmp_path / "recordings", limits, obmd_store.clock))
        await desk.begin()
        await desk.nodes.put(NODE, "memory", CONFIG)
        await desk.nodes.raise_epoch(NODE, 1, enabled=True)
        desk.use(1, 0)
        assert not controller.consoles
        desk.use(1, 7)
        await true(lambda: controller.consoles)
        controller.machine.print("nobody looks")
        await desk.heard(1, b"nobody looks")
        await desk.nodes.close()
        assert not controller.consoles
        await desk.begin()
        await true(lambda: controller.consoles)
        controller.machine.print(", still")
        await desk.heard(1, b"nobody looks, still")
        await desk.nodes.raise_epoch(NODE, 2, enabled=True)
        assert not controller.consoles
        controller.machine.print("whose?")
        desk.use(2, 7)
        await true(lambda: controller.consoles)
        controller.machine.print("the second")
        await desk.heard(2, b"the second")
        await desk.heard(1, b"nobody looks, still")
        await desk.nodes.close()

    asyncio.run(work())


def test_a_console_that_cannot_be_recorded_is_tried_again(
    obmd_store: ObmdStore, controller: Controller, tmp_path: Path
) -> None:
    limits = RecordLimits(size=2**20, age=3600.0, always=True)
    waiting: list[float] = []

    async def work() -> None:
        on = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waiting.append(seconds)
            if seconds == REOPEN:
                await on.wait()

        desk = Desk(obmd_store, Recordings(tmp_path / "recordings", limits, obmd_store.clock))
        await desk.begin()
        desk.nodes.clock = Clock(obmd_store.clock, sleep)
        await desk.nodes.put(NODE, "memory", CONFIG)
        await desk.nodes.raise_epoch(NODE, 1, enabled=True)
        somebody = MemoryConsole(controller)
        desk.use(1, 7)
        await true(lambda: REOPEN in waiting)
        assert controller.consoles == {somebody}
        await somebody.close()
        on.set()
        await true(lambda: controller.consoles)
        await desk.nodes.close()

    asyncio.run(work())


def test_whose_a_console_is_is_told_by_the_files(recordings: Recordings) -> None:
    assert recordings.holder(NODE, 1) is None
    record(recordings, 1, 7, (1000.0, b"x"))
    record(recordings, 2, 8, (1000.0, b"y"))
    assert recordings.holder(NODE, 1) == (7, "project-7")
    assert recordings.holder(NODE, 3) is None
