"""Commands against a real HIL, as a tenant and as an operator types them."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.cli.terminal import clean, run
from tests.client.server import MAIN, MEMBER, World

pytestmark = pytest.mark.net


class Here:
    """A world, and `hil` typed in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tenant = {**world.server.environ(MEMBER), "HIL_PROJECT": world.project}
        self.root = world.server.environ()
        self.range = f"{world.prefix}[1-4]"


@pytest.fixture
def here(world: World) -> Here:
    return Here(world)


def test_a_day_of_a_tenant(here: Here) -> None:
    name, (first, second, third, fourth) = f"{here.world.project}-lab", here.world.nodes
    made = run(f"network create {name} -o json", here.tenant)
    assert made.code == 0, made.err
    assert made.json["owner"] == here.world.project
    taken = run(f"node allocate {here.world.prefix}[1-3]", here.tenant)
    assert taken.lines[0].split() == ["NAME", "STATE", "PROJECT", "LABELS"]
    assert [row.split()[:3] for row in taken.lines[1:]] == [
        [n, "allocated", here.world.project] for n in (first, second, third)
    ]
    connected = run(f"network connect {name} {first},{second}", here.tenant)
    assert connected.code == 0, connected.err
    assert connected.lines[0].split() == ["NODE", "NIC", "VERB", "NETWORK", "CHANNEL", "STATUS", "REASON"]
    assert [row.split()[:6] for row in connected.lines[1:]] == [
        [node, "eth0", "connect", name, "vlan/native", "DONE"] for node in (first, second)
    ]
    tagged = run(f"network connect {name} {third} --nic eth0 --channel tagged -o json", here.tenant)
    assert tagged.json["actions"][0]["channel"] == f"vlan/{made.json['net_id']}"
    shown = run(f"network attachments {name} -o csv", here.tenant)
    assert shown.lines[1] == f"{first},eth0,vlan/native,attached,{here.world.project}"
    assert f"{name} (vlan/native, attached)" in run(f"node show {first}", here.tenant).out
    assert run(f"network delete {name}", here.tenant).code == 5
    detached = run(f"network detach {name} {here.world.prefix}[1-2]", here.tenant)
    assert detached.code == 0, detached.err
    released = run(f"node release {here.world.prefix}[1-3] -y", here.tenant)
    assert released.code == 0, released.err
    assert sorted(released.lines) == [f"{node}  free" for node in (first, second, third)]
    assert run(f"network delete {name}", here.tenant).code == 0
    assert run(f"node list {here.range} -o json", here.root).json[3]["name"] == fourth


def test_nodes_are_taken_by_label_and_number(here: Here) -> None:
    label = f"@world={here.world.label}"
    taken = run(f"node allocate {label} --count 2 -o json", here.tenant)
    assert [node["state"] for node in taken.json] == ["allocated", "allocated"]
    ran = run(f"node allocate {label} --count 3", here.tenant)
    assert ran.code == 5
    assert "none was taken" in ran.err
    assert len(run(f"node list {label} --state allocated -o csv", here.tenant).lines) == 3
    assert len(run(f"node list -p {here.world.project} -o csv", here.tenant).lines) == 3
    assert len(run(f"node list {label},{here.world.nodes[0]} -o csv", here.tenant).lines) == 5
    assert run("node allocate a,b --count 2", here.tenant).code == 2
    assert run("node release @world=nobody", here.tenant).code == 3


def test_one_node_too_many_and_none_is_taken(here: Here) -> None:
    ran = run(f"node allocate {here.world.nodes[0]} no-such-node", here.tenant)
    assert ran.code == 3
    assert ran.err.count("\n") == 1
    assert run(f"node list {here.range} --state free -o csv", here.tenant).lines[1:] != []
    assert len(run(f"node list {here.range} --state free -o csv", here.tenant).lines) == 5


