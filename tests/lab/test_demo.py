"""The demonstration: told to its end on both kinds of data plane; scenes elsewhere; a claim that does not hold."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hil.lab.demo import command
from hil.lab.demo.scenes import allocate, connect, plugged_in, trunk
from hil.lab.demo.stage import Broken, Stage
from hil.lab.demo.storms import drift
from hil.lab.plain import PlainPlane
from hil.lab.plane import attach
from hil.lab.site import Facts, Site
from tests.lab.conftest import standing
from tests.lab.terminal import KINDS, done, programs, run, traces

ALWAYS = [
    "before HIL, every pair of machines heard each other (15 of 15 pairs)",
    "since HIL, nobody hears anybody",
    "machines of one network hear each other",
    "nothing crosses between blue and green (5 times)",
    "a machine boots over the network, from another of its own project (node01 from node02",
    "a machine's owner sees all that it says while it boots",
    "green neither switches, nor sets, nor watches blue's node01",
    "the boot service on blue's network answers nobody else (green's node03 found none)",
    "one cable carries both (untagged and tag 102)",
    "what blue tags with green's id 101 reaches nobody",
    "after the crash the books do not call the change done (2 ports tainted, the operation pending)",
    "with HIL dead, every machine runs on (3 are on)",
    "with HIL dead, blue's machines still reach each other",
    "started again, HIL asked the switches and ended the change",
    "a breach made by hand is heard, so silence is no deafness",
    "the audit found what was changed by hand (native 100, tagged 102 -> native 101, tagged none)",
    "the audit put it right again",
    "a released machine's console is cut at once, though its switch is out of reach",
    "what it says after its release reaches nobody",
    "the first time that it is seen free, a released machine is silent",
    "it comes without power",
    "its console shows the next tenant's own time only",
    "a VLAN id is used again when no port has it any more (id 102)",
    "on a VLAN id used again, nothing is heard of its last owner",
    "a changed line is found",
    "no controller's password and no capability is in a file, a process or an answer of the API",
    "the same search finds each where it belongs (7 of 7)",
    "nothing of it is left",
]
BY_FRAMES = [
    "nobody else hears anything, the switches' own ports included (5 times)",
    "everything at node02's cable was recorded, and nothing is from a stranger",
    "everything at node04's cable was recorded, and nothing is from a stranger",
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_story_is_told_to_its_end_and_leaves_nothing(short_dir: Path, kind: str) -> None:
    before = traces()
    words = (sys.executable, "-m", "hil.main", "lab", "demo", f"--{kind}")
    told = done(run(*words, environ={"TMPDIR": str(short_dir)}, patience=280.0))
    proved = told.out.partition("What was proved, on ")[2]
    assert proved.startswith({"ovs": "Open vSwitch (", "plain": "emulated switches (no frame sent, "}[kind])
    missing = [words for words in (*ALWAYS, *(BY_FRAMES if kind == "ovs" else ())) if f"  ✓ {words}" not in proved]
    assert missing == []
    assert "✗" not in told.out
    assert told.out.endswith(f"All {told.out.partition('What was proved')[0].count('  ✓ ')} claims hold.\n")
    assert "\x1b" not in told.out
    assert told.err == ""
    assert (list(short_dir.iterdir()), programs(short_dir), traces()) == ([], {}, before)


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_hold_on_a_data_centre_of_another_size(kind: str) -> None:
    with standing(kind, nodes=8, vlans="300-303") as site:
        stage = Stage(site, attach(site), quiet=True)
        for scene in (plugged_in, allocate, connect, trunk, drift):
            scene(stage)
        assert [claim for claim in stage.claims if not claim.holds] == []
        assert len(stage.claims) >= 15
        assert (stage.frames > 0) == (kind == "ovs")


def sabotage(stage: Stage) -> None:
    """Have HIL look away, and let one of green's ports carry everything."""
    with stage.client() as hil:
        hil.switches.change("sw1", audit="report")
        foreign = next(node.name for node in hil.nodes.list(project="green"))
    stage.plane.by_hand(stage.plane.facts.wiring[foreign], None)


@pytest.mark.net
def test_a_claim_that_does_not_hold_ends_the_story_badly_with_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SCENES", (allocate, connect, sabotage, trunk))
    told = CliRunner().invoke(command.demo, ["--plain"])
    assert told.exit_code == 1
    assert "  ✗ nothing crosses between blue and green" in told.stdout
    assert "claims do not hold" in told.stdout
    evidence = told.stdout.rpartition("claims do not hold:\n")[2]
    assert "nothing crosses between blue and green: [Heard(receiver='node01', sender='node03'" in evidence
    assert "✓ machines of one network hear each other" in told.stdout
    assert "✓ nothing of it is left" in told.stdout


@pytest.mark.net
def test_a_scene_that_cannot_go_on_ends_the_story_badly_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(stage: Stage) -> None:
        with pytest.raises(Broken, match="ended with 3 instead of 0"):
            stage.hil("blue", "node", "show", "node99")
        stage.hil("blue", "node", "release", "node01")

    monkeypatch.setattr(command, "SCENES", (stuck, allocate))
    told = CliRunner().invoke(command.demo, ["--plain"])
    assert told.exit_code == 1
    assert "✗ the scene 'stuck' comes to its end" in told.stdout
    assert "Two projects take machines" not in told.stdout
    assert "✓ nothing of it is left" in told.stdout


@pytest.mark.net
def test_what_is_typed_is_quoted_as_a_person_would_have_to(short_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, facts = Site(short_dir), Facts(kind="plain", endpoint="", vlans="", wiring={}, factory_pairs=0, began=0)
    Stage(site, PlainPlane(site, facts)).hil("operator", "lab", "ping", "two words", "x", expect=(6,))
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == '  operator$ hil lab ping "two words" x'
    assert shown[1].startswith("    hil: No lab is up")
