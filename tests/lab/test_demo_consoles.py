"""What the demonstration claims of machines and consoles: each claim fails when the thing itself is broken.

One lab serves all tests of this file; each begins where blue and green have two machines each, all off, on networks of
their own, whatever happened before.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.client import Client
from hil.core.errors import Unavailable
from hil.core.model import PortState
from hil.core.obms import PowerAction
from hil.drivers.obm.emulated.session import open_session
from hil.lab.demo import consoles, secrecy, storms
from hil.lab.demo.scenes import BLUE, GREEN
from hil.lab.demo.stage import Broken, Stage
from hil.lab.furnish import settled
from hil.lab.plane import attach
from hil.lab.site import Site
from tests.lab.conftest import standing
from tests.lab.terminal import until

pytestmark = pytest.mark.net

NODES = {"node01": BLUE, "node02": BLUE, "node03": GREEN, "node04": GREEN}
OWNED = {
    "a machine boots over the network, from another of its own project",
    "a machine's owner sees all that it says while it boots",
    "green neither switches, nor sets, nor watches blue's node01",
}
ANSWERED = "the boot service on blue's network answers nobody else"
CUT = "a released machine's console is cut at once, though its switch is out of reach"
REACHES = "what it says after its release reaches nobody"
WITHOUT = "it comes without power"
OWN_TIME = "its console shows the next tenant's own time only"

DIRECT = """
import json, socket, sys
node, file, once = sys.argv[1:]
with open(file) as told:
    config = json.load(told)[node]["config"]
host, _, port = config["address"].rpartition(":")
line = socket.create_connection((host, int(port)))
stream = line.makefile("rwb")
for request in ({"do": "login", "username": config["username"], "password": config["password"]}, {"do": "console"}):
    stream.write(json.dumps(request).encode() + b"\\n")
    stream.flush()
    assert json.loads(stream.readline()) == {"ok": None}
