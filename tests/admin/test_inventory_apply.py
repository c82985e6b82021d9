"""Applying an inventory: exactly the difference, all of it or nothing, and never what somebody uses."""

import re

import pytest
from sqlalchemy import func, select, update

from hil.admin.inventory import command, document
from hil.admin.inventory.carry_out import carry_out
from hil.admin.inventory.changes import Kind, Plan
from hil.core.errors import BadArgument, Blocked, Conflict, Duplicate
from hil.process import compose
from hil.services.network import network_create
from hil.services.node import node_allocate
from hil.services.project import project_create
from hil.store import journal
from hil.store.tables import Journal, Nic, Node, Port, Switch
from hil.store.unit import Store
from tests.admin.inventories import ENVIRON, SITE, apply, exported, held, plan, said
from tests.support.asked import asked

pytestmark = pytest.mark.net  # PostgreSQL listens on a socket in a directory


def allocate(store: Store, name: str) -> None:
    """Give a node to a project, as if its ports had been read back."""
    compose.local(store, "test", lambda ctx: project_create(ctx, "blue"))
    settled = update(Port).values(applied=Port.wanted, read_at=1.0)
    compose.local(store, "test", lambda ctx: ctx.session.execute(settled))
    compose.local(store, "test", lambda ctx: node_allocate(ctx, "blue", name))


def test_a_new_site_is_written_down(store: Store) -> None:
    done = apply(store, SITE)
    assert said(done) == [
        "~ vlan_pool none -> 100-109",
        "+ switch leaf1 (mock)",
        "+ port leaf1/gi1/0/1",
        "+ port leaf1/gi1/0/2",
        "+ port leaf1/te1/1 (locked)",
        "+ node node-01 cpu=64 gpu=",
        "+ node node-02",
        "+ nic node-01/eth0 52:54:00:12:34:56",
        "+ nic node-01/eth1",
        "+ wire leaf1/gi1/0/1 node-01/eth0",
        "+ wire leaf1/gi1/0/2 node-01/eth1",
    ]
    books = held(store)
    assert books.pool == frozenset(range(100, 110))
    leaf = books.switches["leaf1"]
    assert (leaf.driver, leaf.audit, leaf.secrets) == ("mock", "report", {"password": "hunter2"})
    assert {name: port.locked for name, port in leaf.ports.items()} == {
        "gi1/0/1": False,
        "gi1/0/2": False,
        "te1/1": True,
    }
    node = books.nodes["node-01"]
    assert (node.labels, node.metadata) == (
        {"cpu": "64", "gpu": ""},
        {"serial": "X1", "disks": [{"size": 10, "ssd": True}]},
    )
    assert node.nics["eth1"].port == ("leaf1", "gi1/0/2")


def test_a_second_time_there_is_nothing_to_do(store: Store) -> None:
    apply(store, SITE)
    assert plan(store, SITE, prune=True) == Plan()


def test_wired_ports_wait_to_be_read_back_and_others_do_not(store: Store) -> None:
    apply(store, SITE)
    query = select(Port.name, Port.wanted, Port.applied).order_by(Port.name)
    rows = store.read(lambda session: [tuple(row) for row in session.execute(query)])
    assert rows == [("gi1/0/1", 1, 0), ("gi1/0/2", 1, 0), ("te1/1", 0, 0)]


def test_everything_stands_in_the_journal_and_no_secret_does(store: Store) -> None:
    apply(store, SITE)
    actions = store.read(lambda session: list(session.scalars(select(Journal.action).order_by(Journal.seq))))
    assert actions == [
        "pool_set",
        "switch_register",
        "port_register",
        "port_register",
        "port_register",
        "port_lock",
        "node_register",
        "node_register",
        "nic_register",
        "nic_register",
        "port_connect_nic",
        "port_connect_nic",
    ]
    assert store.read(lambda session: journal.verify(session, store.keys.sealing)).fault == ""
    lines = store.read(lambda session: [repr((line.before, line.after)) for line in session.scalars(select(Journal))])
    assert not any("hunter" in line for line in lines)


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ("100-109", "100-119", ["~ vlan_pool 100-109 -> 100-119"]),
        ("audit: report", "audit: heal", ["~ switch leaf1: audit report -> heal"]),
        ("username: hil", "username: root", ['~ switch leaf1: username "hil" -> "root"']),
        ("LEAF_PASSWORD", "OTHER", ["~ switch leaf1: password (secret)"]),
        ("cpu: 64", "cpu: 32", ["~ node node-01: cpu 64 -> 32"]),
        ("serial: X1", "serial: 1", ["~ node node-01: metadata serial"]),
        ("ssd: true", "ssd: 1", ["~ node node-01: metadata disks"]),
        ("34:56", "34:57", ["~ nic node-01/eth0: macaddr 52:54:00:12:34:56 -> 52:54:00:12:34:57"]),
        ("ports: [gi1/0/1", "ports: [gi1/0/3, gi1/0/1", ["+ port leaf1/gi1/0/3"]),
        ("locked: [te1/1]", "locked: []\n    ", []),
        ("ports: [", "ports: [te1/1, ", ["~ port leaf1/te1/1: unlocked"]),
        (
            "port: leaf1/gi1/0/1",
            "port: leaf1/gi1/0/3",
            ["- wire leaf1/gi1/0/1 node-01/eth0", "+ port leaf1/gi1/0/3", "+ wire leaf1/gi1/0/3 node-01/eth0"],
        ),
    ],
)
def test_a_change_is_told_and_made(store: Store, old: str, new: str, steps: list[str]) -> None:
    apply(store, SITE)
    text = SITE.replace(old, new)
    assert text != SITE
    if "te1/1, " in new:
        text = text.replace("locked: [te1/1]", "")
    if "gi1/0/3" in new and "ports" not in new:
        text = text.replace("ports: [", "ports: [gi1/0/3, ")
    assert said(apply(store, text)) == steps
    assert said(plan(store, text)) == []


