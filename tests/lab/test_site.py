"""Where a lab is, what it refuses to make itself at home in, and how its parts are named."""

from itertools import pairwise
from pathlib import Path

import pytest

from hil.cli.session import Fault
from hil.core.errors import BadArgument, Unavailable
from hil.core.model import CLOSED, PortState
from hil.lab import life
from hil.lab.furnish import labels
from hil.lab.ovs import sandbox
from hil.lab.plane import place_of, state_in
from hil.lab.site import Facts, Site
from hil.lab.supervisor import wiring_of

GIVEN, NAMED, STATE = Path("/given"), "/named", "/state"


@pytest.mark.parametrize(
    ("directory", "environ", "found"),
    [
        (GIVEN, {"HIL_LAB": NAMED, "XDG_STATE_HOME": STATE}, "/given"),
        (None, {"HIL_LAB": NAMED, "XDG_STATE_HOME": STATE}, "/named"),
        (None, {"HIL_LAB": "", "XDG_STATE_HOME": STATE}, "/state/hil-lab"),
        (None, {"XDG_STATE_HOME": "relative"}, str(Path.home() / ".local/state/hil-lab")),
    ],
)
def test_a_lab_is_where_it_was_said_to_be(directory: Path | None, environ: dict[str, str], found: str) -> None:
    assert str(Site.chosen(directory, environ).directory) == found


def test_a_directory_that_holds_something_else_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for attempt in (Site(tmp_path).prepare, Site(tmp_path).remove, lambda: life.end(Site(tmp_path))):
        with pytest.raises(Fault, match="no lab's and not empty"):
            attempt()
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_lab_cleans_up_after_an_earlier_one_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    site = Site(tmp_path / "lab")
    site.prepare()
    (site.directory / "left-over").write_text("x")
    site.prepare()
    assert [entry.name for entry in site.directory.iterdir()] == ["mark"]
    assert site.directory.stat().st_mode & 0o077 == 0
    site.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_too_deep_for_sockets_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="too long a path") as caught:
        Site(tmp_path / ("x" * 90)).prepare()
    assert "--directory" in caught.value.hint


def test_a_lab_that_begins_is_not_begun_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.prepare()
    with site.hold():
        assert site.holder() is not None
        with pytest.raises(Fault, match="begins or ends"):
            site.prepare()
        with pytest.raises(Fault, match="another lab"):
            site.hold()
    assert site.holder() is None


@pytest.mark.net
def test_a_lab_that_is_not_up_says_how_to_start_one(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert not site.up
    for question in (lambda: site.facts, lambda: site.ask("status")):
        with pytest.raises(Unavailable, match="hil lab up"):
            question()


def test_facts_survive_the_way_through_their_file(tmp_path: Path) -> None:
    facts = Facts(kind="plain", endpoint="e", vlans="1-9", wiring=wiring_of(3), factory_pairs=3, began=1.5)
    Site(tmp_path).tell(facts)
    assert Site(tmp_path).facts == facts


@pytest.mark.parametrize("count", [3, 7, 64])
def test_every_node_has_a_port_of_its_own_and_neighbours_are_on_different_switches(count: int) -> None:
    wiring = wiring_of(count)
    assert len(set(wiring.values())) == len(wiring) == count
    switches = [switch for switch, _ in wiring.values()]
    assert all(one != other for one, other in pairwise(switches))
    kinds = [labels(number, count)["kind"] for number in range(count)]
    assert kinds == sorted(kinds)
    assert set(kinds) == {"compute", "storage"}


def test_a_node_that_is_not_there_is_answered_with_those_that_are() -> None:
    facts = Facts(kind="plain", endpoint="", vlans="", wiring=wiring_of(2), factory_pairs=0, began=0)
    with pytest.raises(Fault, match="no node 'node99'") as caught:
        place_of(facts, "node99")
    assert caught.value.hint == "use one of node01, node02"


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (["native=100"], PortState(100)),
        (["tagged=7,9-11"], PortState(None, frozenset({7, 9, 10, 11}))),
        (["native=100", "tagged=7"], PortState(100, frozenset({7}))),
        (["closed"], CLOSED),
        (["everything"], None),
    ],
)
def test_the_state_of_a_port_can_be_typed(words: list[str], state: PortState | None) -> None:
    assert state_in(words) == state


@pytest.mark.parametrize(
    "words",
    [
        ["native"],
        ["native=4095"],
        ["native=x"],
        ["tagged="],
        ["open"],
        ["closed", "native=1"],
        ["native=7", "tagged=7"],
    ],
)
def test_what_is_no_state_of_a_port_is_refused(words: list[str]) -> None:
    with pytest.raises(BadArgument):
        state_in(words)


def test_the_kind_is_chosen_by_what_the_machine_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "available", lambda: None)
    assert life.choose_kind(None) == life.choose_kind("ovs") == ("ovs", "")
    assert life.choose_kind("plain") == ("plain", "")
    monkeypatch.setattr(sandbox, "available", lambda: "no root")
    assert life.choose_kind(None) == ("plain", "no root")
    with pytest.raises(Fault, match="no root") as caught:
        life.choose_kind("ovs")
    assert "--plain" in caught.value.hint
