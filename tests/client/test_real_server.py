"""The client against a real HIL: every verb once, and the errors that a server makes."""

import threading
from itertools import islice

import httpx
import pytest

from hil.client import (
    BadRequest,
    Change,
    Client,
    Conflict,
    Denied,
    NotFound,
    OperationFailed,
    PreconditionFailed,
    Unauthenticated,
    Unreachable,
    WaitTimeout,
)
from tests.client.server import PASSWORD, Server, World

pytestmark = pytest.mark.net


def test_what_answers_says_what_it_is_to_anybody(server: Server) -> None:
    with server.client() as nobody:
        assert nobody.about().name == "HIL"
        with pytest.raises(Unauthenticated):
            nobody.whoami()


def test_whoami_names_the_caller_and_the_roles(world: World) -> None:
    caller = world.tenant.whoami()
    assert (caller.user, caller.operator) == (world.member, False)
    assert (world.project, "manager") in [(entry.project, entry.role) for entry in caller.projects]


def test_a_tenant_takes_nodes_wires_them_and_gives_them_back(world: World) -> None:
    hil, (first, second, *_) = world.tenant, world.nodes
    network = hil.networks.create(f"{world.project}-lab", world.project)
    assert network.channels == ("vlan/native", f"vlan/{network.net_id}")
    taken = hil.nodes.allocate(world.project, [first, second])
    assert [(node.name, node.state, node.project) for node in taken] == [
        (name, "allocated", world.project) for name in (first, second)
    ]
    operation = hil.networks.change(Change.connect(node, "eth0", network.name) for node in (first, second))
    seen: list[int] = []
    done = operation.wait(timeout=30, progress=lambda now: seen.append(now.finished))
    assert done.status == "DONE"
    assert [(action.node, action.verb, action.status) for action in done.actions] == [
        (first, "connect", "DONE"),
        (second, "connect", "DONE"),
    ]
    assert {entry.node: entry.state for entry in hil.networks.attachments(network.name)} == dict.fromkeys(
        (first, second), "attached"
    )
    [on] = hil.nodes.get(first).nics[0].networks
    assert (on.network, on.channel, on.state) == (network.name, "vlan/native", "attached")
    with pytest.raises(Conflict) as caught:
        hil.networks.delete(network.name)
    assert caught.value.type == "blocked"
    hil.networks.detach(first, "eth0", network.name).wait(timeout=30)
    for node in (first, second):
        assert hil.nodes.release(node).wait(timeout=30).status == "DONE"
    hil.networks.delete(network.name)
    assert hil.nodes.get(first).state == "free"


def test_a_tenant_takes_so_many_nodes_with_a_label_or_none(world: World) -> None:
    label = f"world={world.label}"
    with pytest.raises(Conflict) as caught:
        world.tenant.nodes.allocate_matching(world.project, label, 5)
    assert caught.value.type == "exhausted"
    taken = world.tenant.nodes.allocate_matching(world.project, label, 3)
    assert len(taken) == 3
    mine = [node.name for node in world.tenant.nodes.list(project=world.project, limit=2)]
    assert sorted(mine) == sorted(node.name for node in taken)


def test_an_operation_that_waits_for_its_switch_is_cancelled(world: World) -> None:
    node, network = world.nodes[0], world.network()
    world.allocate(node)
    world.away()
    operation = world.tenant.networks.connect(node, "eth0", network)
    with pytest.raises(WaitTimeout) as caught:
        operation.wait(timeout=0.5)
    assert caught.value.operation.id == operation.id
    assert operation.id in [entry.id for entry in islice(world.tenant.operations.list(), 10)]
    with pytest.raises(OperationFailed, match=f"Cancelled by {world.member}"):
        operation.cancel().check()


def test_an_operation_that_the_switch_refuses_fails_with_the_switchs_words(world: World) -> None:
    node, network = world.nodes[1], world.network()
    world.allocate(node)
    world.refuse(2, "% table is full")
    channel = world.tenant.networks.get(network).channels[1]
    with pytest.raises(OperationFailed, match="table is full") as caught:
        world.tenant.networks.connect(node, "eth0", network, channel).wait(30)
    assert [action.status for action in caught.value.operation.actions] == ["ERROR"]


def test_an_operators_verbs(world: World) -> None:
    hil, node = world.operator, world.nodes[3]
    hil.nodes.label(node, "cpu/model", "x")
    hil.nodes.set_metadata(node, "disks", ["sda", {"size": 4}])
    shown = hil.nodes.get(node)
    assert shown.labels["cpu/model"] == "x"
    assert shown.metadata == {"disks": ["sda", {"size": 4}]}
    hil.nodes.unlabel(node, "cpu/model")
    hil.nodes.remove_metadata(node, "disks")
    assert hil.nodes.maintenance(node, "new disks").reason == "new disks"
    assert hil.nodes.put_back(node).state == "free"
    assert hil.nodes.quarantine(node, "smoke").state == "quarantined"
    world.settled()
    assert hil.nodes.put_back(node).state == "free"
    changed = hil.projects.change(world.project, {"quota_nodes": 3, "enabled": False})
    assert (changed.quota_nodes, changed.enabled) == (3, False)
    hil.projects.set_member(world.project, "root", "reader")
    assert [member.user for member in hil.projects.members(world.project)] == [world.member, "root"]
    hil.projects.remove_member(world.project, "root")
    assert [member.user for member in hil.projects.members(world.project)] == [world.member]


