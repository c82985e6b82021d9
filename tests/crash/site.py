"""A HIL of real processes over a park of switches: what it is told, what its books say, what its devices do."""

import socket
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import or_, select

from hil.core.limits import Limits
from hil.core.model import Actor, PortState
from hil.core.vlans import unfold
from hil.services import network, nic, node, operation, pool, port, project, switch
from hil.services.context import Context
from hil.store.journal import Source, Verified, verify
from hil.store.keys import Keyring
from hil.store.lanes import wanted_states
from hil.store.tables import Grant, Network, Nic, Node, Operation, Port, Switch, Vlan
from hil.store.unit import Store
from tests.crash.park import Park
from tests.process.serving import Hil

T = TypeVar("T")
OPERATOR = Actor("operator", operator=True)
PORTS = 4
PROJECTS = ("red", "blue")
Heard = frozenset[tuple[str, str]]


class Site:
    """Four nodes behind each switch, two projects, a pool of few ids."""

    def __init__(self, url: str, directory: Path, park: Park) -> None:
        directory.mkdir()
        self.directory, self.park, self.url = directory, park, url
        self.keys = directory / "keys"
        self.store = Store(url, Keyring.made_at(self.keys), limits=Limits())
        self.postgres = self.store.postgres
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.listen = f"127.0.0.1:{free.getsockname()[1]}"
        self._write_config()
        self.do(self._build)
        self.running: dict[str, Hil] = {}

    def _write_config(self) -> None:
        text = f"""
[server]
listen = "{self.listen}"
drain = 1
[database]
url = "{self.url}"
[secrets]
key_file = "{self.keys}"
[auth]
backend = "null"
[worker]
tick = 0.1
lease = 2
lease_margin = 0.5
audit_interval = 1
retry_most = 1
"""
        path = self.directory / "hil.toml"
        path.write_text(text)
        path.chmod(0o600)

    def _build(self, ctx: Context) -> None:
        pool.pool_set(ctx, unfold("100-103"))
        for name in PROJECTS:
            project.project_create(ctx, name)
            network.network_create(ctx, f"{name}-net", owner=name)
        network.network_create(ctx, "shared", owner="red", access=["blue"])
        for at in self.park.switches:
            config = {"address": self.park.address(at), "username": "hil", "password": "secret", "timeout": 5}
            switch.switch_register(ctx, at, "emulated", config)
            for number in range(PORTS):
                name = f"{at}n{number}"
                node.node_register(ctx, name, {}, {})
                nic.nic_register(ctx, name, "e0", "")
                port.port_register(ctx, at, f"p{number}")
                port.port_connect_nic(ctx, at, f"p{number}", name, "e0")

    def close(self) -> None:
        for process in list(self.running.values()):
            process.kill()
        self.store.close()

    def do(self, work: Callable[[Context], T]) -> T:
        return self.store.change(lambda unit: work(Context.changing(unit, OPERATOR, Source("test"))))

    def see(self, work: Callable[[Context], T]) -> T:
        return self.store.read(lambda session: work(Context(session, OPERATOR, Source("test"))))

    @property
    def roles(self) -> tuple[str, ...]:
        """The processes of this kind of installation."""
        return ("api", "worker") if self.postgres else ("all",)

    def start(self, role: str, name: str = "") -> Hil:
        """Start a process and wait until it is ready."""
        words = [] if role == "all" else [role]
        state = ["--state", str(self.directory)] if role == "all" else []
        variables = {"HIL_LISTEN": self.listen, "HIL_WORKER__NAME": name}
        config = ["--config", str(self.directory / "hil.toml")]
        process = Hil(self.directory, *words, *config, *state, variables=variables)
        self.running[name or role] = process
        return process.ready()

    def kill(self, name: str) -> None:
        """SIGKILL: nothing of it is finished."""
        self.running.pop(name).kill()

    def pending(self) -> list[str]:
        """Operations that wait, and ports that are not settled."""
        ids = self.store.read(lambda session: list(session.scalars(select(Operation.id))))
        waiting = [each for each in ids if self.store.read(lambda s, i=each: operation.operation_pending(s, i))]
        unsettled = self.see(lambda ctx: port.ports_in_trouble(ctx, limit=50))
        return [*waiting, *(f"{at.name}/{row.name}: {row.error}" for at, row in unsettled)]

    def lost(self, accepted: Collection[str]) -> list[str]:
        """Operations that were accepted and are not in the books."""
        there = self.store.read(lambda session: set(session.scalars(select(Operation.id))))
        return sorted(set(accepted) - there)

    def differing(self) -> list[str]:
        """Ports that carry something else than what is wished."""

        def books(session: Any) -> list[tuple[str, str, PortState]]:
            query = select(Port.id, Switch.name, Port.name).join(Switch, Switch.id == Port.switch_id)
            rows = session.execute(query).all()
            wanted = wanted_states(session, [row[0] for row in rows])
            return [(at, name, wanted[identity]) for identity, at, name in rows]

        found = []
        for at, name, want in self.store.read(books):
            have = self.park.carried(at, [name])[name]
            if have != want:
                found.append(f"{at}/{name}: carries {have}, wished {want}")
        return found

    def verified(self) -> Verified:
        return self.store.read(lambda session: verify(session, self.store.keys.sealing))

    def allowed(self) -> dict[str, frozenset[int]]:
        """The VLANs on which each node may hear somebody, as the books are now."""

        def books(session: Any) -> dict[str, frozenset[int]]:
            query = (
                select(Node.name, Vlan.id)
                .join(Vlan, Vlan.network_id.is_not(None))
                .join(Network, Network.id == Vlan.network_id)
                .outerjoin(Grant, (Grant.network_id == Network.id) & (Grant.project_id == Node.project_id))
                .where(Node.project_id.is_not(None), or_(Network.public, Grant.id.is_not(None)))
            )
            found: dict[str, set[int]] = {name: set() for name in session.scalars(select(Node.name))}
            for name, vlan in session.execute(query):
                found[name].add(vlan)
            return {name: frozenset(ids) for name, ids in found.items()}

        return self.store.read(books)

    def wiring(self) -> dict[str, tuple[str, str]]:
        """Node to switch and port."""
        query = (
            select(Node.name, Switch.name, Port.name)
            .join(Nic, Nic.node_id == Node.id)
            .join(Port, Port.nic_id == Nic.id)
            .join(Switch, Switch.id == Port.switch_id)
        )
        return self.store.read(lambda session: {name: (at, to) for name, at, to in session.execute(query)})
