"""Connect and detach: the verbs that ask a lane to change what a NIC's port carries.

One request may change many NICs; it is judged as a whole and accepted as a whole or not at all. Nothing is attached
when these functions return: the receipt is, and the worker settles it after reading the switch back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import insert, select

from hil.core import rules
from hil.core.errors import BadArgument, Blocked, NotFound
from hil.core.model import NATIVE, AttachmentState, channel
from hil.core.policy import Act, Kind
from hil.core.rules import Slot
from hil.drivers.registry import capabilities_of, switch_spec
from hil.services import wish
from hil.services.context import Context
from hil.store.tables import Action, Attachment, Network, Nic, Node, Operation, Port, Vlan

_WAIT = "The NIC has pending network actions: wait for them."


@dataclass(frozen=True, slots=True)
class Change:
    """One wish: connect (`connect=True`) or detach `network` on `channel` of a NIC.

    An empty channel means `vlan/native` when connecting, and any channel when detaching.
    """

    node: str
    nic: str
    network: str
    channel: str = ""
    connect: bool = True


@dataclass(slots=True)
class _Nic:
    """A NIC of the request with its wishes as they change from one judged change to the next.

    `held` names the attachments in the books by network; `leaving` are those that an earlier request asked away and no
    switch has confirmed: they still hold their channel.
    """

    node: Node
    nic: Nic
    port: Port
    slots: list[Slot] = field(default_factory=list)
    leaving: list[Slot] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Books:
    """The rows that an accepted request will write, gathered so that thousands cost a few statements."""

    operation: Operation
    generations: dict[int, int]
    detached: list[int] = field(default_factory=list)
    attached: list[dict[str, object]] = field(default_factory=list)
    actions: list[dict[str, object]] = field(default_factory=list)

    def receipt(self, target: _Nic, verb: str, on: str, network: str | None) -> None:
        generation = self.generations[target.port.id]
        row = wish.action_row(self.operation, target.node, target.nic, verb, generation, on, network)
        self.actions.append(row)

    def write(self, ctx: Context) -> None:
        """What leaves goes first: a channel is then free for what comes to it in the same request."""
        wish.detach(ctx, self.detached)
        if self.attached:
            ctx.session.execute(insert(Attachment), self.attached)
        ctx.session.execute(insert(Action), self.actions)


def node_connect_network(ctx: Context, node: str, nic: str, network: str, on: str = "") -> Operation:
    """Ask for `network` on channel `on` of a NIC. Raises Blocked, ProjectMismatch, BadArgument, NotFound."""
    return network_change(ctx, [Change(node, nic, network, on)])


def node_detach_network(ctx: Context, node: str, nic: str, network: str) -> Operation:
    """Ask that `network` leave a NIC. Raises Blocked, BadArgument if it is not there, NotFound."""
    return network_change(ctx, [Change(node, nic, network, connect=False)])


def network_change(ctx: Context, changes: Sequence[Change]) -> Operation:
    """Judge a list of changes as one and accept all of it. Changes of one NIC are judged in their order."""
    if not changes:
        raise BadArgument("The list of changes is empty.")
    targets = _resolve(ctx, changes)
    projects = {target.node.project_id for target in targets.values()}
    if len(projects) > 1:
        raise BadArgument("The nodes belong to several projects: send one request for each.")
    generations = wish.bump(ctx, [target.port for target in targets.values()])  # from here on the ports are locked
    wish.no_pending(ctx, [target.nic for target in targets.values()], _WAIT)
    _fill(ctx, {target.nic.id: target for target in targets.values()})
    deadline = ctx.unit.store.limits.connect_deadline
    books = _Books(wish.operation_open(ctx, "network_change", projects.pop(), deadline=deadline), generations)
    networks: dict[str, Network] = {}
    for change in changes:
        target = targets[change.node, change.nic]
        if change.connect:
            network = networks.get(change.network) or ctx.network(change.network, Act.ATTACH)
            networks[change.network] = network
            _connect(ctx, books, target, change, network)
        else:
            _detach(ctx, books, target, change)
    _judge_whole(targets.values())
    books.write(ctx)
    return books.operation


def _judge_whole(targets: Iterable[_Nic]) -> None:
    for target in targets:
        switch = target.port.switch
        can = capabilities_of(switch_spec(switch.driver), switch.config)
        rules.native_first(can.nativeless, target.slots, switch.name)


def _resolve(ctx: Context, changes: Sequence[Change]) -> dict[tuple[str, str], _Nic]:
    nodes = ctx.nodes({change.node for change in changes}, Act.MODIFY)
    by_id = {node.id: node for node in nodes.values()}
    cards = {(by_id[nic.node_id].name, nic.name): nic for nic in ctx.nics(list(nodes.values()))}
    found: dict[tuple[str, str], _Nic] = {}
    for node, name in dict.fromkeys((change.node, change.nic) for change in changes):
        rules.node_can_change(node, nodes[node].state)
        nic = cards.get((node, name))
        if nic is None:
            raise NotFound(f"Node {node!r} has no NIC {name!r}.")
        found[node, name] = _Nic(nodes[node], nic, wish.wired_port(nodes[node], nic))
    return found


def _fill(ctx: Context, targets: dict[int, _Nic]) -> None:
    query = (
        select(Attachment.nic_id, Attachment.id, Network.name, Attachment.channel, Vlan.id, Attachment.state)
        .join(Network, Network.id == Attachment.network_id)
        .join(Vlan, Vlan.network_id == Network.id)
        .where(Attachment.nic_id.in_(targets))
    )
    for nic_id, identity, name, on, vlan, state in ctx.session.execute(query):
        target = targets[nic_id]
        if state == AttachmentState.DETACHING:
            target.leaving.append(Slot(name, on, vlan))
        else:
            target.slots.append(Slot(name, on, vlan))
            target.held[name] = identity


def _connect(ctx: Context, books: _Books, target: _Nic, change: Change, network: Network) -> None:
    guests = [grant.project_id for grant in network.grants]
    rules.access(target.node.project_id, network.public, guests, network.name)
    on = change.channel or NATIVE
    rules.slot_is_free([*target.slots, *target.leaving], network.name, on)
    if network.name in target.held:
        raise BadArgument(f"One request cannot detach network {network.name!r} from a NIC and connect it again.")
    rules.channel_fits(channel(on), network.vlan.id)
    target.slots.append(Slot(network.name, on, network.vlan.id))
    books.attached.append(
        {
            "nic_id": target.nic.id,
            "network_id": network.id,
            "channel": on,
            "state": AttachmentState.CONNECTING,
            "generation": books.generations[target.port.id],
        }
    )
    books.receipt(target, "connect", on, network.name)
    _record(ctx, "network_connect", target, on, network.name)


def _detach(ctx: Context, books: _Books, target: _Nic, change: Change) -> None:
    slot = next((slot for slot in target.slots if slot.network == change.network), None)
    left = next((slot for slot in target.leaving if slot.network == change.network), None)
    if slot is None and left is not None and change.channel in ("", left.channel):
        # Nothing is pending, so an earlier detach has failed: whoever asks again gets a receipt of the next attempt.
        books.receipt(target, "detach", left.channel, None)
        return
    if slot is None or (change.channel and slot.channel != channel(change.channel)):
        ctx.network(change.network, Act.READ)  # an unknown or hidden network is NotFound, as everywhere
        raise BadArgument(f"Network {change.network!r} is not attached there.")
    if change.network not in target.held:
        raise BadArgument("One request cannot connect and detach the same network on one NIC.")
    books.detached.append(target.held[change.network])
    target.slots.remove(slot)
    books.receipt(target, "detach", slot.channel, None)
    _record(ctx, "network_detach", target, slot.channel, change.network)


def _record(ctx: Context, action: str, target: _Nic, on: str, network: str) -> None:
    facts = {"nic": target.nic.name, "channel": on, "network": network, "port": target.port.name}
    ctx.record(action, Kind.NODE, target.node.name, project_id=target.node.project_id, after=facts)


def port_revert(ctx: Context, switch: str, port: str) -> Operation:
    """Ask that a wired port carry nothing. Raises NotFound if it is wired to no NIC, Pending, Blocked if locked."""
    row = ctx.port(switch, port, Act.ADMIN)
    if row.nic is None:
        raise NotFound(f"Port {port!r} of switch {switch!r} is wired to no NIC.")
    if row.locked:
        raise Blocked(f"Port {port!r} is locked as infrastructure: HIL does not write it.")
    node, nic = row.nic.node, ctx.nics([row.nic.node])
    chosen = [entry for entry in nic if entry.id == row.nic_id]
    generations = wish.bump(ctx, [row])
    wish.no_pending(ctx, chosen, _WAIT)
    wish.detach_everything(ctx, chosen)
    operation = wish.operation_open(ctx, "port_revert", node.project_id, node=node)
    ctx.session.execute(insert(Action), [wish.action_row(operation, node, chosen[0], "revert", generations[row.id])])
    facts = {"node": node.name, "nic": chosen[0].name}
    ctx.record("port_revert", Kind.PORT, f"{switch}/{port}", project_id=node.project_id, before=facts)
    return operation
