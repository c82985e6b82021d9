"""A session with a project at another HIL. Loaded by workers alone.

It believes what the parent has read back from its own switches, and nothing that is still on its way there: an
operation is waited for, and one that the parent does not finish in time is a lost reply. A list that the parent turns
down is tried again port by port, so that one port's fault is not another's. It never repeats what the parent may have
accepted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import BadArgument, DeviceBusy, DeviceError, LostReply, Refused
from hil.core.model import Observed, PortChange
from hil.core.vlans import fold
from hil.core.wiring import About
from hil.drivers.switch.order import differing, foreign_vlans
from hil.drivers.switch.parent import parse, render
from hil.drivers.switch.parent.names import known, port_of
from hil.drivers.switch.parent.parse import Card, Machine
from hil.drivers.switch.parent.render import Change, Plan
from hil.drivers.switch.parent.spec import CAPABILITIES
from hil.drivers.switch.parent.talk import Talk, open_talk

_POLL: Final = 20.0
"""Seconds for which the parent may hold an answer back; half a minute passes every proxy."""
_PAGE: Final = 500
Answers = dict[str, DeviceError | None]


class ParentSession:
    """Speak the contract of `SwitchSession` to a project. `clock` counts seconds and may be replaced by tests."""

    def __init__(self, talk: Talk, config: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._talk, self._clock = talk, clock
        self._project, self._networks = config["project"], config["networks"]
        self._config, self._patience = config, config["patience"]

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with self._closing():
            cards = await self._settled(await self._nodes() if ports is None else _nodes_of(ports))
            if missing := sorted(set(ports or ()) - cards.keys()):
                raise self._unknown(missing[0])
            return {port: parse.observed(self._networks, cards[port]) for port in (cards if ports is None else ports)}

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        answers: Answers = {change.port: None for change in batch}
        with self._closing():
            fine = [change for change in differing(batch) if self._can_carry(change, answers)]
            cards = await self._settled(_nodes_of(change.port for change in fine))
            plans = {}
            for change in fine:
                if plan := self._plan(change, cards.get(change.port), answers):
                    plans[change.port] = plan
            for port, error in (await self._without_networks(plans, writer)).items():
                answers[port] = error
                del plans[port]
            await self._ask({port: plan.first for port, plan in plans.items()}, answers, writer)
            rest = {port: plan.then for port, plan in plans.items() if answers[port] is None}
            await self._ask(rest, answers, writer)
        return answers

    async def save(self, writer: Writer) -> None:
        """Only ask the lease: what the parent has confirmed it has also saved."""
        with self._closing():
            writer.check()

    async def about(self) -> About:
        """Name and version of the service, from the one page that needs no credentials."""
        with self._closing():
            match await self._talk.get("/v1"):
                case {"name": str() as name, "version": str() as version}:
                    return About(name, version)
        raise Refused(f"{self._talk.device} does not say what it is.")

    async def close(self) -> None:
        await self._talk.close()

    async def start(self) -> None:
        """Try the key and the project. Raises LoginRefused, Refused."""
        with self._closing(), self._understood():
            role = parse.role(await self._talk.login("/v1/whoami"), self._project)
        if role in ("member", "manager"):
            return
        raise Refused(f"The API key has no role of a member in project {self._project} at {self._talk.device}.")

    # What is there.

    async def _nodes(self) -> list[str]:
        """Every node of the project."""
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            query = {"project": self._project, "limit": _PAGE} | ({"after": after} if after else {})
            with self._understood():
                items, after = parse.page(await self._talk.get("/v1/nodes", query))
                found += [item["name"] for item in items]
        return found

    async def _settled(self, nodes: Collection[str]) -> dict[str, Card]:
        """Read NICs by port; what is on its way at the parent is waited for once, and may then still be on its way."""
        machines = [await self._node(node) for node in nodes]
        pending = [each.name for each in machines if any(card.pending for card in each.cards.values())]
        if pending:
            await self._quiet(set(pending))
            machines = [await self._node(each.name) if each.name in pending else each for each in machines]
        mine = [each for each in machines if each.project == self._project]
        return {f"{each.name}/{nic}": card for each in mine for nic, card in each.cards.items()}

    async def _node(self, name: str) -> Machine:
        found = await self._talk.get(f"/v1/nodes/{name}", absent=True)
        if found is None:
            return Machine(name, None, {})
        with self._understood():
            return parse.machine(found)

    async def _quiet(self, nodes: set[str]) -> None:
        """Wait until no operation on these nodes is under way, as far as patience goes."""
        end = self._clock() + self._patience
        with self._understood():
            items, _ = parse.page(await self._talk.get("/v1/operations", {"limit": 100}))
        for item in items:
            match item:
                case {"id": str() as identity, "status": "PENDING", "actions": list() as actions}:
                    if any(action.get("node") in nodes for action in actions if isinstance(action, dict)):
                        await self._ended(identity, end)

    # What shall be.

    def _can_carry(self, change: PortChange, answers: Answers) -> bool:
        wrong = foreign_vlans(CAPABILITIES, (), change)
        if not wrong:
            wrong = frozenset(vlan for vlan in change.want.vlans if not known(self._config, vlan))
        if wrong:
            words = f"Port {change.port}: no network of the parent stands for VLAN {fold(wrong)}."
            answers[change.port] = Refused(words)
        return not wrong

    def _plan(self, change: PortChange, card: Card | None, answers: Answers) -> Plan | None:
        if card is None:
            answers[change.port] = self._unknown(change.port)
        elif card.pending:
            answers[change.port] = DeviceBusy(f"Port {change.port}: the parent has not finished an earlier change.")
        else:
            return render.plan(change.port, card.slots, render.slots_of(self._networks, change.want))
        return None

    async def _without_networks(self, plans: Mapping[str, Plan], writer: Writer) -> Answers:
        """Answer the ports that cannot be connected, because a network that a template names is not the project's own.

        Names made from a template can be guessed: a stranger at the parent could make such a network and share it.
        The networks of a table were chosen one by one.
        """
        if not isinstance(self._networks, str):
            return {}
        coming = {port: {step["network"] for step in plan.then if _connects(step)} for port, plan in plans.items()}
        wrong: dict[str, DeviceError] = {}
        for name in sorted(set().union(*coming.values())):
            try:
                await self._own(name, writer)
            except (Refused, DeviceBusy) as error:
                wrong[name] = error
        return {port: wrong[name] for port, named in coming.items() for name in sorted(named & wrong.keys())}

    async def _own(self, name: str, writer: Writer) -> None:
        """See that the project owns a network, making it if that was asked for. Raises Refused, DeviceBusy."""
        found = await self._talk.get(f"/v1/networks/{name}", absent=True)
        if found is None and not self._config["create"]:
            raise Refused(f"{self._talk.device} has no network {name}.")
        if found is None:
            found = await self._talk.post("/v1/networks", {"name": name, "owner": self._project}, writer)
        with self._understood():
            owner = parse.owner(found)
        if owner != self._project:
            raise Refused(f"Network {name} at {self._talk.device} does not belong to project {self._project}.")

    async def _ask(self, parts: Mapping[str, Sequence[Change]], answers: Answers, writer: Writer) -> None:
        """Have changes made: all in one list, or port by port if the parent turns that down."""
        asked = {port: steps for port, steps in parts.items() if steps}
        if not asked:
            return
        try:
            await self._change([step for steps in asked.values() for step in steps], answers, writer)
        except (Refused, DeviceBusy) as error:
            if len(asked) == 1:
                answers[next(iter(asked))] = error
                return
            for port, steps in asked.items():
                try:
                    await self._change(steps, answers, writer)
                except (Refused, DeviceBusy) as alone:
                    answers[port] = alone

    async def _change(self, steps: Sequence[Change], answers: Answers, writer: Writer) -> None:
        """Ask for a list and wait for its end. Raises Refused or DeviceBusy if it was not accepted, LostReply."""
        end = self._clock() + self._patience
        wait = min(self._patience, _POLL)
        accepted = await self._talk.post("/v1/network-changes", render.body(steps), writer, wait=wait)
        with self._understood():
            operation = parse.operation(accepted)
        done = operation if not operation.pending else await self._ended(operation.id, end)
        if done is None:
            raise LostReply(f"{self._talk.device} has accepted a change and not finished it in {self._patience:g} s.")
        for port, words in done.failed.items():
            if port in answers:
                answers[port] = Refused(f"Port {port}: {words}")

    async def _ended(self, identity: str, end: float) -> parse.Operation | None:
        """The operation once it has ended; None if it has not by then."""
        while (left := end - self._clock()) > 0:
            found = await self._talk.get(f"/v1/operations/{identity}", {"wait": min(left, _POLL)}, extra=_POLL)
            with self._understood():
                operation = parse.operation(found)
            if not operation.pending:
                return operation
        return None

    def _unknown(self, port: str) -> Refused:
        return Refused(f"Project {self._project} at {self._talk.device} has no NIC {port}.")

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """What makes no sense, although it was answered, leaves the state unknown."""
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            raise LostReply(f"{self._talk.device} answers what is no HIL's.", detail=str(error)) from error

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """End the session after anything but a refusal, a crash and a cancellation included."""
        guard.device()
        try:
            yield
        except Refused:
            raise
        except BaseException:
            self._talk.abort()
            raise


def _connects(step: Change) -> bool:
    return step["action"] == "connect"


def _nodes_of(ports: Any) -> list[str]:
    """The nodes behind these ports; what is no port's name is behind none."""
    found = set()
    for port in ports:
        try:
            found.add(port_of(port)[0])
        except BadArgument:
            continue
    return sorted(found)


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Connect, try the key, find the project. Raises DeviceError."""
    guard.device()
    talk = await open_talk(config)
    session = ParentSession(talk, config)
    try:
        await session.start()
    except BaseException:
        await session.close()
        raise
    return session