print(f"console of {node}", file=sys.stderr, flush=True)
sys.stdout.write(once)
sys.stdout.flush()
while data := line.recv(4096):
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
"""
"""A viewer that goes to the controller itself, past HIL and obmd, as one could who knew its password."""


def direct(once: str = "") -> Callable[[Stage, str], list[str]]:
    """Have people look at consoles past HIL; `once`: what they are shown first."""
    return lambda stage, node: [sys.executable, "-c", DIRECT, node, str(stage.site.controllers), once]


def button(stage: Stage, node: str, action: PowerAction) -> None:
    """Switch a machine past HIL."""
    config = json.loads(stage.site.controllers.read_text())[node]["config"]

    async def press() -> None:
        session = await open_session(config)
        await session.power_set(action)
        await session.close()

    asyncio.run(press())


@pytest.fixture(scope="module")
def lab() -> Iterator[Stage]:
    with standing("plain", nodes=6, vlans="100-103") as site:
        stage = Stage(site, attach(site), quiet=True)
        with stage.client(BLUE) as blue, stage.client(GREEN) as green:
            for client, project in ((blue, BLUE), (green, GREEN)):
                client.networks.create(f"{project}-net", project)
        yield stage


@pytest.fixture
def stage(lab: Stage) -> Stage:
    """The lab as a scene expects it."""
    lab.claims.clear()
    lab.acts += 1
    with lab.client() as operator, lab.client(BLUE) as blue, lab.client(GREEN) as green:
        people = {BLUE: blue, GREEN: green}
        for node, project in NODES.items():
            _given(operator, people, node, project)
        for node in NODES:
            lab.site.ask("clear", node=node)
            lab.site.ask("netboot", node=node, on=False)
            button(lab, node, PowerAction.OFF)
    return lab


def _given(operator: Client, people: dict[str, Client], node: str, project: str) -> None:
    """Have a project hold a node, on its own network."""
    now = until(lambda: found if (found := operator.nodes.get(node)).state != "releasing" else None)
    if now.project != project:
        if now.project:
            people[now.project].nodes.release(node).wait(60)
        people[project].nodes.allocate(project, [node])
        people[project].networks.connect(node, "eth0", f"{project}-net").wait(60)


def failed(stage: Stage) -> set[str]:
    return {claim.words for claim in stage.claims if not claim.holds}


def held(stage: Stage) -> set[str]:
    return {claim.words for claim in stage.claims if claim.holds}


def test_a_boot_is_claimed_where_it_happened(stage: Stage) -> None:
    consoles.watched(stage)
    consoles.unanswered(stage)
    assert failed(stage) == set()
    assert held(stage) == OWNED | {ANSWERED}
    assert any("node01 from node02" in claim.figure for claim in stage.claims)


def test_a_machine_that_boots_from_nothing_is_not_claimed_to_have_booted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = stage.hil
    monkeypatch.setattr(
        stage, "hil", lambda who, *words, **more: None if "netboot" in words else told(who, *words, **more)
    )
    consoles.watched(stage)
    assert failed(stage) == {"a machine boots over the network, from another of its own project"}
    assert [claim.evidence for claim in stage.claims if not claim.holds] == ["node01 runs from nothing"]


def test_a_boot_service_that_answers_a_stranger_is_found_out(stage: Stage) -> None:
    with stage.client() as hil:
        for switch in ("sw1", "sw2"):
            hil.switches.change(switch, audit="report")
        try:
            place = stage.plane.facts.wiring["node03"]
            blue = hil.networks.get(f"{BLUE}-net").net_id
            stage.plane.by_hand(place, PortState(int(blue)))
            consoles.watched(stage)
            consoles.unanswered(stage)
            assert failed(stage) == {ANSWERED}
            assert stage.claims[-1].evidence == "it runs from node02"
        finally:
            for switch in ("sw1", "sw2"):
                hil.switches.change(switch, audit="heal")
            until(lambda: settled(hil.ports.get(*place)))


def test_a_console_that_loses_output_is_found_out(stage: Stage) -> None:
    stage.site.ask("fault", node="node01", kind="cut", settings={"after": "2"})
    consoles.watched(stage)
    assert failed(stage) == {"a machine's owner sees all that it says while it boots"}


def test_a_stranger_whom_hil_obeys_breaks_the_scene(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def hil(who: str, *words: str, told: Any = stage.hil, **more: Any) -> Any:
        return told(BLUE if who == GREEN and "off" in words else who, *words, **more)

    monkeypatch.setattr(stage, "hil", hil)
    with pytest.raises(Broken, match="ended with 0 instead of 3 or 4"):
        consoles.watched(stage)


def test_a_machine_that_is_switched_behind_greens_attempts_is_seen(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hil(who: str, *words: str, told: Any = stage.hil, **more: Any) -> Any:
        if who == GREEN and words[:3] == ("node", "power", "off"):
            button(stage, "node01", PowerAction.OFF)
        return told(who, *words, **more)

    monkeypatch.setattr(stage, "hil", hil)
    consoles.watched(stage)
    assert failed(stage) == {"green neither switches, nor sets, nor watches blue's node01"}


def parted(stage: Stage) -> None:
    """The console's share of a release, at a switch that cannot be reached."""
    stage.hil(BLUE, "node", "obm", "enable", "node01")
    stage.hil(BLUE, "node", "power", "on", "node01")
    with consoles.released(stage, "node01") as viewer:
        storms.cut(stage, "node01")
        try:
            stage.hil(BLUE, "node", "release", "node01", "--no-wait")
            consoles.cut_off(stage, viewer, "node01")
        finally:
            storms.mend(stage, "node01")
    with stage.client() as hil:
        until(lambda: hil.nodes.get("node01").state == "free")


def handed_on(stage: Stage) -> None:
    """The console's share of the next tenant's beginning."""
    stage.hil(GREEN, "node", "allocate", "node01")
    consoles.taken_over(stage, "node01")


def test_a_console_ends_with_the_release_and_the_next_one_begins_empty(stage: Stage) -> None:
    parted(stage)
    handed_on(stage)
    assert failed(stage) == set()
    assert held(stage) == {CUT, REACHES, WITHOUT, OWN_TIME}