def test_two_nics_swap_their_ports(store: Store) -> None:
    apply(store, SITE)
    text = SITE.replace("leaf1/gi1/0/1", "leaf1/x").replace("leaf1/GI1/0/02", "leaf1/gi1/0/1")
    text = text.replace("leaf1/x", "leaf1/gi1/0/2")
    apply(store, text)
    assert held(store).nodes["node-01"].nics["eth0"].port == ("leaf1", "gi1/0/2")
    assert said(plan(store, text)) == []


def test_a_port_moves_from_a_nic_that_loses_it_to_another(store: Store) -> None:
    apply(store, SITE)
    text = SITE.replace(", port: leaf1/gi1/0/1", "").replace("GI1/0/02", "gi1/0/1")
    done = apply(store, text)
    assert [step.kind for step in done.steps] == [Kind.WIRE_REMOVE, Kind.WIRE_REMOVE, Kind.WIRE_ADD]
    assert held(store).nodes["node-01"].nics["eth0"].port is None


def test_nothing_is_removed_unless_pruned(store: Store) -> None:
    apply(store, SITE)
    less = "switches: {}\nnodes:\n  node-01: {labels: {cpu: 64}}\n"
    found = apply(store, less)
    assert (said(found), found.kept) == ([], 7)
    removed = said(apply(store, less, prune=True))
    assert removed == [
        "- nic node-01/eth0",
        "- nic node-01/eth1",
        "- node node-02",
        "- port leaf1/gi1/0/1",
        "- port leaf1/gi1/0/2",
        "- port leaf1/te1/1",
        "- switch leaf1",
        "- label gpu of node node-01",
        "- metadata disks of node node-01",
        "- metadata serial of node node-01",
    ]
    books = held(store)
    assert (list(books.switches), list(books.nodes)) == ([], ["node-01"])
    assert books.pool == frozenset(range(100, 110))


def test_an_unwired_nic_is_a_removal_too(store: Store) -> None:
    apply(store, SITE)
    text = SITE.replace(", port: leaf1/gi1/0/1", "")
    assert (said(plan(store, text)), plan(store, text).kept) == ([], 1)
    assert said(apply(store, text, prune=True)) == ["- wire leaf1/gi1/0/1 node-01/eth0"]


@pytest.mark.parametrize(
    ("text", "prune", "refused"),
    [
        ("nodes: {}\n", True, ["- nic node-01/eth0: node node-01 is in project blue: release it first"]),
        (
            SITE.replace("      eth1: {port: leaf1/GI1/0/02}\n", ""),
            True,
            ["- nic node-01/eth1: node node-01 is in project blue: release it first"],
        ),
        (
            SITE.replace("ports: [", "ports: [gi1/0/9, ").replace("port: leaf1/gi1/0/1", "port: leaf1/gi1/0/9"),
            False,
            ["- wire leaf1/gi1/0/1 node-01/eth0: node node-01 is in project blue: release it first"],
        ),
        ("switches: {}\n", True, ["- port leaf1/gi1/0/1: it is behind NIC node-01/eth0: take it from there first"]),
    ],
)
def test_what_is_in_use_is_not_taken_away(store: Store, text: str, prune: bool, refused: list[str]) -> None:
    apply(store, SITE)
    allocate(store, "node-01")
    before = held(store)
    found = plan(store, text, prune=prune)
    assert set(refused) <= set(found.refused)
    with pytest.raises(Blocked, match=r"node-01|gi1/0/1"):
        apply(store, text, prune=prune)
    assert held(store) == before


