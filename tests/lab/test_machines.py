"""The machines of a lab that stands: seen, driven through HIL, booted over its networks, broken and mended."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import pytest

from hil.client import Client, HilClientError
from hil.core.errors import BadArgument
from hil.lab import view
from hil.lab.site import Site
from tests.lab.terminal import done, hil, run, until


@contextmanager
def held(site: Site, *nodes: str) -> Iterator[Client]:
    """Nodes of blue's whose machines may be driven; given back afterwards, with nothing broken."""
    with view.client(site, "blue") as blue:
        blue.nodes.allocate("blue", nodes)
        for node in nodes:
            blue.obm.enable(node)
        try:
            yield blue
        finally:
            for node in site.facts.wiring:
                site.ask("clear", node=node)
            for operation in [blue.nodes.release(node) for node in nodes]:
                operation.wait(60)


def machine(site: Site, node: str) -> dict[str, object]:
    found: dict[str, object] = site.ask("machines")[node]
    return found


def test_status_shows_what_each_machine_does_as_it_says_itself(site: Site) -> None:
    with held(site, "node01") as blue:
        before = {row["node"]: row for row in done(hil(site, "lab", "status", "-o", "json")).json["machines"]}
        assert set(before) == set(site.facts.wiring)
        assert {row["power"] for row in before.values()} == {"off"}
        blue.power.set("node01", "on")
        blue.power.wait("node01", True, 60)
        seen = done(hil(site, "lab", "status", "-o", "json")).json
        now = {row["node"]: row for row in seen["machines"]}
        assert now["node01"]["power"] == "on"
        assert now["node01"]["boots"] == int(before["node01"]["boots"]) + 1
        assert {row["node"]: row["power"] for row in now.values() if row["node"] != "node01"} == {
            node: "off" for node in site.facts.wiring if node != "node01"
        }
        table = done(hil(site, "lab", "status")).out
        assert "CONTROLLER" in table
        assert [line for line in table.splitlines() if line.startswith("node01  on ")]
        csv = done(hil(site, "lab", "status", "-o", "csv")).out.splitlines()
        assert csv[0].endswith("power,controller,boots")
        assert ",on," in csv[1]
    assert machine(site, "node01")["power"] is False, "a machine that was given back is off"


def test_a_machine_boots_from_its_own_network_and_finds_nobody_elsewhere(site: Site) -> None:
    with held(site, "node01", "node02", "node03") as blue:
        blue.networks.create("boots", "blue")
        for node in ("node01", "node02"):
            blue.networks.connect(node, "eth0", "boots").wait(60)
        done(hil(site, "lab", "netboot", "node02"))
        for node in ("node03", "node01"):
            blue.power.set_boot(node, "pxe")
            blue.power.set(node, "on")
        assert until(lambda: machine(site, "node01")["source"]) == "node02"
        assert "booted over the network" in until_said(site, "node01", "node02")
        assert until(lambda: machine(site, "node03")["source"]) not in site.facts.wiring
        assert "node02" not in str(site.ask("tail", node="node03"))
        assert "no more" in done(hil(site, "lab", "netboot", "node02", "--off")).out
        blue.power.set("node01", "reset")
        until(lambda: machine(site, "node01")["source"] != "node02")
        assert until(lambda: machine(site, "node01")["source"]) not in site.facts.wiring
    with view.client(site, "blue") as blue:
        blue.networks.delete("boots")


def until_said(site: Site, node: str, words: str) -> str:
    """What a machine has said, once it has said this."""
    return until(lambda: text if words in (text := str(site.ask("tail", node=node))) else "")


def test_a_broken_controller_is_listed_felt_through_hil_and_mended(site: Site) -> None:
    with held(site, "node01", "node02") as blue:
        assert not blue.power.get("node01").on
        done(hil(site, "lab", "fault", "set", "node01", "dead"))
        listed = done(hil(site, "lab", "fault", "list", "-o", "json")).json
        assert listed == [{"broken": "node01", "fault": "dead"}]
        with pytest.raises(HilClientError):
            blue.power.get("node01", max_age=0)
        assert not blue.power.get("node02", max_age=0).on
        done(hil(site, "lab", "fault", "clear", "node01"))
        assert done(hil(site, "lab", "fault", "list")).out == "Nothing is broken.\n"
        until(lambda: answers(blue))


