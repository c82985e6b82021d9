"""`hil lab …` on a lab that stands: each command shows what really is, and refuses in one line with a remedy."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from hil.cli.app import app
from hil.core.vlans import unfold
from hil.lab.command import lab
from hil.lab.plane import Plane
from hil.lab.site import Site
from tests.lab.terminal import clean, done, hil, until


def commands(group: click.Group, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command of a group, by its words."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        found = group.get_command(ctx, name)
        assert found is not None
        yield (*above, name), found
        if isinstance(found, click.Group):
            yield from commands(found, *above, name)


def test_every_command_has_help_with_an_example() -> None:
    found = dict(commands(lab, "lab"))
    assert len(found) >= 17
    for words, command in found.items():
        text = command.get_help(click.Context(command, info_name=words[-1], parent=click.Context(app, info_name="hil")))
        assert command.help, words
        assert "Example" in text, words


def test_the_line_of_a_group_is_the_commands_own() -> None:
    for group in (command for _, command in [((), lab), *commands(lab)] if isinstance(command, click.Group)):
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            assert command is not None
            assert command.get_short_help_str(limit=200) == _line(group, name)


def _line(group: click.Group, name: str) -> str:
    line: str = group.line(name)  # type: ignore[attr-defined]  # our groups know a line of help for each command
    return line


def test_ping_hears_and_status_agree(site: Site, plane: Plane) -> None:
    assert hil(site, "lab", "ping", "node01", "node02").code == 1
    done(hil(site, "node", "allocate", "node01,node02", person="blue"))
    done(hil(site, "network", "create", "agree", person="blue"))
    done(hil(site, "network", "connect", "agree", "node01,node02", person="blue"))
    done(hil(site, "lab", "ping", "node01", "node02"))
    assert hil(site, "lab", "ping", "node01", "node03").code == 1
    heard = done(hil(site, "lab", "hears", "-o", "csv")).out.splitlines()
    assert heard[0] == "receiver,sender,how"
    assert {"node01,node02,untagged", "node02,node01,untagged"} <= set(heard[1:])
    assert {line.split(",")[0] for line in heard[1:]} == {"node01", "node02"}
    table = done(hil(site, "lab", "hears")).out
    assert table.splitlines()[1].split()[:2] == ["node01", "native"]
    status = done(hil(site, "lab", "status", "-o", "json")).json
    assert {f"{e['receiver']},{e['sender']},{e['how']}" for e in status["hears"]["heard"]} == set(heard[1:])
    assert [row["project"] for row in status["nodes"][:3]] == ["blue", "blue", None]
    assert (status["hears"]["frames"] > 0) == (site.facts.kind == "ovs")
    done(hil(site, "node", "release", "--yes", "node01,node02", person="blue"))
    done(hil(site, "network", "delete", "agree", person="blue"))
    assert plane.hearing(unfold(site.facts.vlans)).heard == frozenset()


def test_the_operators_tests_of_switches_find_the_labs_wiring_in_order(site: Site) -> None:
    for words in (("switch", "test", site.facts.wiring["node01"][0]), ("wiring", "check")):
        place = ["--config", str(site.config), "--state", str(site.state)]
        found = subprocess.run(
            [sys.executable, "-c", "from hil.admin import main; main()", *place, *words],
            env=clean(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.endswith("nothing wrong, no warnings\n")


def test_env_points_a_shell_at_the_lab_as_one_of_its_people(site: Site) -> None:
    program = 'eval "$("$1" -m hil.main lab env green -d "$2")" && exec "$1" -m hil.main whoami -o json'
    done = subprocess.run(
        ["sh", "-c", program, "sh", sys.executable, str(site.directory)],
        env={**clean(), "HIL_TOKEN": "of another HIL", "HIL_ENDPOINT": "http://192.0.2.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"user": "green"' in done.stdout
    assert '"operator": false' in done.stdout


def test_a_shell_steps_into_a_machine_where_there_are_machines(site: Site, plane: Plane) -> None:
    ran = hil(site, "lab", "shell", "node03", "--", "ip", "-o", "link", "show", "eth0")
    if site.facts.kind == "ovs":
        assert plane.addresses("node03")[0] in done(ran).out
    else:
        assert ran.code == 1
        assert "nothing to step into" in ran.err
        assert "--ovs" in ran.err


def test_faults_are_listed_while_they_are_in_force_and_felt_by_hil(site: Site) -> None:
    forever = () if site.facts.kind == "ovs" else ("count=forever",)
    assert done(hil(site, "lab", "fault", "list")).out == "Nothing is broken.\n"
    kinds = done(hil(site, "lab", "fault", "kinds")).out
    assert "unreachable" in kinds
    done(hil(site, "lab", "fault", "set", "sw1", "unreachable", *forever))
    assert "unreachable" in done(hil(site, "lab", "fault", "list")).out
    until(lambda: "sw1" in done(hil(site, "trouble")).out)
    done(hil(site, "lab", "fault", "clear"))
    assert done(hil(site, "lab", "fault", "list", "-o", "json")).json == []
    until(lambda: "Everything is settled" in done(hil(site, "trouble")).out)


def test_a_switch_without_power_carries_nothing_and_comes_back_as_it_was(site: Site, plane: Plane) -> None:
    done(hil(site, "node", "allocate", "node01,node03", person="blue"))
    done(hil(site, "network", "create", "dark", person="blue"))
    done(hil(site, "network", "connect", "dark", "node01,node03", person="blue"))
    done(hil(site, "lab", "fault", "set", "sw1", "power-off"))
    assert "power-off" in done(hil(site, "lab", "fault", "list")).out
    assert not plane.ping("node01", "node03")[0]
    assert plane.hearing(unfold(site.facts.vlans)).heard == frozenset()
    done(hil(site, "lab", "fault", "clear", "sw1"))
    assert plane.ping("node01", "node03")[0]
    done(hil(site, "lab", "fault", "reboot", "sw1"))
    assert plane.ping("node01", "node03")[0]
    done(hil(site, "node", "release", "--yes", "node01,node03", person="blue"))
    done(hil(site, "network", "delete", "dark", person="blue"))


def test_a_port_changed_by_hand_is_healed(site: Site, plane: Plane) -> None:
    for state in (("native=150",), ("tagged=150-152",), ("everything",)):
        done(hil(site, "lab", "fault", "hand", "node05", *state))
        until(lambda: plane.hearing([150, 151, 152]).heard == frozenset())
    drifts = until(lambda: done(hil(site, "journal", "--action", "drift", "-o", "json")).json)
    assert {line["name"] for line in drifts} == {"sw1/sw1p3"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["ping", "node01", "node99"], 1, "hil: there is no node 'node99' here: use one of node01, node02"),
        (["shell", "node99"], 1, "hil: "),
        (["env", "red"], 1, "hil: there is no person 'red' here: use one of operator, blue, green"),
        (["fault", "set", "sw9", "unreachable"], 1, "hil: there is no switch or node 'sw9' here: use one of sw1, sw2"),
        (["fault", "set", "sw1", "earthquake"], 2, "hil: 'earthquake' is no fault"),
        (["fault", "hand", "node01", "native=9999"], 2, "hil: '9999' is no VLAN id"),
        (["fault", "reboot", "sw9"], 1, "hil: there is no switch 'sw9' here"),
        (["fault", "clear", "sw9"], 1, "hil: there is no switch or node 'sw9' here"),
        (["up", "--nodes", "1"], 2, "hil: Invalid value for '--nodes'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(site: Site, words: list[str], code: int, said: str) -> None:
    refused = hil(site, "lab", *words)
    assert (refused.code, refused.out) == (code, "")
    assert refused.err.startswith(said)
    assert len(refused.err.splitlines()) == 1


@pytest.mark.net
@pytest.mark.parametrize("words", ["status", "hears", "ping a b", "shell a", "env", "fault list", "fault clear"])
def test_without_a_lab_every_command_says_how_to_start_one(short_dir: str, words: str) -> None:
    environ = {"HIL_LAB": f"{short_dir}/none"}
    ran = subprocess.run(
        [sys.executable, "-m", "hil.main", "lab", *words.split()],
        env={**clean(), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 6
    assert ran.stderr.startswith("hil: ")
    assert "hil lab up" in ran.stderr
