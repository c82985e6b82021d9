"""What goes wrong with Dell's switches is told apart, and leaves no port wider than before or after.

Through the real protocol, on every platform alike: another session in the way, refusals at each line of a port, lost
requests and replies, a session that dies half-way, a save that fails, a reboot, another identity, an aggregation.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

import asyncssh
import pytest

from hil.core.devices import SwitchSession
from hil.core.errors import DeviceBusy, DeviceError, IdentityChanged, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.registry import capabilities_of, switch_spec
from hil.drivers.switch.cli.session import open_cli
from hil.drivers.switch.dnos6.session import Dnos6
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.drivers.switch.os9.session import Os9
from hil.drivers.switch.os10.session import Os10
from hil.drivers.switch.powerconnect.session import PowerConnect
from hil.lab.devices import Served, emulator
from tests.switches.desk import WRITER
from tests.switches.harness import Watched, opened, run

PLATFORMS = {"dnos6": Dnos6, "powerconnect": PowerConnect, "os10": Os10, "os9": lambda: Os9({})}
pytestmark = [pytest.mark.net, pytest.mark.parametrize("driver", list(PLATFORMS))]
OLD, NEW = PortState(10, frozenset({20})), PortState(20, frozenset({30}))


class Bench(NamedTuple):
    served: Served
    session: SwitchSession
    ports: tuple[str, ...]

    def batch(self, want: PortState = NEW, count: int = 3) -> list[PortChange]:
        return [PortChange(port, OLD, want) for port in self.ports[:count]]


@asynccontextmanager
async def bench(driver: str, **settings: object) -> AsyncIterator[Bench]:
    """A served device whose ports carry OLD, saved, and a session with it."""
    lab = emulator(driver)
    device = lab.device("sw", **settings)
    device.config.vlans |= {10, 20, 30}
    async with lab.serve(device) as served:
        session = await opened(driver, served)
        for have, want in ((None, CLOSED), (CLOSED, OLD)):
            await session.apply([PortChange(port, have, want) for port in lab.ports], WRITER)
        await session.save(WRITER)
        assert {device.running(port) for port in lab.ports} == {OLD}
        try:
            yield Bench(served, session, lab.ports)
        finally:
            await session.close()


def armed(there: Bench, kind: FaultKind, *, port: str | None = None, op: Op | None = None, after: int = 0) -> None:
    there.served.device.faults.add(Fault(kind=kind, port=port, op=op, after=after, words="% Not while I live"))


def test_a_configuration_that_somebody_else_holds_is_busy_and_nothing_is_changed(driver: str) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            armed(there, FaultKind.BUSY, op=Op.WRITE)
            with pytest.raises(DeviceBusy):
                await there.session.apply(there.batch(), WRITER)
            assert {there.served.device.running(port) for port in there.ports} == {OLD}
            with pytest.raises(DeviceError):
                await there.session.read()

    run(drive())


@pytest.mark.parametrize("after", range(5))
def test_a_refusal_at_any_line_leaves_a_port_no_wider_and_the_others_done(driver: str, after: int) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            bad, *others = there.ports[:3]
            want = PortState(None, frozenset({30})) if "tagged" in states(driver, there) else NEW
            device = there.served.device
            watched = Watched(device, dict.fromkeys(there.ports[:3], want))
            device.on_step = watched.check
            armed(there, FaultKind.REFUSE, port=bad, after=after)
            answers = await there.session.apply(there.batch(want), WRITER)
            device.on_step = None
            struck = not device.faults
            assert isinstance(answers[bad], Refused) == struck
            if struck:
                assert "% Not while I live" in str(answers[bad])
            assert [answers[port] for port in others] == [None, None]
            assert {device.running(port) for port in others} == {want}

    run(drive())


def states(driver: str, there: Bench) -> set[str]:
    can = capabilities_of(switch_spec(driver), there.served.config)
    return {"tagged"} if can.nativeless != "no" else set()


@pytest.mark.parametrize("kind", [FaultKind.HALF, FaultKind.LOSE_REPLY, FaultKind.LOSE_REQUEST, FaultKind.UNREACHABLE])
@pytest.mark.parametrize("after", [0, 2])
def test_a_session_that_dies_is_a_lost_reply_and_the_next_one_reads_the_truth(
    driver: str, kind: FaultKind, after: int
) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            device = there.served.device
            watched = Watched(device, dict.fromkeys(there.ports[:3], NEW))
            armed(there, kind, op=Op.WRITE, after=after)
            with pytest.raises(LostReply):
                await there.session.apply(there.batch(), WRITER)
            watched.check("the death")
            assert device.sessions == set()
            again = await opened(driver, there.served)
            seen = await again.read(there.ports[:3])
            batch = [PortChange(port, found.state, NEW) for port, found in seen.items()]
            assert set((await again.apply(batch, WRITER)).values()) == {None}
            await again.close()
            watched.reached()

    run(drive())


def test_a_reading_that_dies_before_anything_was_sent_is_unreachable(driver: str) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            fresh = await opened(driver, there.served)
            armed(there, FaultKind.UNREACHABLE, op=Op.READ)
            with pytest.raises(Unreachable):
                await fresh.read()
            await fresh.close()

    run(drive())


def test_a_save_that_fails_is_refused_in_words_and_a_reboot_then_forgets(driver: str) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            device = there.served.device
            assert set((await there.session.apply(there.batch(), WRITER)).values()) == {None}
            armed(there, FaultKind.FAIL_SAVE)
            with pytest.raises(Refused, match="% Not while I live"):
                await there.session.save(WRITER)
            assert (await there.session.read([there.ports[0]]))[there.ports[0]].state == NEW
            device.reboot()
            again = await opened(driver, there.served)
            assert (await again.read([there.ports[0]]))[there.ports[0]].state == OLD
            await again.close()

    run(drive())


def test_saving_twice_in_one_session_keeps_the_conversation_in_step(driver: str) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            for _ in range(2):
                await there.session.save(WRITER)
                assert (await there.session.read([there.ports[0]]))[there.ports[0]].state == OLD

    run(drive())


def test_another_host_key_is_another_identity_and_is_told_no_credentials(
    driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
            seen = len(there.served.device.log)
            told: list[tuple[str, ...]] = []
            monkeypatch.setattr(there.served.device, "admits", lambda *words: told.append(words))
            with pytest.raises(IdentityChanged):
                await opened(driver, there.served, host_key=other)
            assert (told, len(there.served.device.log)) == ([], seen)

    run(drive())


def test_sessions_beyond_the_limit_are_unreachable(driver: str) -> None:
    async def drive() -> None:
        async with bench(driver, max_sessions=1) as there:
            with pytest.raises(Unreachable):
                await opened(driver, there.served)

    run(drive())


def test_a_member_of_an_aggregation_is_declined_and_never_written(driver: str) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            device, (member, other, *_) = there.served.device, there.ports
            device.config.ports[member] = bundled = replace(device.config.ports[member], lag="7")
            found = (await there.session.read([member]))[member]
            assert found.state is None
            assert found.reason.startswith("member of LAG")
            batch = [PortChange(member, None, NEW), PortChange(other, OLD, NEW)]
            answers = await there.session.apply(batch, WRITER)
            assert isinstance(answers[member], Refused)
            assert "LAG" in str(answers[member])
            assert answers[other] is None
            assert device.config.ports[member] == bundled
            assert device.running(other) == NEW

    run(drive())


def test_a_lie_is_seen_in_the_read_back(driver: str) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            for _ in range(9):
                armed(there, FaultKind.LIE, port=there.ports[0])
            await there.session.apply(there.batch(), WRITER)
            seen = await there.session.read(there.ports[:2])
            assert [seen[port].state for port in there.ports[:2]] == [OLD, NEW]

    run(drive())


def test_a_batch_is_one_session_and_one_save(driver: str) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            device = there.served.device
            device.log.clear()
            await there.session.apply(there.batch(count=len(there.ports)), WRITER)
            await there.session.save(WRITER)
            assert {device.running(port) for port in there.ports} == {NEW}
            actions = [entry.action for entry in device.log]
            assert actions.count("login") == 0
            assert actions.count("save") == 1

    run(drive())


def test_output_in_pages_is_read_whole(driver: str) -> None:
    """A switch that ignores the wish for no pages is read all the same."""

    async def drive() -> None:
        async with bench(driver) as there:
            platform = PLATFORMS[driver]()
            platform.dialect = replace(platform.dialect, quiet=())
            paged = await open_cli(there.served.config, platform)
            assert {port: found.state for port, found in (await paged.read()).items()} == dict.fromkeys(
                there.ports, OLD
            )
            await paged.close()

    run(drive())


def test_what_was_changed_by_hand_is_read_and_led_back(driver: str) -> None:
    async def drive() -> None:
        async with bench(driver) as there:
            device, (first, second, third, *_) = there.served.device, there.ports
            device.set_by_hand(first, Foreign("all", "all"))
            device.set_by_hand(second, NEW)
            device.set_by_hand(third, CLOSED)
            seen = await there.session.read(there.ports[:3])
            assert [seen[port].state for port in there.ports[:3]] == [None, NEW, CLOSED]
            batch = [PortChange(port, found.state, OLD) for port, found in seen.items()]
            assert set((await there.session.apply(batch, WRITER)).values()) == {None}
            assert {device.running(port) for port in there.ports} == {OLD}

    run(drive())
