"""Consoles for whoever has proved to an obmd of ours, over SSH, to hold a registered key.

obmd holds no credential of HIL. What lets it ask is a *return*: sealed words of HIL's own that it is given with each
epoch that begins, good for that node in that epoch and for this question alone. So nobody else learns which key opens
what. obmd has the node's consoles in its hands anyway, and gets for a key no more than it could take. Whatever is wrong
with the return, the key or its user's rights, the answer is the same.
"""

from __future__ import annotations

from sqlalchemy import select

from hil.core.errors import Unauthenticated
from hil.core.model import Role
from hil.core.policy import Act
from hil.core.secret import Secret
from hil.services.capability import Right
from hil.services.context import Context
from hil.services.obm import obm_returned
from hil.services.obm_grant import CONSOLE, Grant, Note, obm_grant
from hil.services.ssh_key import ssh_key_actors
from hil.store.tables import Node
from hil.store.unit import Store


def obm_ssh_grant(ctx: Context, store: Store, name: str, returned: Secret, fingerprint: str, *, opens: bool) -> Grant:
    """A capability for the console of a node, for the holder of a public key; noted if it `opens` one.

    Raises Unauthenticated, or Blocked with the reason why nobody has the console now.
    """
    refused = Unauthenticated("Nobody who may open this console holds this key.")
    node = ctx.session.scalar(select(Node).where(Node.name == name))
    if node is None or not obm_returned(store.keys, node, returned):
        raise refused
    for actor in ssh_key_actors(ctx.session, fingerprint, store.clock()):
        if (actor.role(node.project_id) or Role.READER) >= Role.MEMBER:
            note = Note("node_console", {"watch": False}) if opens else None
            return obm_grant(ctx.acting(actor), store, name, Right.CONSOLE, act=Act.MODIFY, note=note, life=CONSOLE)
    raise refused