def test_a_nodes_exact_name_wins_over_what_its_commas_would_mean(here: Here) -> None:
    a, b, both = f"{here.world.prefix}a", f"{here.world.prefix}b", f"{here.world.prefix}a,{here.world.prefix}b"
    for name in (a, b, both.replace(",", "\\,")):
        assert run(f"node register '{name}'", here.root).code == 0
    listed = run(f"node list '{both}' -o json", here.root).json
    assert [node["name"] for node in listed] == [both]
    assert run(f"node delete '{both}'", here.root).lines == [f"{both}  deleted"]
    assert sorted(run(f"node delete '{both}'", here.root).lines) == [f"{a}  deleted", f"{b}  deleted"]


def test_a_bulk_verb_goes_on_after_a_failure_and_says_what_failed(here: Here) -> None:
    ran = run(f"node maintenance {here.world.prefix}[1-6] --reason disks", here.root)
    assert ran.code == 3  # all failures are of this kind
    assert sorted(ran.lines) == [f"{node}  maintenance" for node in here.world.nodes]
    assert ran.err.splitlines()[-1] == f"hil: 2 of 6 nodes failed: {here.world.prefix}[5-6]"
    assert ran.err.count(f"There is no node '{here.world.prefix}5'") == 1
    mixed = run(f"node maintenance {here.world.prefix}[4-5] --reason disks -o json", here.root)
    assert mixed.code == 1  # one is there already, the other does not exist
    assert [(row["node"][-1], row["ok"]) for row in mixed.json] == [("4", False), ("5", False)]
    done = run(f"node return {here.range} -o csv", here.root)
    assert done.lines == ["node,ok,error", *(f"{node},true," for node in here.world.nodes)]


def test_what_the_switch_refuses_has_its_own_code_and_words(here: Here) -> None:
    name = here.world.network()
    here.world.allocate(here.world.nodes[0])
    here.world.refuse(1, "% table is full")
    ran = run(f"network connect {name} {here.world.nodes[0]}", here.tenant)
    assert ran.code == 7
    assert "ended in ERROR" in ran.err
    assert "table is full" in ran.err
    assert ran.err.count("\n") == 1


def test_patience_has_its_own_code_and_the_operation_goes_on(here: Here) -> None:
    name, node = here.world.network(), here.world.nodes[0]
    here.world.allocate(node)
    here.world.away()
    ran = run(f"network connect {name} {node} --timeout 1s", here.tenant)
    assert ran.code == 8
    assert "is still pending" in ran.err
    listed = run("operation list --pending -o json", here.tenant).json
    operation = next(entry["id"] for entry in listed if entry["project"] == here.world.project)
    assert run(f"network detach {name} {node} --timeout 1s", here.tenant).code == 5
    here.world.back()
    done = run(f"operation wait {operation}", here.tenant)
    assert done.code == 0, done.err
    assert done.lines[1].split()[5] == "DONE"
    shown = run(f"operation show {operation}", here.tenant)
    assert shown.lines[0] == f"id          {operation}"
    assert run(f"operation cancel {operation}", here.tenant).code == 5


def test_without_waiting_the_operation_is_named(here: Here) -> None:
    name, node = here.world.network(), here.world.nodes[0]
    here.world.allocate(node)
    ran = run(f"network connect {name} {node} --no-wait", here.tenant)
    assert ran.code == 0
    assert run(f"operation wait {ran.out.strip()}", here.tenant).code == 0
    ran = run(f"node release {node} --no-wait -o json", here.tenant)
    assert ran.json[0]["result"]["kind"] == "node_release"
    other = here.world.nodes[1]
    here.world.allocate(other)
    assert run(f"node release {other}", here.tenant).out == f"{other}  free\n"
    here.world.allocate(other)
    ran = run(f"node release {other} -o csv", here.tenant)
    assert ran.lines == ["node,ok,error", f"{other},true,"]


