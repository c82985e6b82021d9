"""hil-admin wiring check: what is compared, and the command over several emulated switches."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hil.admin import switch_ask
from hil.admin.command import admin
from hil.admin.switch_ask import Sight
from hil.admin.switch_books import Book, Wire
from hil.admin.wiring_compare import Finding, What, compare
from hil.core.wiring import Mac, Neighbour
from hil.drivers.switch.mock.device import Delays, EmulatedSwitch, place
from hil.drivers.switch.mock.faults import Fault, FaultKind

A, B, C, X = (f"00:00:5e:00:53:0{number}" for number in "abcf")
BOOKS = [
    Book("leaf1", "mock", {}, (Wire("p1", "n1/eth0", A), Wire("p2", "n2/eth0", B), Wire("p3"))),
    Book("leaf2", "mock", {}, (Wire("p1", "n3/eth0", C),)),
]
HEALTHY = {
    "leaf1": {"p1": [A], "p2": [B], "up": [C]},
    "leaf2": {"p1": [C], "up": [A, B]},
}


def sights(macs: dict[str, dict[str, list[str]]], lldp: dict[str, dict[str, str]] | None = None) -> dict[str, Sight]:
    return {
        switch: Sight(
            {port: [Mac(mac, 1) for mac in seen] for port, seen in ports.items()},
            {port: [Neighbour("chassis", mac)] for port, mac in (lldp or {}).get(switch, {}).items()},
        )
        for switch, ports in macs.items()
    }


def judged(macs: dict[str, dict[str, list[str]]], **lldp: dict[str, str]) -> list[tuple[str, str, What]]:
    return [(each.switch, each.port, each.what) for each in compare(BOOKS, sights(macs, lldp))]


def test_a_wiring_as_registered_has_no_finding_links_included() -> None:
    assert judged(HEALTHY, leaf1={"p1": A}) == []


@pytest.mark.parametrize(
    ("leaf1", "leaf2", "expected"),
    [
        pytest.param(
            {"p1": [B], "p2": [A]},
            {"p1": [C]},
            [
                ("leaf1", "p1", What.NEVER),
                ("leaf1", "p1", What.ELSEWHERE),
                ("leaf1", "p2", What.NEVER),
                ("leaf1", "p2", What.ELSEWHERE),
            ],
            id="two cables swapped",
        ),
        pytest.param(
            {"p2": [B], "p3": [A]},
            {"p1": [C]},
            [("leaf1", "p1", What.NEVER), ("leaf1", "p3", What.ELSEWHERE)],
            id="on a registered port that is not wired",
        ),
        pytest.param(
            {"p2": [B], "p9": [A]},
            {"p1": [C]},
            [("leaf1", "p1", What.NEVER), ("leaf1", "p9", What.ELSEWHERE)],
            id="on a port of the same switch that HIL does not know",
        ),
        pytest.param(
            {"p1": [A], "p2": [B]},
            {"p1": [C, A]},
            [("leaf2", "p1", What.CROWDED), ("leaf2", "p1", What.ELSEWHERE)],
            id="two NICs on one port",
        ),
        pytest.param(
            {"p2": [B]},
            {"p1": [C], "p9": [A]},
            [("leaf1", "p1", What.NEVER), ("leaf2", "p9", What.ELSEWHERE)],
            id="alone on an unknown port of another switch, and not at home",
        ),
        pytest.param(
            {"p2": []},
            {"p1": [C], "up": [A, B]},
            [("leaf1", "p1", What.NEVER), ("leaf1", "p2", What.NEVER)],
            id="behind a link, and forgotten at home",
        ),
        pytest.param(
            {"p1": [A, X], "p2": [B]},
            {"p1": [C]},
            [("leaf1", "p1", What.UNKNOWN)],
            id="an address that nobody registered",
        ),
        pytest.param({"p1": [A], "p2": [B], "up": [X]}, {"p1": [C]}, [], id="strangers behind an unknown port"),
    ],
)
def test_a_disagreement_is_named(
    leaf1: dict[str, list[str]], leaf2: dict[str, list[str]], expected: list[tuple[str, str, What]]
) -> None:
    assert sorted(judged({"leaf1": leaf1, "leaf2": leaf2})) == sorted(expected)


def test_lldp_is_believed_on_ports_that_hil_does_not_know() -> None:
    assert judged(HEALTHY, leaf2={"up": A}) == [("leaf2", "up", What.ELSEWHERE)]


def test_lldp_against_the_mac_table_is_a_contradiction() -> None:
    assert ("leaf1", "p1", What.CONTRADICTION) in judged(HEALTHY, leaf1={"p1": B})
    assert judged(HEALTHY, leaf1={"p1": "Ethernet1"}) == []


def test_what_a_switch_cannot_tell_is_not_taken_for_absence() -> None:
    assert compare(BOOKS, {"leaf1": Sight(None, None)}) == []
    assert compare(BOOKS, {"leaf1": Sight(None, {"p2": [Neighbour("c", A)]})}) == [
        Finding("leaf1", "p2", What.ELSEWHERE, f"LLDP names n1/eth0 ({A}), wired to leaf1 p1")
    ]


def test_addresses_that_are_missing_or_registered_twice_are_named() -> None:
    books = [Book("leaf1", "mock", {}, (Wire("p1", "n1/eth0"), Wire("p2", "n2/eth0", B), Wire("p3", "n3/eth0", B)))]
    found = compare(books, sights({"leaf1": {"p1": [X], "p2": [B]}}))
    assert {(each.port, each.what) for each in found} == {
        ("p1", What.NO_MAC),
        ("p2", What.TWICE),
        ("p2", What.CROWDED),
        ("p3", What.TWICE),
        ("p3", What.NEVER),
    }
    assert [each.what for each in found if each.warning] == [What.NO_MAC, What.NEVER]
    assert X in found[0].words


SITE = f"""\
vlan_pool: 100-109
switches:
  leaf1:
    driver: mock
    config: {{hostname: wiring-leaf1, username: hil, password: {{env: LEAF_PASSWORD}}}}
    ports: [gi1/0/1, gi1/0/2]
  leaf2:
    driver: mock
    config: {{hostname: wiring-leaf2, username: hil, password: {{env: LEAF_PASSWORD}}}}
    ports: [gi1/0/1]