def test_a_port_that_may_still_carry_something_stays(store: Store) -> None:
    apply(store, SITE)
    tainted = update(Port).where(Port.name == "gi1/0/1").values(tainted=True, error="the switch does not answer")
    compose.local(store, "test", lambda ctx: ctx.session.execute(tainted))
    with pytest.raises(Blocked, match=r"- wire leaf1/gi1/0/1 node-01/eth0: .*not known to carry nothing"):
        apply(store, SITE.replace(", port: leaf1/gi1/0/1", ""), prune=True)


def test_a_pool_in_use_does_not_shrink(store: Store) -> None:
    apply(store, SITE)
    compose.local(store, "test", lambda ctx: network_create(ctx, "lab", owner=None))
    with pytest.raises(Blocked, match=r"~ vlan_pool .*100 by network 'lab'"):
        apply(store, "vlan_pool: 101-109\n")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (SITE.replace("mock", "emulated"), "site.yaml:3: switch leaf1 has the driver mock: it cannot change"),
        (SITE.replace("hostname: leaf1, ", ""), "site.yaml:3: switch leaf1: hostname is missing"),
        (SITE.replace("leaf1/gi1/0/1", "leaf9/gi1/0/1"), "site.yaml:14: NIC node-01/eth0: there is no switch 'leaf9'"),
        (
            SITE.replace("leaf1/gi1/0/1", "leaf1/gi1/0/7"),
            "site.yaml:14: NIC node-01/eth0: switch leaf1 has no port 'gi1/",
        ),
        (SITE.replace("leaf1/gi1/0/1", "leaf1/eth7"), "site.yaml:14: NIC node-01/eth0: 'eth7' is no port of a mock"),
        (SITE.replace("leaf1/gi1/0/1", "leaf1/te1/1"), "site.yaml:14: NIC node-01/eth0: port leaf1/te1/1 is locked as"),
        (
            SITE.replace("GI1/0/02", "gi1/0/1"),
            "site.yaml:15: NIC node-01/eth1: port leaf1/gi1/0/1 is behind NIC node-01/eth0",
        ),
        (
            "nodes:\n  other:\n    nics:\n      e: {port: leaf1/gi1/0/1}\n",
            "site.yaml:4: NIC other/e: port leaf1/gi1/0/1 is behind NIC node-01/eth0, which the file does not mention",
        ),
    ],
)
def test_a_contradiction_names_its_line(store: Store, text: str, fault: str) -> None:
    apply(store, SITE)
    with pytest.raises(BadArgument, match=re.escape(fault)):
        plan(store, text)


def test_a_switch_without_its_secret_is_refused_only_when_it_is_new(store: Store) -> None:
    text = SITE.replace(", password: {env: LEAF_PASSWORD}", "")
    with pytest.raises(BadArgument, match=r"site.yaml:3: switch leaf1: password is missing"):
        plan(store, text)
    apply(store, SITE)
    assert said(plan(store, text)) == []


def test_an_export_holds_everything_but_secrets(store: Store) -> None:
    apply(store, SITE)
    text = exported(store)
    assert "hunter" not in text
    assert "password" not in text
    found = plan(store, text, prune=True)
    assert (said(found), found.kept, found.refused) == ([], 0, [])


def test_what_was_not_shown_is_not_done(store: Store) -> None:
    shown = plan(store, SITE)
    apply(store, "nodes: {node-02: {}}\n")
    read = document.parse(SITE, "site.yaml", ENVIRON)
    with pytest.raises(Conflict, match="changed since the difference was shown: nothing was done"):
        compose.local(store, "test", lambda ctx: command._carry_out(ctx, read, False, shown))
    assert list(held(store).nodes) == ["node-02"]


def test_objects_that_appear_between_question_and_answer_are_not_overwritten(store: Store) -> None:
    found = plan(store, SITE)
    apply(store, "nodes: {node-01: {}}\n")
    with pytest.raises(Duplicate, match="Node 'node-01' exists already"):
        compose.local(store, "test", lambda ctx: carry_out(ctx, found.steps))
    assert store.read(lambda session: session.scalar(select(func.count()).select_from(Switch))) == 0


def test_a_thousand_nodes_take_a_number_of_queries_that_hardly_grows(store: Store) -> None:
    nodes = "".join(f"  n{number:04}:\n    labels: {{a: 1}}\n    nics: {{e: {{}}}}\n" for number in range(1000))
    with asked(store) as seen:
        apply(store, f"nodes:\n{nodes}")
    assert len(seen) < 60
    count = store.read(lambda session: session.scalar(select(func.count()).select_from(Nic).join(Node)))
    assert count == 1000
