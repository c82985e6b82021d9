"""A PostgreSQL database of a given size, filled past the services: 2 ports a node, 100 a switch, 600 attachments."""

from __future__ import annotations

from sqlalchemy import insert, update

from hil.core.secret import Secret
from hil.store.tables import (
    Attachment,
    Lane,
    Membership,
    Network,
    Nic,
    Node,
    NodeLabel,
    Port,
    Project,
    Switch,
    User,
    Vlan,
)
from hil.store.unit import Store, Unit

PASSWORD = "correct horse battery"
ATTACHED = 600
FREE_SHARE = 10
"""One node in so many is free."""


def fill(store: Store, nodes: int) -> None:
    """Write it in one transaction."""
    store.change(lambda unit: _fill(unit, nodes))


def _fill(unit: Unit, nodes: int) -> None:
    rows = unit.session.execute
    hashed = unit.store.passwords.hash(Secret(PASSWORD))
    rows(insert(Project), [{"id": 1, "name": "bench", "enabled": True}, {"id": 2, "name": "other", "enabled": True}])
    rows(insert(User), [{"id": 1, "name": "op", "operator": True, "password_hash": hashed}])
    rows(insert(User), [{"id": 2, "name": "tenant", "operator": False, "password_hash": hashed}])
    rows(insert(Membership), [{"user_id": 2, "project_id": 1, "role": 2}])
    switches = max(1, nodes * 2 // 100)
    config = {"username": "u"}
    rows(
        insert(Switch),
        [
            {"id": n + 1, "name": f"sw{n:04}", "driver": "mock", "config": {**config, "hostname": f"sw{n}"}}
            for n in range(switches)
        ],
    )
    rows(insert(Lane), [{"switch_id": n + 1, "audited_at": 2.0**40} for n in range(switches)])
    rows(insert(Node), [_node(n) for n in range(nodes)])
    rows(insert(NodeLabel), [{"node_id": n + 1, "key": "rack", "value": f"r{n // 40}"} for n in range(nodes)])
    rows(
        insert(Nic),
        [
            {"id": 2 * n + card + 1, "node_id": n + 1, "name": f"eth{card}", "macaddr": f"02:00:{n:08x}"}
            for n in range(nodes)
            for card in (0, 1)
        ],
    )
    rows(
        insert(Port),
        [
            {
                "id": n + 1,
                "switch_id": n // 100 + 1,
                "name": f"gi1/0/{n % 100}",
                "nic_id": n + 1,
                "wanted": 1,
                "applied": 1,
            }
            for n in range(2 * nodes)
        ],
    )
    rows(update(Vlan).where(Vlan.id.between(100, 2000)).values(pool=True))
    rows(insert(Network), [{"id": 1, "name": "net", "owner_id": 1, "public": False}])
    rows(update(Vlan).where(Vlan.id == 100).values(network_id=1))
    held = [n for n in range(nodes) if n % FREE_SHARE][:ATTACHED]
    rows(
        insert(Attachment),
        [
            {"nic_id": 2 * n + 1, "network_id": 1, "channel": "vlan/native", "state": "attached", "generation": 1}
            for n in held
        ],
    )


def _node(n: int) -> dict[str, object]:
    free = n % FREE_SHARE == 0
    return {
        "id": n + 1,
        "name": f"node{n:05}",
        "state": "free" if free else "allocated",
        "project_id": None if free else 1,
    }
