"""An inventory file: what is read from it, and that every fault names its line."""

from pathlib import Path

import pytest

from hil.admin.inventory import document
from hil.admin.inventory.document import Document
from hil.admin.inventory.yaml_nodes import MOST_FAULTS
from hil.core.errors import BadArgument
from tests.admin.inventories import ENVIRON, SITE

SWITCH = "switches:\n  s:\n    driver: mock\n    config: {hostname: s, username: u, password: {env: LEAF_PASSWORD}}\n"
NIC = "nodes:\n  n:\n    nics:\n      e: "


def parse(text: str) -> Document:
    return document.parse(text, "site.yaml", ENVIRON)


def faults(text: str) -> list[str]:
    with pytest.raises(BadArgument) as caught:
        parse(text)
    return caught.value.message.splitlines()


def test_a_file_is_read() -> None:
    read = parse(SITE)
    assert read.pool == frozenset(range(100, 110))
    assert read.switches is not None
    leaf = read.switches["leaf1"]
    assert (leaf.driver, leaf.audit) == ("mock", "report")
    assert (leaf.config, leaf.secrets) == ({"hostname": "leaf1", "username": "hil"}, {"password": "hunter2"})
    assert leaf.ports == {"gi1/0/1": False, "gi1/0/2": False, "te1/1": True}
    assert read.nodes is not None
    node = read.nodes["node-01"]
    assert node.labels == {"cpu": "64", "gpu": ""}
    assert node.metadata == {"serial": "X1", "disks": [{"size": 10, "ssd": True}]}
    assert node.nics["eth0"].macaddr == "52:54:00:12:34:56"
    assert node.nics["eth1"].port == ("leaf1", "GI1/0/02")


def test_a_section_that_is_missing_says_nothing_and_an_empty_one_says_none() -> None:
    read = parse("nodes:\n")
    assert (read.pool, read.switches, read.nodes) == (None, None, {})
    assert parse("vlan_pool:\n").pool == frozenset()