def answers(client: Client) -> bool:
    """Whether the controller of a machine answers again."""
    try:
        return not client.power.get("node01", max_age=0).on
    except HilClientError:
        return False


def test_a_controller_that_lies_is_not_believed_by_the_lab(site: Site) -> None:
    kind = "lie"
    if kind not in site.ask("kinds"):
        with pytest.raises(BadArgument, match="no fault"):
            site.ask("fault", node="node01", kind=kind, settings={})
        return
    with held(site, "node01") as blue:
        site.ask("fault", node="node01", kind=kind, settings={"op": "write"})
        blue.power.set("node01", "on")
        assert machine(site, "node01")["power"] is False
        assert not blue.power.get("node01", max_age=0).on
        assert machine(site, "node01")["faults"] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["fault", "set", "node01", "earthquake"], 2, "hil: 'earthquake' is no fault of a controller"),
        (["fault", "set", "node01", "hang", "speed=1"], 2, "hil: "),
        (["fault", "set", "node99", "hang"], 1, "hil: there is no switch or node 'node99' here: use one of sw1, sw2"),
        (["fault", "clear", "node99"], 1, "hil: there is no switch or node 'node99' here"),
        (["netboot", "node99"], 1, "hil: there is no node 'node99' here"),
        (["say", "node99", "x"], 1, "hil: there is no node 'node99' here"),
        (["say", "node01", "x"], 2, "hil: node01 has no power"),
    ],
)
def test_what_cannot_be_done_to_a_machine_is_refused_in_one_line(
    site: Site, words: list[str], code: int, said: str
) -> None:
    refused = hil(site, "lab", *words)
    assert (refused.code, refused.out) == (code, "")
    assert refused.err.startswith(said)
    assert len(refused.err.splitlines()) == 1


def test_every_fault_that_is_listed_can_be_set_and_every_one_is_mended(site: Site) -> None:
    kinds = done(hil(site, "lab", "fault", "kinds", "-o", "json")).json
    controllers = [row["fault"] for row in kinds if row["of"] == "controller"]
    assert controllers
    assert all(row["meaning"] for row in kinds)
    for node, kind in zip(cycle(site.facts.wiring), controllers, strict=False):
        site.ask("fault", node=node, kind=kind, settings={})
    assert len(done(hil(site, "lab", "fault", "list", "-o", "json")).json) == len(controllers)
    done(hil(site, "lab", "fault", "clear"))
    assert done(hil(site, "lab", "fault", "list", "-o", "json")).json == []


def test_the_shell_completes_the_names_of_the_lab(site: Site) -> None:
    def completed(*words: str) -> list[str]:
        line = " ".join(["hil", "lab", *words])
        environ = {**site.environment(), "_HIL_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_NAME": "hil"}
        ran = run(str(Path(sys.executable).with_name("hil")), environ=environ)
        return [answer.partition(",")[2] for answer in done(ran).out.splitlines()]

    nodes = list(site.facts.wiring)
    assert completed("netboot", "") == completed("say", "n") == completed("ping", "node01", "") == nodes
    assert completed("fault", "set", "") == ["sw1", "sw2", *nodes]
    assert completed("fault", "reboot", "") == ["sw1", "sw2"]
    assert completed("fault", "clear", "node03") == ["node03"]


def test_the_passwords_of_controllers_are_for_the_labs_owner_alone(site: Site) -> None:
    told = json.loads(site.controllers.read_text())
    assert set(told) == set(site.facts.wiring)
    assert site.controllers.stat().st_mode & 0o077 == 0
    assert len({each["config"]["password"] for each in told.values()}) == len(told)
    kinds = {row["controller"] for row in done(hil(site, "lab", "status", "-o", "json")).json["machines"]}
    assert kinds == {each["driver"] for each in told.values()}


def test_the_machines_refuse_questions_that_they_do_not_know(site: Site) -> None:
    for question in ("tail", "clear"):
        with pytest.raises(BadArgument, match="node99"):
            site.ask(question, node="node99")
    with pytest.raises(BadArgument, match="cannot read"):
        site.ask("explode")
    with pytest.raises(BadArgument, match="cannot read"):
        site.ask("say", node="node01")