def test_a_switch_and_its_ports(world: World) -> None:
    hil, switch = world.operator, world.switch
    assert hil.switches.change(switch, audit="report").audit == "report"
    shown = hil.switches.get(switch)
    assert shown.driver == "emulated"
    assert "emulated" in [driver.name for driver in hil.switches.drivers()]
    assert "password" not in shown.config
    port = hil.ports.get(switch, "gi1/0/1")
    assert (port.node, port.nic) == (world.nodes[0], "eth0")
    assert (port.wish, port.observed) == ({"native": None, "tagged": []},) * 2
    assert hil.ports.register(switch, "gi1/0/9").name == "gi1/0/9"
    assert hil.ports.lock(switch, "gi1/0/9", True).locked
    assert not hil.ports.lock(switch, "gi1/0/9", False).locked
    hil.ports.delete(switch, "gi1/0/9")
    assert hil.ports.revert(switch, "gi1/0/1").wait(timeout=30).status == "DONE"
    hil.ports.unwire(switch, "gi1/0/1")
    assert hil.ports.get(switch, "gi1/0/1").node is None
    hil.nodes.delete_nic(world.nodes[0], "eth0")
    hil.nodes.delete(world.nodes[0])
    with pytest.raises(NotFound):
        hil.nodes.get(world.nodes[0])


def test_what_an_operator_looks_at(world: World) -> None:
    hil = world.operator
    assert hil.plan().keys() >= {"switches"}
    assert hil.trouble().keys() >= {"ports", "switches", "nodes"}
    lines = list(hil.events.journal(name=world.project, action="project_create"))
    assert [(line.actor, line.kind, line.outcome) for line in lines] == [("root", "project", "ok")]
    assert hil.pool.get().pool == "100-999"


def test_a_network_is_shared_and_taken_back(world: World) -> None:
    name, other = world.network(), f"{world.project}-other"
    world.operator.projects.create(other)
    world.tenant.networks.grant(name, other)
    assert other in world.tenant.networks.get(name).access
    world.tenant.networks.revoke(name, other)
    assert other not in world.tenant.networks.get(name).access
    public = world.operator.networks.create(f"{name}-public", None, public=True)
    assert (public.owner, public.public) == (None, True)
    assert not world.operator.networks.set_public(public.name, False, if_match=public.etag).public
    with pytest.raises(PreconditionFailed):
        world.operator.networks.set_public(public.name, True, if_match=public.etag)


def test_a_key_acts_for_its_user_until_it_is_revoked(world: World) -> None:
    key = world.tenant.keys.create("ci", project=world.project, role="reader", expires_in=60)
    assert key.token.startswith("hil_")
    with Client(world.server.endpoint, token=key.token) as reader:
        assert reader.whoami().user == world.member
        with pytest.raises(Denied):
            reader.nodes.allocate(world.project, world.nodes[:1])
        assert key.id in [known.id for known in world.tenant.keys.list()]
        world.tenant.keys.delete(key.id)
        with pytest.raises(Unauthenticated):
            reader.whoami()


def test_users_are_made_promoted_and_deleted(world: World) -> None:
    name = f"{world.member}-friend"
    world.operator.users.create(name, PASSWORD)
    assert world.operator.users.set_operator(name, True).operator
    with world.server.client(name) as friend:
        friend.users.set_password(name, "another long one", old_password=PASSWORD)
    with world.server.client(name, "another long one") as friend:
        assert friend.users.get(name).operator
    world.operator.users.delete(name)
    assert name not in [user.name for user in world.operator.users.list()]


@pytest.mark.parametrize(
    ("kind", "words"), [(NotFound, "no-such"), (BadRequest, "name"), (Conflict, "exists")], ids=lambda v: str(v)[:20]
)
def test_refusals_say_what_is_wrong(world: World, kind: type[Exception], words: str) -> None:
    name = {"no-such": "no-such", "name": "x" * 65, "exists": world.nodes[0]}[words]
    with pytest.raises(kind, match=words):
        world.operator.nodes.get(name) if kind is NotFound else world.operator.nodes.register(name)


def test_a_repeated_post_is_done_once(world: World) -> None:
    """Lose the reply of a creation that was done: the second try is answered with what the first one did."""

    class Lossy(httpx.HTTPTransport):
        lost = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            if request.method == "POST" and not self.lost:
                response.read()
                Lossy.lost += 1
                raise httpx.ReadError("the reply is lost")
            return response

    with world.server.client("root", transport=Lossy()) as hil:
        made = hil.networks.create(f"{world.project}-once", world.project)
    assert Lossy.lost == 1
    assert made.name == f"{world.project}-once"


def test_events_are_followed_as_they_happen(world: World) -> None:
    begin = max(line.seq for line in world.operator.events.journal())
    name = f"{world.project}-event"
    maker = threading.Thread(target=lambda: world.operator.networks.create(name, world.project))
    events = world.tenant.events.follow(begin)
    maker.start()
    event = next(event for event in islice(events, 50) if event.name == name)
    maker.join()
    events.close()  # type: ignore[attr-defined]  # it is a generator, which its type does not promise
    assert (event.action, event.kind, event.project) == ("network_create", "network", world.project)


def test_nobody_at_the_endpoint_is_told_as_unreachable() -> None:
    with Client("http://127.0.0.1:9", timeout=1.0) as hil, pytest.raises(Unreachable, match="cannot reach"):
        hil.about()
