"""Inventories for tests: a short one to vary, and what to do with one on a store."""

import textwrap

from hil.admin.inventory import books, document, export
from hil.admin.inventory.books import Books
from hil.admin.inventory.carry_out import carry_out
from hil.admin.inventory.changes import Plan, compare
from hil.process import compose
from hil.store.unit import Store

SITE = textwrap.dedent(
    """\
    vlan_pool: 100-109
    switches:
      leaf1:
        driver: mock
        audit: report
        config: {hostname: leaf1, username: hil, password: {env: LEAF_PASSWORD}}
        ports: [gi1/0/1, gi1/0/2]
        locked: [te1/1]
    nodes:
      node-01:
        labels: {cpu: 64, gpu: }
        metadata: {serial: X1, disks: [{size: 10, ssd: true}]}
        nics:
          eth0: {macaddr: 52:54:00:12:34:56, port: leaf1/gi1/0/1}
          eth1: {port: leaf1/GI1/0/02}
      node-02: {}
    """
)
ENVIRON = {"LEAF_PASSWORD": "hunter2", "OTHER": "hunter3"}


def plan(store: Store, text: str, *, prune: bool = False) -> Plan:
    read = document.parse(text, "site.yaml", ENVIRON)
    return compose.local_read(store, "test", lambda ctx: compare(read, books.read(ctx, store.keys), prune=prune))


def apply(store: Store, text: str, *, prune: bool = False) -> Plan:
    """Make the books what the text says; answers what was done."""
    found = plan(store, text, prune=prune)
    compose.local(store, "test", lambda ctx: carry_out(ctx, found.steps))
    return found


def said(found: Plan) -> list[str]:
    return [str(step) for step in found.steps]


def held(store: Store) -> Books:
    return compose.local_read(store, "test", lambda ctx: books.read(ctx, store.keys))


def exported(store: Store) -> str:
    return export.written(compose.local_read(store, "test", books.read))