def test_an_interrupt_ends_the_waiting_and_says_how_to_go_on(here: Here) -> None:
    name, node = here.world.network(), here.world.nodes[0]
    here.world.allocate(node)
    here.world.away()
    command = [sys.executable, "-c", MAIN, "network", "connect", name, node]
    process = subprocess.Popen(command, env=clean(here.tenant), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(entry.project == here.world.project for entry in here.world.tenant.operations.list()):
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "goes on: `hil operation wait" in err or err == "hil: interrupted\n"
    assert err.count("\n") == 1


def test_which_nic_is_meant(here: Here) -> None:
    name, (first, second, *_) = here.world.network(), here.world.nodes
    here.world.operator.nodes.add_nic(second, "eth1", "02:00:00:00:aa:01")
    here.world.allocate(first, second)
    ran = run(f"network connect {name} {first} {second}", here.tenant)
    assert ran.code == 2
    assert ran.err == f"hil: node {second} has the NICs eth0, eth1: say which: --nic eth0\n"
    # An operator is told which one is wired.
    assert run(f"network connect {name} {second}", here.root).code == 0
    here.world.operator.nodes.register(f"{here.world.prefix}bare")
    ran = run(f"network connect {name} {here.world.prefix}bare", here.root)
    assert ran.code == 3
    assert "has no NIC" in ran.err
    ran = run(f"network detach {name} {here.world.prefix}[1-2]", here.tenant)
    assert ran.code == 3
    assert ran.err.startswith(f"hil: {first} is not on network {name}: ")


@pytest.mark.parametrize(("word", "code"), [("vlan/native", 0), ("native", 0), ("7", 2), ("vlan/7", 2), ("x", 2)])
def test_channels_are_spelled_in_several_ways(here: Here, word: str, code: int) -> None:
    name, node = here.world.network(), here.world.nodes[0]
    here.world.allocate(node)
    ran = run(f"network connect {name} {node} --channel {word}", here.tenant)
    assert ran.code == code, ran.err


def test_networks_are_shared(here: Here) -> None:
    name, other = here.world.network(), f"{here.world.project}-other"
    assert run(f"project create {other} --quota-nodes 2", here.root).lines[3] == "quota_nodes     2"
    assert run(f"network grant {name} {other}", here.tenant).code == 0
    assert other in run(f"network show {name}", here.tenant).out
    assert run(f"network revoke {name} {other}", here.tenant).code == 0
    assert other not in run(f"network show {name}", here.tenant).out
    storage = f"{name}-storage"
    made = run(f"network create {storage} --no-owner --access {other} --net-id 1234 -o json", here.root)
    assert (made.json["owner"], made.json["net_id"]) == (None, "1234")
    assert run(f"network publish {storage}", here.root).lines[2] == "public    yes"
    assert run(f"network unpublish {storage}", here.root).lines[2] == "public    no"
    assert run(f"network publish {storage}", here.tenant).code in (3, 4)
    assert run(f"network delete {storage}", here.root).code == 0
    assert storage not in run("network list", here.root).out


def test_the_project_may_be_left_unsaid_where_it_is_clear(here: Here) -> None:
    name = f"{here.world.project}-x"
    nobody = {**here.root, "HIL_PROJECT": ""}
    ran = run(f"network create {name}", nobody)
    assert ran.code == 2
    assert ran.err == "hil: root is in no project: say which one is meant: give --project, or set HIL_PROJECT\n"
    here.world.operator.projects.set_member(here.world.project, "root", "member")
    assert run(f"network create {name} -o json", nobody).json["owner"] == here.world.project
    other = f"{here.world.project}-second"
    here.world.operator.projects.create(other)
    here.world.operator.projects.set_member(other, "root", "member")
    ran = run(f"network create {name}-2", nobody)
    assert (ran.code, ran.err[:40]) == (2, "hil: you are in 2 projects: say which on")
    assert run(f"network create {name}-2 -p {other} -o json", nobody).json["owner"] == other
    for project in (here.world.project, other):
        here.world.operator.projects.remove_member(project, "root")


def test_projects_and_members(here: Here) -> None:
    project = here.world.project
    assert run(f"project quota {project} --nodes 3 --networks none -o csv", here.root).lines[1].split(",")[3] == "3"
    assert run(f"project quota {project}", here.root).code == 2
    assert run(f"project quota {project} --nodes many", here.root).code == 2
    assert run(f"project disable {project}", here.root).lines[1] == "enabled         no"
    assert run(f"project enable {project}", here.root).lines[1] == "enabled         yes"
    assert run("member set root reader", here.tenant).code == 0
    assert run("member list -o csv", here.tenant).lines == ["user,role", "ann,manager", "root,reader"]
    assert run("member remove root", here.tenant).code == 0
    assert run("project list", here.tenant).code == 0
    assert run(f"project show {project} -o yaml", here.tenant).lines[0] == f"name: {project}"
    empty = f"{project}-empty"
    run(f"project create {empty}", here.root)
    assert run(f"project delete {empty}", here.root).code == 0
    assert run(f"project show {empty}", here.root).code == 3


def test_an_operators_machines(here: Here) -> None:
    prefix = f"{here.world.prefix}new"
    made = run(f"node register {prefix}[1-2] --label cpu=64 --metadata 'disks=[\"sda\"]' --metadata rack=r1", here.root)
    assert sorted(made.lines) == [f"{prefix}1  registered", f"{prefix}2  registered"]
    assert run(f"node label {prefix}[1-2] gpu=a100 --remove cpu", here.root).code == 0
    assert run(f"node list {prefix}1 -o json", here.root).json[0]["labels"] == {"gpu": "a100"}
    assert run(f"node label {prefix}1", here.root).code == 2
    shown = run(f"node metadata {prefix}[1-2] -o json", here.root).json
    assert shown[:2] == [
        {"node": f"{prefix}1", "key": "disks", "value": ["sda"]},
        {"node": f"{prefix}1", "key": "rack", "value": "r1"},
    ]
    assert run(f"node metadata {prefix}1 slots=4 --remove rack", here.root).code == 0
    assert run(f"node metadata {prefix}1", here.root).lines[1:] == [
        f'{prefix}1  disks  ["sda"]',
        f"{prefix}1  slots  4",
    ]
    assert run(f"nic add {prefix}1 eth0 02:00:00:00:bb:01", here.root).code == 0
    assert run(f"nic list {prefix}1", here.root).lines[1].split()[:2] == ["eth0", "02:00:00:00:bb:01"]
    assert run(f"nic list {prefix}1 -o json", here.root).json[0]["name"] == "eth0"
    assert run(f"nic delete {prefix}1 eth0", here.root).code == 0
    assert run(f"node quarantine {prefix}1 --reason smoke", here.root).lines == [f"{prefix}1  quarantined"]
    assert "smoke" in run(f"node show {prefix}1", here.root).out
    assert run(f"node return {prefix}1", here.root).lines == [f"{prefix}1  free"]
    assert run(f"node delete {prefix}[1-2]", here.root).code == 0


def test_an_operators_switches(here: Here, tmp_path: Path) -> None:
    switch, config = f"{here.world.switch}-2", tmp_path / "sw.yaml"
    config.write_text("hostname: h\nusername: u\npassword: s3cr3t\n")
    made = run(f"switch register {switch} --driver mock --config {config} --audit report", here.root)
    assert made.code == 0, made.err
    assert "s3cr3t" not in made.out
    assert run(f"switch register {switch} --driver mock --config -", here.root, config.read_text()).code == 5
    assert run("switch register x --driver mock --config -", here.root, "[1]").code == 2
    assert run("switch register x --driver mock --config -", here.root, "a: [").code == 2
    assert run(f"switch update {switch}", here.root).code == 2
    assert "audit" in run(f"switch update {switch} --audit heal", here.root).out
    assert switch in run("switch list", here.root).out
    assert "mock" in run("switch drivers", here.root).out
    ports = run(f"port register {switch} 'gi1/0/[1-2]' -o csv", here.root)
    assert ports.lines == ["switch,name", f"{switch},gi1/0/1", f"{switch},gi1/0/2"]
    assert run(f"port register {switch} 'gi[1'", here.root).code == 2
    for verb, state in (("lock", "locked"), ("unlock", "settled")):
        assert run(f"port {verb} {switch} gi1/0/2", here.root).code == 0
        assert run(f"port list {switch}", here.root).lines[2].split()[5] == state
    assert run(f"port list {switch} -o json", here.root).json[0]["switch"] == switch
    for port in (1, 2):
        assert run(f"port delete {switch} gi1/0/{port}", here.root).code == 0
    assert run(f"switch delete {switch}", here.root).code == 0
    assert run(f"switch show {switch}", here.root).code == 3


def test_wires_and_ways_out(here: Here) -> None:
    switch, node = here.world.switch, here.world.nodes[0]
    assert run(f"port show {switch} gi1/0/1", here.root).lines[2] == f"node         {node}"
    assert run(f"port revert {switch} gi1/0/1", here.root).code == 0
    assert run(f"port unwire {switch} gi1/0/1", here.root).code == 0
    assert run(f"port wire {switch} gi1/0/1 {node} eth0", here.root).code == 0
    assert here.world.operator.ports.get(switch, "gi1/0/1").applied > 0
    run(f"port unwire {switch} gi1/0/1", here.root)
    here.world.away()
    late = run(f"port wire {switch} gi1/0/1 {node} eth0 --timeout 1s", here.root)
    assert late.code == 8
    assert late.err.startswith(f"hil: port gi1/0/1 of {switch} is wired and not settled: ")
    here.world.back()
    assert run(f"port unquarantine {switch} gi1/0/1", here.root).code == 5
    assert run(f"port give-up {switch} gi1/0/1 --reason burnt", here.root).code == 5
    run(f"node quarantine {node} --reason fire", here.root)
    assert run(f"port give-up {switch} gi1/0/1 --reason burnt", here.root).code == 0
    assert json.loads(run(f"port show {switch} gi1/0/1 -o json", here.root).out)["node"] is None


def test_what_an_operator_looks_at(here: Here) -> None:
    here.world.away()
    run(f"port revert {here.world.switch} gi1/0/1 --no-wait", here.root)
    plan = run("plan", here.root)
    assert any(line.startswith(f"{here.world.switch} (emulated; as read at ") for line in plan.lines)
    assert run("plan -o csv", here.root).lines[0] == "switch,port,have,want"
    assert "switches" in run("plan -o json", here.root).json
    deadline = time.monotonic() + 60
    while "switches:" not in (trouble := run("trouble", here.root)).lines:
        assert time.monotonic() < deadline, trouble.out
    assert here.world.switch in trouble.out
    assert run("trouble -o yaml", here.root).out.startswith("ports:")
    assert run("trouble -o csv", here.root).lines[0] == "what,switch,name,error"
    here.world.back()
    lines = run(f"journal --name {here.world.project} --action project_create -o json", here.root).json
    assert [(line["actor"], line["outcome"]) for line in lines] == [("root", "ok")]
    assert run("journal --limit 2", here.root).lines[0].startswith("SEQ")
    assert run("pool show -o json", here.root).json["pool"] == "100-999"
    assert run("pool set 100-999", here.root).lines[0] == "pool      100-999"
    for command in ("plan", "trouble", "journal", "pool show", "switch list"):
        assert run(command, here.tenant).code == 4


def test_events_are_followed_on_a_line_each(here: Here) -> None:
    begin = max(line.seq for line in here.world.operator.events.journal())
    command = [sys.executable, "-c", MAIN, "event", "follow", "--after", str(begin), "-o", "json"]
    process = subprocess.Popen(command, env=clean(here.tenant), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    network = here.world.network()
    try:
        event = next(event for event in map(json.loads, process.stdout) if event["name"] == network)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        watchdog.cancel()
        process.stdout.close()
    assert (event["action"], event["project"]) == ("network_create", here.world.project)
    assert process.returncode == 130