def test_a_secret_is_read_from_a_file_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("hunter4\n")
    (tmp_path / "site.yaml").write_text(SWITCH.replace("{env: LEAF_PASSWORD}", "{file: word}"))
    read = document.read(tmp_path / "site.yaml", {})
    assert read.switches is not None
    assert read.switches["s"].secrets == {"password": "hunter4"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'yes'", "yes"),
        ("true", True),
        ("null", None),
        ("-17", -17),
        ("1.5", 1.5),
        ("1.0e+3", 1000.0),
        ("1e3", "1e3"),
        ("'017'", "017"),
        ("2026-11-21", "2026-11-21"),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
        ("|\n        text\n", "text\n"),
    ],
)
def test_metadata_is_what_json_means(written: str, meant: object) -> None:
    read = parse(f"nodes:\n  n:\n    metadata:\n      key: {written}\n")
    assert read.nodes is not None
    found = read.nodes["n"].metadata["key"]
    assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "site.yaml: is empty: write `switches:`, `nodes:` or `vlan_pool:`."),
        ("nodes: [\n", "site.yaml:2: this is no YAML: did not find expected node content."),
        ("[]\n", "site.yaml:1: inventory: write `key: value` entries"),
        ("\nswitch: {}\n", "site.yaml:2: inventory: there is no key 'switch': did you mean switches?"),
        ("vlan_pool: 5000\n", "site.yaml:1: vlan_pool: '5000' is no VLAN id"),
        ("vlan_pool: [1]\n", "site.yaml:1: vlan_pool: write text"),
        ("nodes:\n  a: {}\n  b: {}\n  a: {}\n", "site.yaml:4: nodes: 'a' stands here twice"),
        ("nodes:\n  all: {}\n", "site.yaml:2: The name 'all' has a meaning of its own"),
        ("nodes:\n  n: 5\n", "site.yaml:2: node n: write `key: value` entries"),
        ("nodes:\n  n:\n    labels: {CPU: 1}\n", "site.yaml:3: node n: 'CPU' is no label key"),
        ("nodes:\n  n:\n    labels: {a: [1]}\n", "site.yaml:3: node n: label a: write text"),
        (
            "nodes:\n  n:\n    metadata: {k: yes}\n",
            "site.yaml:3: node n: metadata k: 'yes' can be read in several ways",
        ),
        ("nodes:\n  n:\n    metadata: {k: 017}\n", "'017' can be read in several ways: quote it, or write it as JSON"),
        ("nodes:\n  n:\n    metadata: {k: 1:30}\n", "'1:30' can be read in several ways"),
        ("nodes:\n  n:\n    metadata: {k: .nan}\n", "'.nan' can be read in several ways"),
        ("nodes:\n  n:\n    metadata: {k: 1.0e+999}\n", "'1.0e+999' can be read in several ways"),
        ("nodes:\n  n:\n    metadata: {k: !!binary aGk=}\n", "'aGk=' can be read in several ways"),
        ("nodes:\n  n:\n    metadata: &a {k: *a}\n", "site.yaml:3: node n: metadata k: nested too deeply"),
        (NIC + "{mac: x}\n", "site.yaml:4: NIC n/e: there is no key 'mac': did you mean macaddr?"),
        (NIC + "{macaddr: é}\n", "site.yaml:4: NIC n/e: A MAC address is at most 64 printable ASCII characters"),
        (NIC + "{port: leaf1}\n", "site.yaml:4: NIC n/e: port: write SWITCH/PORT, as in leaf1/gi1/0/1"),
        ("switches:\n  s: {}\n", "site.yaml:2: switch s: driver is missing"),
        ("switches:\n  s:\n    driver: cisco\n", "site.yaml:3: switch s: 'cisco' is no switch driver: use one of"),
        (SWITCH + "    audit: never\n", "site.yaml:5: switch s: audit: write one of report, heal, quarantine"),
        (SWITCH + "    ports: gi1/0/1\n", "site.yaml:5: switch s: ports: write a list, as in [a, b]"),
        (
            SWITCH + "    ports:\n    - gi1/0/1\n    - eth0\n",
            "site.yaml:7: switch s: 'eth0' is no port of a mock switch",
        ),
        (SWITCH + "    ports: [gi1/0/1, GI1/00/1]\n", "site.yaml:5: switch s: port 'gi1/0/1' stands here twice"),
        (SWITCH + "    ports: [gi1/0/1]\n    locked: [gi1/0/1]\n", "site.yaml:6: switch s: port 'gi1/0/1' stands here"),
    ],
)
def test_a_fault_names_its_line(text: str, fault: str) -> None:
    (found,) = faults(text)
    assert fault in found


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("hunter9", "config: password is a secret: write {env: NAME} or {file: PATH} instead"),
        ("{env: NOBODY}", "config: password: the variable NOBODY holds no secret"),
        ("{file: /nonexistent}", "config: password: the file /nonexistent holds no secret"),
        ("{vault: x}", "config: password: there is no key 'vault': use env, file"),
    ],
)
def test_a_secret_is_never_written_into_the_file(secret: str, words: str) -> None:
    (found,) = faults(SWITCH.replace("{env: LEAF_PASSWORD}", secret))
    assert f"site.yaml:4: switch s: {words}" in found
    assert "hunter" not in found


def test_all_faults_are_told_up_to_a_bearable_number() -> None:
    found = faults("nodes:\n" + "".join(f"  n{number}: 5\n" for number in range(MOST_FAULTS + 7)))
    assert len(found) == MOST_FAULTS + 1
    assert found[-1] == "… and 7 more"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"site.yaml: cannot be read \(No such file"):
        document.read(tmp_path / "site.yaml")
    (tmp_path / "site.yaml").write_bytes(b"\xff")
    with pytest.raises(BadArgument, match=r"site.yaml: is no text in UTF-8"):
        document.read(tmp_path / "site.yaml")