nodes:
  n1: {{nics: {{eth0: {{macaddr: "{A.upper()}", port: leaf1/gi1/0/1}}}}}}
  n2: {{nics: {{eth0: {{macaddr: "{B}", port: leaf2/gi1/0/1}}}}}}
"""


@pytest.fixture
def leaves() -> Iterator[tuple[EmulatedSwitch, EmulatedSwitch]]:
    found = EmulatedSwitch("leaf1", password="hunter2"), EmulatedSwitch("leaf2", password="hunter2")
    for device in found:
        place(f"wiring-{device.name}", device)
    yield found
    for device in found:
        place(f"wiring-{device.name}", None)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("LEAF_PASSWORD", "hunter2")

    def runner(*arguments: str) -> Result:
        return CliRunner().invoke(admin, ["--state", str(tmp_path / "state"), *arguments], prog_name="hil-admin")

    (tmp_path / "site.yaml").write_text(SITE)
    assert runner("db", "upgrade").exit_code == 0
    assert runner("inventory", "apply", "--yes", str(tmp_path / "site.yaml")).exit_code == 0
    return runner


def test_the_command_asks_all_switches_and_says_what_is_wrong(
    run: Callable[..., Result], leaves: tuple[EmulatedSwitch, EmulatedSwitch]
) -> None:
    one, two = leaves
    one.macs, two.macs = {"gi1/0/1": [Mac(A, 100)]}, {"gi1/0/1": [Mac(B, None)]}
    healthy = run("wiring", "check")
    assert (healthy.exit_code, healthy.stdout) == (
        0,
        "2 switches asked, 2 wired ports: nothing wrong, no warnings\n",
    )
    one.macs, two.macs = two.macs, one.macs
    swapped = run("wiring", "check")
    assert swapped.exit_code == 1
    assert f"WRONG    leaf1   gi1/0/1  nic-elsewhere  seen is n2/eth0 ({B}), wired to leaf2 gi1/0/1" in swapped.stdout
    assert swapped.stdout.endswith("2 switches asked, 2 wired ports: 2 wrong, 2 warnings\n")
    report = json.loads(run("wiring", "check", "leaf1", "-o", "json").stdout)
    assert list(report["switches"]) == ["leaf1"]
    assert [(each["port"], each["what"], each["warning"]) for each in report["findings"]] == [
        ("gi1/0/1", "never-seen", True),
        ("gi1/0/1", "nic-elsewhere", False),
    ]
    assert not one.writes()
    assert not one.sessions


def test_a_switch_that_cannot_be_asked_hides_none_of_the_others(
    run: Callable[..., Result], leaves: tuple[EmulatedSwitch, EmulatedSwitch]
) -> None:
    leaves[0].faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None))
    leaves[1].macs = {"gi1/0/1": [Mac(A, 100)]}
    result = run("wiring", "check")
    assert result.exit_code == 1
    assert "WRONG    leaf1   -        not-asked      Switch leaf1 cannot be reached:" in result.stdout
    assert "leaf2   gi1/0/1  nic-elsewhere" in result.stdout


def test_switches_are_asked_side_by_side(
    run: Callable[..., Result], leaves: tuple[EmulatedSwitch, EmulatedSwitch], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = asyncio.Barrier(2)

    async def together(seconds: float) -> None:
        await both.wait()

    monkeypatch.setattr(switch_ask, "PATIENCE", 5.0)
    for leaf in leaves:
        leaf.delays, leaf.sleep = Delays(login=1.0), together
    assert run("wiring", "check").exit_code == 0


def test_what_a_driver_cannot_tell_is_said_and_is_no_finding(
    run: Callable[..., Result], leaves: tuple[EmulatedSwitch, EmulatedSwitch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch_ask, "SeesMacs", str)  # no session is one
    result = run("wiring", "check", "leaf1")
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "leaf1: its driver mock cannot tell MAC addresses",
            "1 switch asked, 1 wired port: nothing wrong, no warnings",
        ],
    )


def test_a_switch_that_is_not_registered_is_told(run: Callable[..., Result]) -> None:
    result = run("wiring", "check", "leaf9")
    assert (result.exit_code, result.stderr) == (
        1,
        "hil-admin: There is no switch 'leaf9': `hil switch list` shows them.\n",
    )