def test_a_console_that_outlives_the_release_is_found_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "viewing", direct())
    monkeypatch.setattr(consoles, "CUT_WITHIN", 1.0)
    parted(stage)
    assert failed(stage) == {CUT, REACHES}
    [evidence] = [claim.evidence for claim in stage.claims if claim.words == REACHES]
    assert consoles.AFTER in evidence


def test_a_console_that_shows_the_last_tenants_time_is_found_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    parted(stage)
    monkeypatch.setattr(consoles, "viewing", direct(f"{consoles.BEFORE}\n"))
    monkeypatch.setattr(consoles, "CUT_WITHIN", 1.0)
    handed_on(stage)
    assert failed(stage) == {OWN_TIME}


def test_a_machine_that_comes_with_its_power_on_is_found_out(stage: Stage) -> None:
    parted(stage)
    button(stage, "node01", PowerAction.ON)
    handed_on(stage)
    assert failed(stage) == {WITHOUT}


def test_a_machine_that_goes_off_with_hil_is_found_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    button(stage, "node03", PowerAction.ON)
    read = storms.books

    def books(*words: Any) -> Any:
        button(stage, "node03", PowerAction.OFF)
        return read(*words)

    monkeypatch.setattr(storms, "books", books)
    storms.crash(stage)
    assert failed(stage) == {"with HIL dead, every machine runs on"}
    with stage.client(GREEN) as green:
        for node in ("node03", "node04"):
            [mine] = [each for each in green.networks.attachments("green-lab") if each.node == node]
            green.networks.detach(node, mine.nic, "green-lab", mine.channel).wait(60)
        green.networks.delete("green-lab")


# Secrets.

NOWHERE = "no controller's password and no capability is in a file, a process or an answer of the API"


@pytest.fixture
def green_enabled(stage: Stage) -> None:
    with stage.client(GREEN) as green:
        green.obm.enable("node03")


@pytest.mark.usefixtures("green_enabled")
def test_secrets_that_are_nowhere_are_claimed_to_be_nowhere(stage: Stage) -> None:
    secrecy.secrecy(stage)
    assert failed(stage) == set()
    assert stage.claims[0].words == NOWHERE
    assert int(stage.claims[0].figure.split(", ")[1].split()[0]) > 60


@pytest.mark.usefixtures("green_enabled")
@pytest.mark.parametrize("where", ["log", "environ", "cmdline", "answer"])
def test_a_password_that_got_out_is_found_wherever_it_is(
    stage: Stage, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = secrecy.passwords(stage.site)["node02"]
    if where == "log":
        before = stage.site.hil_log.read_bytes()
        stage.site.hil_log.write_bytes(before + f"cannot log in with {password}\n".encode())
        secrecy.secrecy(stage)
        stage.site.hil_log.write_bytes(before)
    elif where == "answer":
        with stage.client() as hil:
            hil.nodes.set_metadata("node03", "note", password)
            secrecy.secrecy(stage)
            hil.nodes.remove_metadata("node03", "note")
    else:
        words = [sys.executable, "-c", "input()", *([password] if where == "cmdline" else [])]
        environ = {"BMC": password} if where == "environ" else {}
        with subprocess.Popen(words, stdin=subprocess.PIPE, env=environ) as process:
            until(lambda: b"input" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
            secrecy.secrecy(stage)
            process.communicate(b"\n")
    assert failed(stage) == {NOWHERE}
    assert "password of node02" in stage.claims[0].evidence
    assert password not in stage.claims[0].evidence


def test_a_search_that_finds_nothing_where_it_must_says_so(
    stage: Stage, green_enabled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrecy, "found", lambda secrets, places: [])
    secrecy.secrecy(stage)
    assert failed(stage) == {"the same search finds each where it belongs"}


def test_without_a_lab_there_is_no_machine_to_ask(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Stage(Site(tmp_path), stage.plane, quiet=True).machine("node01")
